"""TRAIL: 148 traces of smolagents with 841 annotated errors, by span (arXiv 2505.08638).

Public behind a click-through of patronus-ai, who ask not to repost it. A label is a span and one
of 21 categories; a run has up to a dozen of them and none is decisive. A verdict is right when it
names the step of any. The source's location and joint "accuracy" are recall: naming every span
with every category is perfect. Precision stands beside them here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.eval.benchmarks.places import Places
from tracekit.eval.benchmarks.vocabulary import Names
from tracekit.folds import question_key
from tracekit.metrics import blamed, ranking
from tracekit.trace import Definition, Trace

PLACES = Places(
    "TRAIL",
    ("trail",),
    ("trail", "trail-benchmark/benchmarking", "benchmarking"),
    ("GAIA", "SWE*Bench", "data/GAIA", "data/SWE*Bench"),
)
"""Where the benchmark is looked for; annotations lie in `processed_annotations_*` beside."""

CATEGORIES = Names(
    {
        "language-only": ("Language-only Hallucinations",),
        "tool-related": ("Tool-related Hallucinations",),
        "poor-retrieval": ("Poor Information Retrieval",),
        "memory-usage": ("Incorrect Memory Usage",),
        "tool-output": ("Tool Output Misinterpretation",),
        "problem-identification": ("Incorrect Problem Identification",),
        "tool-selection": ("Tool Selection Errors",),
        "formatting": ("Formatting Errors",),
        "non-compliance": ("Instruction Non-compliance",),
        "tool-definition": ("Tool Definition Issues",),
        "environment-setup": ("Environment Setup Errors", "Incorrect Environment Setup"),
        "rate-limiting": ("Rate Limiting",),
        "authentication": ("Authentication Errors",),
        "service": ("Service Errors",),
        "resource-not-found": ("Resource Not Found",),
        "resource-exhaustion": ("Resource Exhaustion",),
        "timeout": ("Timeout Issues",),
        "context-handling": ("Context Handling Failures",),
        "resource-abuse": ("Resource Abuse",),
        "goal-deviation": ("Goal Deviation",),
        "orchestration": ("Task Orchestration", "Task Orchestration Errors"),
    }
)
"""The leaves of the taxonomy, with the spellings met."""


class Trail:
    """Errors of GAIA and SWE-bench runs."""

    name: ClassVar[str] = "trail"
    definition: ClassVar[Definition] = "span-error"
    base: ClassVar[int] = 0
    modes: ClassVar[tuple[str, ...]] = CATEGORIES.all
    notes: ClassVar[tuple[str, ...]] = (
        (
            "A run has several labelled errors; a step, agent or mode is right when it is that of any."
            " Fitted methods learn the earliest."
        ),
        (
            "The official step is location accuracy: the share of labelled steps among all suspects,"
            " which is recall; naming every step scores 100 %."
        ),
    )

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The runs under `path`; raises `InputError` when they are not there."""
        return PLACES.read(PLACES.find(path))

    def group(self, trace: Trace) -> str:
        """The words of the question."""
        return question_key(trace)

    def subset(self, trace: Trace) -> str:
        """`gaia` or `swe-bench`, by the folder."""
        return "swe-bench" if "/SWE" in trace.source.path else "gaia"

    def mode(self, name: str) -> str | None:
        """One name for the spellings of a category."""
        return CATEGORIES.find(name)

    def official(self, trace: Trace, attribution: Attribution) -> tuple[None, float]:
        """(nothing, location accuracy): the share of labelled steps among all suspects."""
        wanted = blamed([x for x in trace.labels if x.definition == self.definition])
        if attribution.abstained is not None or not wanted:
            return None, 0.0
        return None, len(wanted & set(ranking(attribution))) / len(wanted)
