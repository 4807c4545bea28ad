"""Multi-agent debate: a record is a message in a player's own history; steps are its replies.

The affirmative side translates, then each round is affirmative, negative, moderator; the judge
speaks at the end.
"""

import json

FORMAT = "llm-debate"
FILES = ["samples/llm-debate/*.json"]


def records(path):
    return sum(len(messages) for messages in json.loads(path.read_text())["players"].values())


def expected(path):
    run = json.loads(path.read_text())
    said = {
        name: sum(message["role"] == "assistant" for message in messages)
        for name, messages in run["players"].items()
    }
    rounds = said["Negative side"]
    assert said["Affirmative side"] == rounds + 1
    speakers = ["Affirmative side"]
    speakers += ["Affirmative side", "Negative side", "Moderator"] * rounds
    speakers += ["Judge"] * said["Judge"]
    return [{"speakers": speakers, "task": run["source"], "tools": [], "outcome": "unknown"}]
