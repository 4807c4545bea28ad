"""smolagents memory: a record is an item of the list of steps, and each one is a step.

The only memory dump is cut off half-way, so it is counted by its markers, not decoded.
"""

import re

FORMAT = "smolagents"
FILES = ["samples/smolagents/*memory_steps*.json"]


def records(path):
    text = path.read_text()
    return len(re.findall(r'"task_images":', text)) + len(re.findall(r'"step": \d+', text))


def expected(path):
    text = path.read_text()
    task = re.search(r'"task": "([^"]*)"', text)[1]
    turns = len(re.findall(r'"step": \d+', text))
    return [
        {
            "speakers": ["user", *["agent"] * turns],
            "task": task,
            "tools": re.findall(r'"function": \{\s*"name": "([^"]*)"', text),
            "outcome": "unknown",
        }
    ]
