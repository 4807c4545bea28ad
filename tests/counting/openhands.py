"""OpenHands: a record is an event (and a line of an evaluation's output), and events are steps.

Events of the SDK that only tell the state of the conversation are no steps.
"""

import json

FORMAT = "openhands"
FILES = ["samples/openhands/*.json", "samples/openhands/*.jsonl"]


def lines(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line.strip()]


def runs(path):
    if path.suffix == ".json":
        return [{"history": json.loads(path.read_text())}]
    found = lines(path)
    return found if "history" in found[0] else [{"history": found}]


def records(path):
    events = sum(len(run["history"]) for run in runs(path))
    return events + (len(lines(path)) if "output" in path.name else 0)


def expected(path):
    found = []
    for run in runs(path):
        events = [e for e in run["history"] if e.get("kind") != "ConversationStateUpdateEvent"]
        told = [e for e in events if e["source"] == "user" and e.get("action") == "message"]
        acts = [e for e in events if e.get("action") and e.get("kind") != "ObservationEvent"]
        quiet = ("message", "system", "recall", "think", "finish")
        tools = [
            event.get("tool_name") or event["tool_call_metadata"]["function_name"]
            for event in acts
            if event["action"] not in quiet
        ]
        found.append(
            {
                "speakers": [event["source"] for event in events],
                "task": told[0]["args"]["content"] if told else "",
                "tools": tools,
                "outcome": "failure" if run.get("error") else "unknown",
            }
        )
    return found
