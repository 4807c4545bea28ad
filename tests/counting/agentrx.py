"""AgentRx: a record is a turn of a run (tau-bench: a message of `traj`), and each one is a step.

Labels count from 1. The root cause names one of the failures, by number or by the number's text.
"""

import json
import re

FORMAT = "agentrx"
FILES = ["labeled/agentrx/magentic_dataset/*.json", "labeled/agentrx/tau_retail/*.json"]


def load(path):
    return json.loads(path.read_text())


def records(path):
    run = load(path)
    return sum(len(record["traj"]) for record in run) if "traj" in run[0] else len(run)


def causes(path, half):
    found = {}
    (file,) = (path.parents[1] / "ground_truth").glob(f"{half}_ground_truth*.json")
    for item in load(file):
        cause = str(item["root_cause"]["failure_id"])
        for failure in item["failures"]:
            if str(failure["failure_id"]) == cause:
                agent = {"Websurfer": "WebSurfer"}.get(failure["failed_agent"])
                agent = agent or failure["failed_agent"]
                found[str(item["trajectory_id"])] = (agent, failure["step_number"] - 1)
    return found


def labelled(path):
    (file,) = (path.parents[1] / "ground_truth").glob("magentic_one_ground_truth*.json")
    return {item["trajectory_id"] for item in load(file)}


def expected(path):
    run = load(path)
    if "traj" in run[0]:
        return [tau(record, causes(path, "tau")) for record in run]
    cause = causes(path, "magentic_one").get(path.stem)
    return [
        {
            "speakers": [re.sub(r" \(.*", "", turn["role"]) for turn in run],
            "task": run[0]["content"],
            "tools": [],
            "outcome": "failure" if path.stem in labelled(path) else "unknown",
            "labels": [cause] if cause else [],
        }
    ]


def tau(record, found):
    calls = [call for turn in record["traj"] for call in turn.get("tool_calls") or ()]
    agent, step = found[str(record["task_id"])]
    return {
        "speakers": [turn["role"] for turn in record["traj"]],
        "task": record["info"]["task"]["instruction"],
        "tools": [call["function"]["name"] for call in calls],
        "outcome": "failure" if record["reward"] == 0 else "success",
        "labels": [(agent.lower(), step)],
    }
