"""tau-bench: a record is a message of `traj`; the outcome is the reward."""

import json

FORMAT = "tau-bench"
FILES = ["samples/tau-bench/*.json"]


def _runs(path):
    found = json.loads(path.read_text())
    return found if isinstance(found, list) else [found]


def records(path):
    return sum(len(run["traj"]) for run in _runs(path))


def expected(path):
    return [
        {
            "speakers": [message["role"] for message in run["traj"]],
            "task": run["info"]["task"]["instruction"],
            "tools": [
                call["function"]["name"] for m in run["traj"] for call in m.get("tool_calls") or ()
            ],
            "outcome": "success" if run["reward"] == 1 else "failure",
        }
        for run in _runs(path)
    ]
