"""LangGraph replays: a record is an event; the pieces of one id are a step if they say anything."""

import json

FORMAT = "langgraph-sse"
FILES = ["samples/langgraph/*replay*.txt"]


def data(path):
    lines = path.read_text().split("\n")
    return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


def records(path):
    return len(data(path))


def expected(path):
    steps = {}
    for piece in data(path):
        step = steps.setdefault(piece["id"], {"who": "", "said": "", "tools": []})
        step["who"] = "user" if piece["role"] == "user" else piece["agent"]
        step["said"] += piece.get("content") or piece.get("reasoning_content") or ""
        step["tools"] += [call["name"] for call in piece.get("tool_calls", ()) if call["name"]]
    told = [step for step in steps.values() if step["said"] or step["tools"]]
    return [
        {
            "speakers": [step["who"] for step in told],
            "task": told[0]["said"],
            "tools": [tool for step in told for tool in step["tools"]],
            "outcome": "unknown",
        }
    ]
