"""Claude Agent SDK: a record is a directed message; those of user and assistant are steps."""

import json

FORMAT = "claude-agent-sdk"
FILES = ["samples/claude-agent-sdk/*.json"]


def messages(path):
    return [item["message"] for item in json.loads(path.read_text())["messages"]]


def records(path):
    return len(messages(path))


def expected(path):
    said = [m for m in messages(path) if m["type"] in ("user", "assistant")]
    speakers = []
    for item in said:
        content = item["message"]["content"]
        blocks = content if isinstance(content, list) else []
        answers = any(block["type"] == "tool_result" for block in blocks)
        speakers.append("claude" if item["type"] == "assistant" else "tool" if answers else "user")
    blocks = [b for m in said if m["type"] == "assistant" for b in m["message"]["content"]]
    return [
        {
            "speakers": speakers,
            "task": said[0]["message"]["content"],
            "tools": [block["name"] for block in blocks if block["type"] == "tool_use"],
            "outcome": "unknown",
        }
    ]
