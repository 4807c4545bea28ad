"""MetaGPT: a record starts with loguru's prefix; here every one names an agent that acts."""

import json
import re

FORMAT = "metagpt-log"
FILES = ["samples/metagpt-log/*.json"]


def _names(path):
    text = json.loads(path.read_text())["content"]
    return re.findall(r"^\d{4}-.{18} \| INFO +\| \S+ - (\w+)\(\w+\): to do", text, re.MULTILINE)


def records(path):
    return len(_names(path))


def expected(path):
    task = json.loads(path.read_text())["prompt"]
    return [{"speakers": _names(path), "task": task, "tools": [], "outcome": "unknown"}]
