"""MAST, the early release MASFT: failure modes of whole runs, yes or no (arXiv 2503.13657).

Public at multi-agent-systems-failure-taxonomy/MASFT. Annotators named modes of a first version of
the taxonomy; they are read as the 14 modes of the published one. There is no agent and no step.
The source reports accuracy, which is high for rare modes whatever is said; kappa stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.eval.benchmarks.places import Places
from tracekit.eval.benchmarks.vocabulary import MAST, Names
from tracekit.folds import question_key
from tracekit.trace import Definition, Trace

PLACES = Places(
    "MAST",
    ("mast",),
    ("mast-masft", "mast", "annotated_traces"),
    ("AG2", "HyperAgent", "MA-ToT", "Multi-Agent-Peer-Review"),
)
"""Where the benchmark is looked for."""

EARLY: dict[str, tuple[str, ...]] = {
    "FM-1.1": ("Poor adherence to specified constraints",),
    "FM-1.2": ("Blurring role", "Blurring roles"),
    "FM-1.3": ("Step repetition",),
    "FM-1.4": ("Discontinued reasoning",),
    "FM-1.5": ("Unaware of stopping conditions",),
    "FM-2.1": ("Trajectory restart", "Conversation repetition"),
    "FM-2.2": (
        "Fail to elicit clarification", "Fail to detect ambiguities/contradictions",
        "Failure to detect ambiguity / contradictions", "Proceed with incorrect assumptions",
    ),
    "FM-2.3": ("Derailing from task objectives",),
    "FM-2.4": ("Withholding relevant information",),
    "FM-2.5": ("Ignoring good suggestions from other agent",),
    "FM-2.6": ("Misalignment between internal thoughts and response message",),
    "FM-3.1": ("Claiming that a task is done while it is not true.",),
    "FM-3.2": ("No attempt to verify outcome",),
    "FM-3.3": ("Evaluator agent fails to be critical",),
}  # fmt: skip
"""Code of each mode to its names in the first version: tracekit's reading, the source gives none.

`Invented content`, `Tendency to overachieve`, `Underperform by waiting on instructions` and others
have no counterpart among the 14 and are not scored.
"""

NAMES = Names({code: (*names, *EARLY.get(code, ())) for code, names in MAST.items()})
"""Codes, published names and early names."""


class Mast:
    """The annotated runs of AG2, HyperAgent and others; outcome-only runs are passed over."""

    name: ClassVar[str] = "mast"
    definition: ClassVar[Definition] = "outcome-only"
    base: ClassVar[int] = 0
    modes: ClassVar[tuple[str, ...]] = NAMES.all
    notes: ClassVar[tuple[str, ...]] = (
        "Labels are modes of whole runs: there is no step and no agent to be right about.",
        (
            "Modes of the early taxonomy are read as the 14 published ones; a mode that is not marked"
            " counts as no."
        ),
        (
            "The official figure is accuracy over modes, which rare modes inflate: saying no to"
            " everything scores high. Kappa does not forgive that."
        ),
    )

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The runs under `path`; raises `InputError` when they are not there."""
        return PLACES.read(PLACES.find(path))

    def group(self, trace: Trace) -> str:
        """The words of the problem."""
        return question_key(trace)

    def subset(self, trace: Trace) -> str:
        """The system that ran: `ag2`, `hyperagent`, `peer-review`, or `other`."""
        return trace.source.framework or "other"

    def mode(self, name: str) -> str | None:
        """The MAST code that an early or published name stands for."""
        return NAMES.find(name)

    def official(self, trace: Trace, attribution: Attribution) -> tuple[None, None]:
        """There is no agent and no step."""
        return None, None
