"""HyperAgent: a record starts with the logger's prefix and runs on to the next one."""

import re

FORMAT = "hyperagent-log"
FILES = ["samples/hyperagent-log/*.log"]
PREFIX = re.compile(r"^HyperAgent_\S+ - INFO - ", re.MULTILINE)


def _records(path):
    return PREFIX.split(path.read_text())[1:]


def records(path):
    return len(_records(path))


def expected(path):
    found = _records(path)
    speakers = [re.match(r"([A-Za-z-]+)(?:'s Response|->[A-Za-z]+):", text) for text in found]
    return [
        {
            "speakers": [match[1] if match else "system" for match in speakers],
            "task": "",
            "tools": [name for text in found for name in re.findall(r"(\w+)\._run\(", text)],
            "outcome": "unknown",
        }
    ]
