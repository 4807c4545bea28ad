"""AgentRx: failed runs of Magentic-One and tau-bench, the root cause labelled (arXiv 2602.02475).

Public at microsoft/AgentRx. Every failure of a run has a step, counted from 1, an agent and one of
ten categories; the one called the root cause, the first that could not be recovered from, is the
label. The Magentic-One runs are the hand-crafted runs of Who&When under another definition of the
decisive step: `group` and the hash of their histories are the same in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.eval.benchmarks.places import Places, exact
from tracekit.eval.benchmarks.vocabulary import Names
from tracekit.folds import question_key
from tracekit.trace import Definition, Trace

PLACES = Places("AgentRx", ("agentrx",), ("agentrx",), ("magentic_dataset", "tau_retail"))
"""Where the benchmark is looked for; the labels lie in `ground_truth` beside the runs."""

SUBSETS = {"magentic-one": "magentic-one", "tau-bench": "tau-retail"}
"""Framework of a run to the part it belongs to."""

CATEGORIES = Names(
    {
        "instruction-adherence": (
            "Instruction/Plan Adherence Failure", "Instruction Adherence Failure",
            "Plan Adherence Failure",
        ),
        "invention": ("Invention of new information",),
        "invalid-invocation": ("Invalid Invocation",),
        "tool-output": ("Misinterpretation of Tool Output",),
        "intent-plan": ("Intent Plan Misalignment",),
        "underspecified": ("Underspecified intent", "Underspecified User Intent"),
        "unsupported": ("Intent not supported",),
        "guardrails": ("Guardrails Triggered",),
        "system": ("System Failure",),
        "inconclusive": ("Inconclusive",),
    }
)  # fmt: skip
"""The ten categories; the two parts write some of them differently."""


class AgentRx:
    """The root causes of both parts."""

    name: ClassVar[str] = "agentrx"
    definition: ClassVar[Definition] = "first-unrecoverable"
    base: ClassVar[int] = 1
    modes: ClassVar[tuple[str, ...]] = CATEGORIES.all
    notes: ClassVar[tuple[str, ...]] = (
        (
            "Magentic-One runs are the hand-crafted runs of Who&When; the two sets of labels agree on"
            " few steps, because they define the decisive one differently."
        ),
        "No scorer of the source is known; the official figures are the strict ones.",
    )

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The runs under `path`; raises `InputError` when neither part is found there."""
        return PLACES.read(PLACES.find(path))

    def group(self, trace: Trace) -> str:
        """The words of the question, as in every benchmark."""
        return question_key(trace)

    def subset(self, trace: Trace) -> str:
        """`magentic-one` or `tau-retail`."""
        return SUBSETS.get(trace.source.framework or "", "")

    def mode(self, name: str) -> str | None:
        """One name for the spellings of both parts."""
        return CATEGORIES.find(name)

    def official(self, trace: Trace, attribution: Attribution) -> tuple[bool, bool]:
        """(agent right, step right), strictly."""
        return exact(trace, self.definition, attribution)
