"""Who&When Pro: 12,326 runs with one injected error each, labelled by construction (2607.09996).

A successful prefix is replayed, one error is injected at a chosen step, and the system goes on. The
official data were not public when this was written; **assumed** is the layout of Who&When (`question`,
`history`, `mistake_agent`, `mistake_step` from 0) with the mode as `mistake_mode`, `error_mode` or
`mistake_type`, and the system as `system`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.eval.benchmarks.places import Places, exact
from tracekit.eval.benchmarks.vocabulary import Names
from tracekit.folds import question_key
from tracekit.ingest.parts import as_text
from tracekit.trace import Definition, Trace

PLACES = Places(
    "Who&When Pro",
    ("who-and-when",),
    ("who-and-when-pro", "Who&When-Pro"),
    ("*.jsonl", "*.json", "data"),
)
"""Where the benchmark is looked for."""

MODES = Names(
    {
        "P.1": ("perception",), "P.2": ("grounding",),
        "R.1": ("hallucination",), "R.2": ("reasoning",), "R.3": ("calculation",),
        "R.4": ("task misunderstanding",),
        "PL.1": ("plan",), "PL.2": ("drift",),
        "A.1": ("parameters",), "A.2": ("invented tool",), "A.3": ("format",),
        "A.4": ("premature stop",), "A.5": ("loop",),
        "V.1": ("context loss",), "V.2": ("verification",),
        "C.1": ("delegation",), "C.2": ("communication",), "C.3": ("over-reliance",),
    }
)  # fmt: skip
"""The 18 modes by code."""

KEYS = ("mistake_mode", "error_mode", "mistake_type")
"""Members of a record that may hold the mode."""


class WhoAndWhenPro:
    """Injected errors in the layout of Who&When."""

    name: ClassVar[str] = "who-and-when-pro"
    definition: ClassVar[Definition] = "injected"
    base: ClassVar[int] = 0
    modes: ClassVar[tuple[str, ...]] = MODES.all
    notes: ClassVar[tuple[str, ...]] = (
        "The layout of the files is assumed, not known.",
        (
            "A step that departs from an exact replay of its prefix may be easier to find than a"
            " mistake that was made naturally."
        ),
    )

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The runs under `path`; raises `InputError` when there is no file that may hold any."""
        for item in PLACES.read(PLACES.find(path)):
            yield item if isinstance(item, Problem) else _injected(item)

    def group(self, trace: Trace) -> str:
        """The words of the question."""
        return question_key(trace)

    def subset(self, trace: Trace) -> str:
        """The system that ran."""
        return trace.source.framework or ""

    def mode(self, name: str) -> str | None:
        """The code that a name stands for."""
        return MODES.find(name)

    def official(self, trace: Trace, attribution: Attribution) -> tuple[bool, bool]:
        """(agent right, step right), strictly: the official scorer is not public."""
        return exact(trace, self.definition, attribution)


def _injected(trace: Trace) -> Trace:
    """The labels as what they are: made by injection, with the mode that was injected."""
    written: Any = next((trace.extra[key] for key in KEYS if trace.extra.get(key)), ())
    modes = tuple(as_text(mode) for mode in (written if isinstance(written, list) else [written]))
    labels = tuple(
        msgspec.structs.replace(
            label, definition="injected", modes=modes if written else (), annotator="injection"
        )
        for label in trace.labels
    )
    system = as_text(trace.extra.get("system")).casefold()
    source = msgspec.structs.replace(trace.source, framework=system or trace.source.framework)
    return msgspec.structs.replace(trace, labels=labels, source=source)
