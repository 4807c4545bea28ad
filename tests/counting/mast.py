"""MAST (early release) and AG2 x GSM-Plus runs.

A record is a message; in the HyperAgent traces, which are lists of log lines, it is a log record,
that is a line with the logger's prefix and the lines up to the next one; the tools are what its
code runs (`tool._run(…)`), not what its prose quotes in backticks. In a peer review every
agent keeps a list of its own in which `user` messages are its prompts: only what it answers is a
step, and the prompt is merged into it. Rounds of the three agents alternate.
"""

import json
import re

FORMAT = "mast"
FILES = ["labeled/mast-masft/*/*.json", "labeled/mast-masft/AG2-experiments/*/*.json"]
PREFIX = re.compile(r"^HyperAgent_\S+ - [A-Z]+ - ")


def _run(path):
    return json.loads(path.read_text())


def records(path):
    trajectory = _run(path)["trajectory"]
    if isinstance(trajectory, dict):
        return sum(len(messages) for messages in trajectory.values())
    if isinstance(trajectory[0], str):
        return sum(1 for line in trajectory if PREFIX.match(line))
    return len(trajectory)


def _speakers(trajectory):
    if isinstance(trajectory, dict):
        rounds = max(len(messages) for messages in trajectory.values()) // 2
        return [name for _ in range(rounds) for name in trajectory]
    if not isinstance(trajectory[0], str):
        return [message["name"] for message in trajectory]
    return [_hyper(PREFIX.sub("", line)) for line in trajectory if PREFIX.match(line)]


def _hyper(text):
    """The log names whoever answers: `Planner's Response:`, `Navigator->Planner:`; else itself."""
    whole = re.match(r"([A-Za-z-]+)(?:'s Response:|->[A-Za-z-]+:)", text)
    return whole[1] if whole else "system"


def _tools(trajectory):
    if isinstance(trajectory, dict) or not isinstance(trajectory[0], str):
        return []
    return [name for line in trajectory for name in re.findall(r"(?<![`\w])(\w+)\._run\(", line)]


def expected(path):
    run = _run(path)
    labels = []
    if "yes" in run["note"]["options"].values() or any(run["note"]["text"]):
        labels = [(None, None)]
    return [
        {
            "speakers": _speakers(run["trajectory"]),
            "task": "\n".join(run["problem_statement"]),
            "tools": _tools(run["trajectory"]),
            "outcome": _outcome(run["other_data"].get("correct")),
            "labels": labels,
        }
    ]


def _outcome(correct):
    if isinstance(correct, list):
        right = correct.count("correct")
        correct = None if 2 * right == len(correct) else 2 * right > len(correct)
    return {True: "success", False: "failure", None: "unknown"}[correct]
