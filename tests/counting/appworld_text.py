"""AppWorld: a record is a banner, a headed block, or an `Entering`/`Exiting` line. The blocks are
steps except the evaluation. `Message to X Agent` is the supervisor's after `Entering`, afterwards
(and to the supervisor) it is what running the code gave. Tools are the API calls in the code.
"""

import json
import re

FORMAT = "appworld-text"
FILES = ["samples/appworld-text/*.txt"]
HEADS = re.compile(
    r"^ *(?:(Response from \w+ (?:Agent|API))|(Code Execution Output)|(Entering \w+ Agent message loop)"
    r"|(Exiting \w+ Agent message loop)|(Message to \w+ Agent)|(Reply from \w+ Agent to \w+)"
    r"|(Evaluation)|(\*{5,} Task .*))$",
    re.MULTILINE,
)


def _heads(path):
    return [match[0].strip() for match in HEADS.finditer(path.read_text())]


def records(path):
    return len(_heads(path))


def expected(path):
    text, speakers, entered = path.read_text(), [], False
    for head in _heads(path):
        kind, who = head.split()[0], re.search(r"(\w+ Agent)\b", head)
        if kind in ("Entering", "Exiting", "Evaluation") or head.startswith("*"):
            entered = kind == "Entering"
            continue
        if kind == "Code" or head.endswith(" API"):
            speakers.append("environment")
        elif kind == "Message":
            speakers.append("Supervisor Agent" if entered else "environment")
        else:
            speakers.append(who[1])
        entered = False
    replies = re.findall(
        r"Response from \w+ Agent\n(.*?)(?=\n *(?:Code Execution|Message to|Reply from))",
        text,
        re.S,
    )
    tools = [
        name
        for reply in replies
        for name in re.findall(r"^(?!\s*#).*?\b(apis\.\w+\.\w+|send_message)\(", reply, re.M)
    ]
    report = json.loads(text[text.rindex("Evaluation") + len("Evaluation") :])
    return [
        {
            "speakers": speakers,
            "task": text.split("*\n")[1].split("\n")[0],
            "tools": [name.removeprefix("apis.") for name in tools],
            "outcome": "success" if report["success"] else "failure",
        }
    ]
