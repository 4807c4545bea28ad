"""ATIF: a record is a step; `source` agent stands for the agent that the trajectory names."""

import json

FORMAT = "atif-harbor"
FILES = ["samples/atif-harbor/*.json"]


def records(path):
    return len(json.loads(path.read_text())["steps"])


def expected(path):
    run = json.loads(path.read_text())
    name = run["agent"]["name"]
    tools = []
    for step in run["steps"]:
        calls = step.get("tool_calls", [])
        tools += [call["function_name"] for call in calls]
        if not calls and any(
            "content" in r for r in step.get("observation", {}).get("results", [])
        ):
            tools.append("")  # an answer whose call is in the text of the message
    return [
        {
            "speakers": [name if s["source"] == "agent" else s["source"] for s in run["steps"]],
            "task": next(s["message"] for s in run["steps"] if s["source"] == "user"),
            "tools": tools,
            "outcome": "unknown",
        }
    ]
