"""TracerTraj: one failed run a line, a record is an item of `history`; a line is a record too."""

import json

FORMAT = "tracertraj"
FILES = ["labeled/tracertraj-code-test/*.jsonl"]


def _runs(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def records(path):
    return sum(1 + len(run["history"]) for run in _runs(path))


def expected(path):
    return [
        {
            "speakers": [item["name"] for item in run["history"]],
            "task": run["question"],
            "tools": [],
            "outcome": "failure",
            "labels": [(run["mistake_agent"], int(run["mistake_step"]))],
        }
        for run in _runs(path)
    ]
