"""LangGraph thread state: a record is a message of `values.messages`, and each one is a step.

Messages carry no agent name here, so the graph speaks for the model; people, tools and injected
system texts speak for themselves.
"""

import json

FORMAT = "langgraph"
FILES = ["samples/langgraph/*.json"]


def messages(path):
    return json.loads(path.read_text())["values"]["messages"]


def records(path):
    return len(messages(path))


def expected(path):
    state = json.loads(path.read_text())
    who = {"human": "user", "tool": "tool", "system": "system"}
    graph = state["metadata"]["graph_id"]
    return [
        {
            "speakers": [who.get(m["type"]) or m["name"] or graph for m in messages(path)],
            "task": messages(path)[0]["content"][0]["text"],
            "tools": [call["name"] for m in messages(path) for call in m.get("tool_calls", ())],
            "outcome": "unknown",
        }
    ]
