"""Anthropic Managed Agents: a record is a recorded call; streamed messages and tools are steps."""

import json

FORMAT = "anthropic-managed-agents"
FILES = ["samples/anthropic-managed-agents/*.jsonl"]


def lines(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line.strip()]


def records(path):
    return len(lines(path))


def expected(path):
    calls = lines(path)
    name = calls[0][1]["agent"]["name"]
    events = [payload for method, payload in calls if method.endswith("events.stream")]
    who = {
        "user.message": "user",
        "agent.message": name,
        "agent.tool_use": name,
        "agent.custom_tool_use": name,
        "agent.tool_result": "tool",
        "user.custom_tool_result": "tool",
    }
    spoken = [event for event in events if event["type"] in who]
    return [
        {
            "speakers": [who[event["type"]] for event in spoken],
            "task": spoken[0]["content"][0]["text"],
            "tools": [event["name"] for event in spoken if event["type"].endswith("tool_use")],
            "outcome": "unknown",
        }
    ]
