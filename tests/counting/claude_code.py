"""Claude Code sessions: a record is a line; user and assistant lines are steps, the rest is not.

A line of the user role that answers a tool is spoken by the tool. In a sub-agent's own file the
sub-agent answers under its id, and the prompt comes from the main agent.
"""

import json

FORMAT = "claude-code"
FILES = ["samples/claude-code/*.jsonl"]


def lines(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line.strip()]


def blocks(line, kind):
    content = line["message"]["content"]
    found = content if isinstance(content, list) else []
    return [block for block in found if block["type"] == kind]


def records(path):
    return len(lines(path))


def expected(path):
    spoken = [line for line in lines(path) if line["type"] in ("user", "assistant")]
    speakers = []
    for line in spoken:
        if line["type"] == "assistant":
            speakers.append(line["agentId"] if line["isSidechain"] else "claude")
        elif blocks(line, "tool_result"):
            speakers.append("tool")
        else:
            speakers.append("claude" if line["isSidechain"] else "user")
    return [
        {
            "speakers": speakers,
            "task": TASKS[path.name],
            "tools": [call["name"] for line in spoken for call in blocks(line, "tool_use")],
            "outcome": "unknown",
        }
    ]


# Read off the files by eye: which line a person would call the task has no simple rule.
TASKS = {
    "dkimuson_1af7fc5e.jsonl": "Please analyze this codebase and create a CLAUDE.md",
    "marot_4d5611e5_subagents_agent-a2898e3.jsonl": "Very thorough exploration",
    "marot_short.jsonl": "mix phx.server doesnt seem to start",
    "marot_subagent.jsonl": "websearch to learn how to fastest setup credo",
    "marot_tool_heavy.jsonl": "start phoenix in background",
}
