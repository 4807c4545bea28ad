"""OpenCode events: a record is a line; a part that says or does something is a step.

Parts stand in the order in which they first appear. The agent of a message speaks its parts; the
prompt of a sub-agent is spoken by the agent of the session above.
"""

import json

FORMAT = "opencode-events"
FILES = ["samples/opencode-events/*.jsonl"]


def lines(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line.strip()]


def records(path):
    return len(lines(path))


def expected(path):
    messages, parts, above = {}, {}, {}
    for name, payload, *made in lines(path):
        if name == "chat.message":
            messages[made[0]["message"]["id"]] = made[0]["message"]
            parts |= {part["id"]: part for part in made[0]["parts"] if part["id"] not in parts}
        if name != "event":
            continue
        told = payload["event"]["properties"]
        if payload["event"]["type"] == "message.updated":
            messages[told["info"]["id"]] = told["info"]
        elif payload["event"]["type"] == "message.part.updated":
            parts[told["part"]["id"]] = told["part"]
        elif payload["event"]["type"] == "session.created":
            above[told["info"]["id"]] = told["info"].get("parentID")
    steps = [part for part in parts.values() if part["type"] in ("text", "reasoning", "tool")]
    agents = {m["sessionID"]: m["agent"] for m in messages.values()}
    speakers = []
    for part in steps:
        parent = above[part["sessionID"]]
        if messages[part["messageID"]]["role"] == "assistant":
            speakers.append(messages[part["messageID"]]["agent"])
        else:
            speakers.append(agents[parent] if parent else "user")
    return [
        {
            "speakers": speakers,
            "task": steps[0]["text"],
            "tools": [part["tool"] for part in steps if part["type"] == "tool"],
            "outcome": "unknown",
        }
    ]
