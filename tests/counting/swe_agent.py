"""SWE-agent: a record is an item of `trajectory` or of `history`; items of `trajectory` are steps.

mini-swe-agent has neither, but a plain list of messages, each of which is a record and a step.
"""

import json

FORMAT = "swe-agent"
FILES = ["samples/swe-agent/*.traj", "samples/swe-agent/*.traj.json"]


def records(path):
    run = json.loads(path.read_text())
    return len(run) if isinstance(run, list) else len(run["trajectory"]) + len(run["history"])


def expected(path):
    run = json.loads(path.read_text())
    if isinstance(run, list):
        turns = [message["content"] for message in run if message["role"] == "assistant"]
        commands = [turn for turn in turns if turn.count("```") == 2]
        return [
            {
                "speakers": [message["role"] for message in run],
                "task": run[1]["content"],
                "tools": ["bash"] * len(commands),
                "outcome": "unknown",
            }
        ]
    history = [item for item in run["history"] if not item.get("is_demo")]
    calls = [item for item in history if item["role"] == "assistant"]
    tools = [
        item["tool_calls"][0]["function"]["name"]
        if item.get("tool_calls")
        else item["action"].split()[0]
        for item in calls
    ]
    return [
        {
            "speakers": [history[0]["agent"]] * len(run["trajectory"]),
            "task": history[1]["content"],
            "tools": tools,
            "outcome": "unknown",
        }
    ]
