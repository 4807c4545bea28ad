"""Who knows how a run ended: the answers of tasks.json, to the minute."""

import json
import re
from pathlib import Path

ANSWERS = {task["id"]: task["minutes"] for task in json.loads(Path("tasks.json").read_text())}


def outcome(trace):
    """True when the team's last word names the right number of minutes."""
    said = re.search(r"FINAL ANSWER: (\d+) minutes", trace.steps[-1].content)
    return said is not None and int(said[1]) == ANSWERS[trace.task.id]
