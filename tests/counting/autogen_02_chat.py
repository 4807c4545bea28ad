"""MathChat of AutoGen 0.2: a record is a message; `user` is the proxy that runs the code."""

import json

FORMAT = "autogen-02-chat"
FILES = ["samples/autogen-02-chat/*.json"]


def records(path):
    return len(json.loads(path.read_text())["messages"])


def expected(path):
    run = json.loads(path.read_text())
    names = {"user": "MathUserProxyAgent", "assistant": "assistant", "system": "system"}
    return [
        {
            "speakers": [names[message["role"]] for message in run["messages"]],
            "task": run["problem"],
            "tools": [],
            "outcome": "success" if run["is_correct"] else "failure",
        }
    ]
