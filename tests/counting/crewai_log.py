"""CrewAI: every stamped record, started or completed, is a step of the agent that it names.

A kickoff begins where the first task of the file starts again: by name, or by text if unnamed.
"""

import re

FORMAT = "crewai-log"
FILES = ["samples/crewai-log/*.txt"]
STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: (?=task_name=)", re.MULTILINE)


def _records(path):
    return STAMP.split(path.read_text())[1:]


def records(path):
    return len(_records(path))


def expected(path):
    runs = []
    for text in _records(path):
        name, task = re.match(r'task_name="(.*?)", task="(.*?)", agent="', text, re.S).groups()
        agent = " ".join(re.search(r'", agent="(.*?)", status="', text, re.S)[1].split())
        key = task if name == "None" else name
        if not runs or (key == runs[-1]["key"] and 'status="started"' in text):
            runs.append(
                {"key": key, "speakers": [], "task": task, "tools": [], "outcome": "unknown"}
            )
        runs[-1]["speakers"].append(agent)
    return runs
