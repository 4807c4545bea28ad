"""Magentic-One's log.jsonl: a record is a line; lines with token counts belong to the next step."""

import json

FORMAT = "magentic-one-jsonl"
FILES = ["samples/magentic-one-jsonl/*.jsonl"]


def _events(path):
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def records(path):
    return len(_events(path))


def expected(path):
    runs = []
    for event in _events(path):
        if event["type"] == "LLMCallEvent":
            continue
        if event["source"] == "UserProxy":
            runs.append(
                {"speakers": [], "task": event["message"], "tools": [], "outcome": "unknown"}
            )
        runs[-1]["speakers"].append(event["source"].split(" (")[0])
    return runs
