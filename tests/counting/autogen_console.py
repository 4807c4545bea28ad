"""Console output of AutoGen: a record is a message, which starts with a speaker's header.

0.4 prints `---------- name ----------`, 0.2 `name (to other):`. What a script prints besides
belongs to no speaker; where it prints nothing else, that is the only record.
"""

import json
import re

FORMAT = "autogen-console"
FILES = ["samples/autogen-console/*.json", "samples/autogen-console/*.txt"]


def _text(path):
    return (
        json.loads(path.read_text())["output"]["stdout"]
        if path.suffix == ".json"
        else path.read_text()
    )


def _messages(path):
    if path.suffix == ".json":
        parts = re.split(r"^-{10} (\w+) -{10}\n", _text(path), flags=re.MULTILINE)
    else:
        parts = re.split(r"^([\w ]+) \(to \w+\):\n", _text(path), flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True)) or [("unknown", parts[0])]


def records(path):
    return len(_messages(path))


def expected(path):
    found = _messages(path)
    tools = [
        name
        for _, body in found
        for name in re.findall(r"^\[FunctionCall\(.*name='(\w+)'\)\]", body)
    ]
    crashed = "EXITED WITH CODE: 1" in _text(path)
    return [
        {
            "speakers": [name for name, _ in found],
            "task": found[0][1].strip().split("\n")[0] if found[0][0] != "unknown" else "",
            "tools": tools,
            "outcome": "failure" if crashed else "unknown",
        }
    ]
