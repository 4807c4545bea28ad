"""Who&When: a record is an item of `history`, and every one of them is a step."""

import json
import re

FORMAT = "who-and-when"
FILES = ["labeled/who-and-when/*/*.json"]


def records(path):
    return len(json.loads(path.read_text())["history"])


def expected(path):
    run = json.loads(path.read_text())
    by_name = path.parent.name == "Algorithm-Generated"
    speakers = [
        item["name"] if by_name else re.sub(r" \(.*", "", item["role"]) for item in run["history"]
    ]
    return [
        {
            "speakers": speakers,
            "task": run["question"],
            "tools": [],
            "outcome": "failure",
            "labels": [(run["mistake_agent"], int(run["mistake_step"]))],
        }
    ]
