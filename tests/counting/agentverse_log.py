"""AgentVerse: a record is a marker (`Loop Round`, `Reviews:`, `Execution Result:`), which belongs
to what follows it, or one contribution: roles, a plan, `[Name]: words`, a tool called under a bare
name, an evaluation, the final result. The stages name who speaks where no name is printed.
"""

import re

FORMAT = "agentverse-log"
FILES = ["samples/agentverse-log/*.txt"]
STAGES = {
    "Role Assignment:": "role_assigner",
    "Decision Plan:": "solver",
    "Evaluation result:": "evaluator",
}
MARKERS = ("Loop Round", "Reviews:", "Execution Result:")


def _scan(path):
    text = re.sub(r"\x1b\[\d*m", "", path.read_text())
    lines = [line.replace("(Pdb) ", "").strip() for line in text.split("\n")]
    markers, said = 0, []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        markers += line.startswith(MARKERS)
        name = re.match(r"\[([A-Z][A-Za-z ]*)\]: ", line)
        if name:
            said.append((name[1], None))
        elif following.startswith("Tool: "):
            said.append((line, following.removeprefix("Tool: ")))
        elif line in STAGES:
            said.append((STAGES[line], None))
        elif line.startswith("Good score!"):
            said.append(("evaluator", None))
    return markers, said


def records(path):
    markers, said = _scan(path)
    return markers + len(said)


def expected(path):
    _, said = _scan(path)
    return [
        {
            "speakers": [name for name, _ in said],
            "task": "",
            "tools": [tool for _, tool in said if tool],
            "outcome": "unknown",
        }
    ]
