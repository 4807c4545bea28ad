"""Chat-completion messages. A record is a message; in a log of one call the reply is one more.

Of a call that was rewritten for a model without function calling (`raw_messages`), both forms of
each message are records of the same step. In JSONL a line is a record too.
"""

import json
import re

FORMAT = "openai-chat-messages"
FILES = ["samples/openai-chat-messages/*.json", "samples/openai-chat-messages/*.jsonl"]
TURN = re.compile(r"^(user|assistant|tool|system): ", re.MULTILINE)


def _runs(path):
    text = path.read_text()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return [json.loads(text)]


def records(path):
    total = 0
    for run in _runs(path):
        if "messages_display" in run:
            total += 1 + len(TURN.findall(run["messages_display"]))
        else:
            total += len(run["messages"]) + len(run.get("raw_messages", ())) + 1
    return total


def text(content):
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def expected(path):
    return [_displayed(run) if "messages_display" in run else _call(run) for run in _runs(path)]


def _displayed(run):
    speakers = TURN.findall(run["messages_display"])
    first = run["messages_display"].split("\n", 1)[0].removeprefix("user: ")
    return {"speakers": speakers, "task": first, "tools": [], "outcome": "unknown"}


def _call(run):
    messages = run.get("raw_messages") or run["messages"]
    messages = [*messages, run["response"]["choices"][0]["message"]]
    asked = [call["function"]["name"] for m in messages for call in m.get("tool_calls") or ()]
    return {
        "speakers": [m["role"] for m in messages],
        "task": text(next(m["content"] for m in messages if m["role"] == "user")),
        "tools": asked,
        "outcome": "unknown",
    }
