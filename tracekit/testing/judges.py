"""A model that knows which step decided a run, for tests of judges: it answers what it is asked.

What it is asked is read off the JSON Schema that comes with the request, so it serves every method
under `tracekit.analyzers.judges`, and a log is recognised by its question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tracekit.analyzers.judges.shown import barred
from tracekit.llm.tokens import estimate
from tracekit.testing.chat_server import Call, Reply
from tracekit.testing.traces import make_trace
from tracekit.trace import Label, Task, Trace

TEAM = ("Planner", "Coder", "Coder", "Checker")

FENCE = re.compile(r"<log-(?P<key>[0-9a-f]{16})>\n(?P<inside>.*?)\n</log-(?P=key)>", re.DOTALL)
"""A fenced part of a prompt."""

_STEP = re.compile(r"^\[(\d+)\]", re.MULTILINE)
_RANGE = re.compile(r"steps (\d+) to (\d+)")


def planted_run(number: int, gold: int, length: int = 7, **fields: Any) -> Trace:
    """A run of three agents, one of whom speaks twice in a row, with a fault at the step `gold`.

    Runs of different numbers ask different questions.
    """
    said = [(TEAM[i % 4], f"In round {i} of {number} I count {i * 7} legs.") for i in range(length)]
    said[gold] = (said[gold][0], f"Let us assume that spiders have {number} legs and go on.")
    fields.setdefault(
        "task", Task(f"How many legs have {number} spiders?", "EXPECTED-7f3", f"q{number}")
    )
    fields.setdefault("labels", (Label("decisive", said[gold][0], gold),))
    return make_trace(f"run-{number}", said, **fields)


def steps_in(call: Call) -> list[int]:
    """Numbers of the steps that a prompt shows."""
    inside = "\n".join(found["inside"] for found in FENCE.finditer(call.prompt))
    return [int(number) for number in _STEP.findall(inside)]


def outside(text: str) -> str:
    """What of a prompt stands outside of every fence."""
    return FENCE.sub("", text)


def kind(call: Call) -> str:
    """Name of the type of answer that a request asks for; empty when it asks for none."""
    wanted = call.body.get("response_format", {}).get("json_schema", {})
    return str(wanted.get("name", ""))


class Oracle:
    """The script of a server: for each run the labelled agent and step, whatever the method.

    Tokens are reported by `tracekit.llm.tokens.estimate` of what was sent and said. Runs are told
    apart by their questions, which must differ.
    """

    def __init__(self, traces: Iterable[Trace]) -> None:
        self._runs = {f"Task:\n{barred(trace.task.question)}\n": trace for trace in traces}
        self._answers: Mapping[str, Callable[[Call, Trace, int], Any]] = {
            "Blame": lambda _call, run, gold: _blame(run, gold),
            "Counterfactual": lambda _call, run, gold: {
                **_blame(run, gold), "abduct": "", "act": "", "predict": "", "recovers": True,
            },
            "Decisive": lambda call, _run, gold: {"reason": "", "error": max(steps_in(call)) == gold},
            "Here": lambda call, _run, gold: {"reason": "", "here": gold in steps_in(call)},
            "Half": _half,
            "Who": lambda _call, run, gold: {"reason": "", "agent": run.steps[gold].agent},
            "Proposal": lambda _call, run, gold: {
                **_blame(run, gold), "fault": "f", "first": "e", "uncorrected": "u",
            },
            "Critique": lambda *_: {"critique": "it holds", "confidence": 90},
            "Analysis": lambda _call, run, gold: {**_blame(run, gold), "confidence": 0.8, "others": []},
            "Annotation": lambda _call, _run, gold: {
                "summary": "", "completed": False,
                "modes": [{"mode": "FM-2.6", "step": gold, "quote": ""}],
            },
            "Errors": lambda _call, _run, gold: {"errors": [_error(gold)]},
            "Graph": _graph,
            "Building": _building,
            "Criticism": lambda *_: {"faults": []},
            "Reading": lambda _call, run, gold: {
                "thought": "", "action": {"do": "resolve", **_blame(run, gold)},
            },
            "Ranking": lambda _call, run, gold: {"reason": "", "ranking": [_blame(run, gold)]},
        }  # fmt: skip

    def __call__(self, call: Call) -> Reply:
        """The true answer to one request."""
        run = self.run(call)
        gold = run.labels[0].step
        assert gold is not None
        said = json.dumps(self._answers[kind(call)](call, run, gold))
        sent = "".join(str(message["content"]) for message in call.body["messages"])
        return Reply(text=said, usage=(estimate(sent), estimate(said)))

    def run(self, call: Call) -> Trace:
        """The run that a request is about."""
        texts = [str(message["content"]) for message in call.body["messages"]]
        for task, run in self._runs.items():
            if any(task in text for text in texts):
                return run
        raise LookupError("the request shows none of the runs")


def _blame(run: Trace, gold: int) -> dict[str, Any]:
    return {"reason": "it is wrong", "agent": run.steps[gold].agent, "step": gold}


def _half(call: Call, _run: Trace, gold: int) -> dict[str, str]:
    ranges = _RANGE.findall(outside(call.prompt))
    low, high = map(int, ranges[1])  # the whole range, the first half, the second half
    return {"reason": "", "half": "first" if low <= gold <= high else "second"}


def _error(gold: int) -> dict[str, Any]:
    told = {"evidence": "", "description": "it is wrong", "impact": "HIGH"}
    return {"step": gold, "category": "tool-output", **told}


def _graph(call: Call, _run: Trace, _gold: int) -> dict[str, Any]:
    count = len(re.findall(r"^node \d+:", outside(call.prompt), re.MULTILINE))
    note = {"summary": "s", "input": "i", "output": "o", "authorship": "authored"}
    return {"nodes": [{"node": n, **note} for n in range(count)], "edges": []}


def _building(_call: Call, _run: Trace, gold: int) -> dict[str, Any]:
    nodes = [
        {"id": "start", "kind": "task", "steps": [0]},
        {"id": "end", "kind": "conclusion", "steps": [gold]},
    ]
    edge = {"source": "start", "target": "end", "inherited": "the task", "effect": "misread"}
    actions = [{"do": "add_node", "node": node} for node in nodes]
    return {
        "thought": "",
        "actions": [*actions, {"do": "add_edge", "edge": edge}, {"do": "submit"}],
    }
