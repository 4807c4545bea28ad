"""DyLAN: a line is a question, and a record; so is every reply in it that is not null.

A line is a list per agent of its replies by round: the replies that speak of other agents'
solutions stand second and third in their list, and where the agents agreed at once, every list
has a first reply only, as the importance scores in the text file say too.
"""

import json

FORMAT = "dylan"
FILES = ["samples/dylan/*.json"]


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def records(path):
    return sum(1 + sum(r is not None for own in line for r in own) for line in _lines(path))


def expected(path):
    lines = _lines(path)
    right = [None] * len(lines)
    text = path.with_suffix(".txt")
    if text.exists():
        right = json.loads(text.read_text().split("]")[0].lower() + "]")
    verdict = {True: "success", False: "failure", None: "unknown"}
    return [
        {
            "speakers": [
                f"Agent {agent}"
                for round in range(len(line[0]))
                for agent, own in enumerate(line, 1)
                if own[round] is not None
            ],
            "task": "",
            "tools": [],
            "outcome": verdict[answer],
        }
        for line, answer in zip(lines, right, strict=True)
    ]
