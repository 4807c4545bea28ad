"""Inspect logs: a record is a message of a sample, each one is a step; every sample is a run."""

import json
import zipfile

FORMAT = "inspect-log"
FILES = ["samples/inspect-log/*.json", "samples/inspect-log/*.eval"]

GRADES = {"C": "success", "I": "failure"}


def samples(path):
    if path.suffix == ".json":
        return json.loads(path.read_text())["samples"]
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith("samples/")]
        return [json.loads(archive.read(name)) for name in names]


def records(path):
    return sum(len(sample["messages"]) for sample in samples(path))


def expected(path):
    found = []
    for sample in samples(path):
        messages = sample["messages"]
        asked = next(message for message in messages if message["role"] == "user")["content"]
        if isinstance(asked, str) and asked.startswith("attachment://"):
            asked = sample["attachments"][asked.removeprefix("attachment://")]
        scores = list(sample["scores"].values())
        calls = [call for message in messages for call in message.get("tool_calls") or ()]
        found.append(
            {
                "speakers": [message["role"] for message in messages],
                "task": asked if isinstance(asked, str) else "",
                "tools": [call["function"] for call in calls],
                "outcome": GRADES[scores[0]["value"]] if scores else "unknown",
            }
        )
    return found
