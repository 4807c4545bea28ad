"""ChatDev: a record starts with a stamp in brackets. Steps are what roles and `System` say, and
what the company's software reports without a speaker (`**[Update Codes]**`, `**[Test Reports]**`,
conclusions), which counts as System. No steps: counts of tokens (they belong to the answer that
follows), lines of the web server and of httpx, the preamble, the closing figures, starts and ends;
`terminated the chat` belongs to the answer before it.
"""

import re

FORMAT = "chatdev-log"
FILES = ["samples/chatdev-log/*.log", "samples/chatdev-log/*.txt"]
STAMP = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO\] ", re.MULTILINE)
SILENT = ("flask app.py", "HTTP Request", "**[OpenAI_Usage_Info", "**[Preprocessing]", "**[Post Info]",
          "AgentTech ", "log_filename")  # fmt: skip


def _records(path):
    return STAMP.split(re.sub(r"\x1b\[\d*m", "", path.read_text()))[1:]


def records(path):
    return len(_records(path))


def expected(path):
    speakers = []
    for text in _records(path):
        first = text.split("\n")[0]
        old = re.match(r"\[\d+\] AI (?:Assistant|User) \((.+?)\)(.*)", first)
        if first.startswith(SILENT) or (old and "terminated" in old[2]):
            continue
        new = re.match(r"([A-Z][A-Za-z ]+): \*\*", first)
        speakers.append(old[1] if old else new[1] if new else "System")
    task = re.search(r"\*\*task_prompt\*\*: (.*)\n", path.read_text())
    return [
        {"speakers": speakers, "task": task[1] if task else "", "tools": [], "outcome": "unknown"}
    ]
