"""ChatDev's puppeteer. In `path_N.jsonl`, a JSON list, a record is an item. In the logs it starts
with a stamp on a line of its own; in a path's log only `[Reasoning]` is something an agent said, in
`meta.log` every record that is no ruled-off marker is said by the system.
"""

import json
import re

FORMAT = "chatdev-puppeteer"
FILES = ["samples/chatdev-puppeteer/*.jsonl", "samples/chatdev-puppeteer/*.log"]


def _records(path):
    return re.split(r"^\[\d\d:\d\d:\d\d INFO\]\n", path.read_text(), flags=re.MULTILINE)[1:]


def records(path):
    return len(_records(path) if path.suffix == ".log" else json.loads(path.read_text()))


def expected(path):
    if path.name == "meta.log":
        speakers = ["system" for text in _records(path) if not text.startswith("-----")]
    else:
        steps = json.loads(
            (path.parent / f"path_{re.sub('[^0-9]', '', path.stem)}.jsonl").read_text()
        )
        speakers = [step["agent"] for step in steps]
    task = "Typical advertising regulatory bodies suggest"
    return [{"speakers": speakers, "task": task, "tools": [], "outcome": "unknown"}]
