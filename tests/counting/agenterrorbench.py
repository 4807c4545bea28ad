"""AgentErrorBench: a record is a message, each one is a step; step k is the k-th answer."""

import json
import re

FORMAT = "agenterrorbench"
FILES = ["labeled/agenterrorbench-gaia/GAIA/*.json"]


def load(path):
    return json.loads(path.read_text())


def records(path):
    return len(load(path)["messages"])


def expected(path):
    run = load(path)
    roles = [message["role"] for message in run["messages"]]
    said = [m["content"] for m in run["messages"] if m["role"] == "assistant"]
    (file,) = path.parents[1].glob("gaia_labels*.json")
    (label,) = [item for item in load(file) if item["trajectory_id"] == path.stem]
    answers = [index for index, role in enumerate(roles) if role == "assistant"]
    first = run["messages"][0]["content"]
    task = first[first.index("Task:") + 5 : first.index("Available Tools:")]
    return [
        {
            "speakers": roles,
            "task": task,
            "tools": [
                tool for text in said for tool in re.findall(r"<action>\s*tool: *(\S+)", text)
            ],
            "outcome": "success" if run["metadata"]["won"] else "failure",
            "labels": [("assistant", answers[label["critical_failure_step"] - 1])],
        }
    ]
