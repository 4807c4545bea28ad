"""Calls seen by a proxy in front of a model: a record is a line, and every line is a step.

Who spoke is not logged. Prompts tell where they are fixed texts of a framework: Magentic-One's
coder and orchestrator; tau-bench's simulated user, who is always greeted the same way.
"""

import json

FORMAT = "llm-call-proxy-jsonl"
FILES = ["samples/llm-call-proxy-jsonl/*.jsonl"]


def _calls(path):
    return sorted(
        map(json.loads, path.read_text().splitlines()), key=lambda call: call["timestamp"]
    )


def records(path):
    return len(_calls(path))


def expected(path):
    calls = _calls(path)
    first = calls[0]["input"]
    if path.name.startswith("magentic"):
        speakers = ["Coder" if c["input"].startswith("system:") else "Orchestrator" for c in calls]
        task = first.split("Here is the request:\n\n")[1].split("\n\nHere is the pre-survey")[0]
    elif path.name.startswith("taubench"):
        user = "Hi! How can I help you today?"
        speakers = ["user" if c["input"].startswith(user) else "assistant" for c in calls]
        task = calls[0]["output"]
    else:
        speakers = ["unknown"] * len(calls)
        task = first.split("PR description:\n")[1].split("\n")[0]
    return [{"speakers": speakers, "task": task, "tools": [], "outcome": "unknown"}]
