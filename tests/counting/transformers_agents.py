"""transformers.agents benchmark: a record is an intermediate step, and so is a line.

The first intermediate step is the task, asked by the user; the rest are the agent's. All answers
of the sample are numbers: right when the prediction holds the true one.
"""

import json
import re

FORMAT = "transformers-agents-benchmark"
FILES = ["samples/transformers-agents-benchmark/*.jsonl"]


def _runs(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def records(path):
    return sum(1 + len(run["intermediate_steps"]) for run in _runs(path))


def expected(path):
    return [
        {
            "speakers": ["user"] + [run["agent_name"]] * (len(run["intermediate_steps"]) - 1),
            "task": run["question"],
            "tools": [
                s["tool_call"]["tool_name"] for s in run["intermediate_steps"] if "tool_call" in s
            ],
            "outcome": "success" if _right(run) else "failure",
        }
        for run in _runs(path)
    ]


def _right(run):
    numbers = re.findall(r"-?\d+(?:\.\d+)?", str(run["prediction"]).replace(",", ""))
    return float(run["true_answer"]) in map(float, numbers)
