"""AgentChat 0.4: a record is a message, counted once for every list that holds a copy of it."""

import json

FORMAT = "autogen-agentchat-04"
FILES = ["samples/autogen-agentchat-04/*.json"]


def records(path):
    def count(node):
        if isinstance(node, dict):
            return sum(count(child) for child in node.values())
        if isinstance(node, list):
            return len(node)
        return 0

    return count(json.loads(path.read_text()))


def expected(path):
    whole = json.loads(path.read_text())
    if isinstance(whole, list):
        thread = whole
    elif whole["type"] == "TeamState":
        (thread,) = (
            s["message_thread"] for s in whole["agent_states"].values() if "message_thread" in s
        )
    else:
        thread = whole["llm_context"]["messages"]
    return [
        {
            "speakers": [message["source"] for message in thread],
            "task": next(m["content"] for m in thread if m["source"] == "user" and m["content"]),
            "tools": [],
            "outcome": "unknown",
        }
    ]
