"""LangSmith batches: a record is an entry of `post` or `patch`; both of one run are one step."""

import json

FORMAT = "langsmith"
FILES = ["samples/langsmith/*.json"]


def records(path):
    whole = json.loads(path.read_text())
    return len(whole["post"]) + len(whole["patch"])


def expected(path):
    runs = json.loads(path.read_text())["post"]
    return [
        {
            "speakers": ["unknown"],
            "task": run["inputs"]["messages"][0]["content"],
            "tools": [],
            "outcome": "unknown",
        }
        for run in runs
    ]
