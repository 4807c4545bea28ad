"""The labelled runs that `compact` is fitted on.

Who&When counts fully; AgentErrorBench, TRAIL and the tau-bench part of AgentRx count three tenths,
because their labels mean something else. AgentRx also labels some of the hand-crafted runs of
Who&When: where it does, its root cause takes three tenths of that run's label. Runs with injected
errors (TracerTraj) stay out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tracekit.analyzers.compact.fit import Example, example
from tracekit.folds import fingerprint
from tracekit.ingest.pipeline import load
from tracekit.trace import Trace

MAIN = "who-and-when"
AUXILIARY = {"agenterrorbench-gaia": 0.3, "trail": 0.3, "agentrx": 0.3}
"""Folders under `labeled/` and how much a run of each counts."""


def labelled(folder: Path, name: str) -> list[Trace]:
    """Runs of one set that name a step."""
    return [
        trace
        for trace in load(folder / name)
        if trace.steps and any(label.step is not None for label in trace.labels)
    ]


def read(folder: Path, *, without: str = "") -> dict[str, list[Example]]:
    """Everything that `compact` is fitted on, by set; `without` leaves one set out."""
    main = labelled(folder, MAIN)
    prints = {fingerprint(trace) for trace in main}
    second: dict[str, int] = {}
    found: dict[str, list[Example]] = {}
    for name, weight in AUXILIARY.items():
        rows = found.setdefault(name, [])
        for trace in labelled(folder, name):
            if (mark := fingerprint(trace)) in prints and without != MAIN:
                second[mark] = min(_steps(trace))
            elif (one := example(trace, weight)) is not None:
                rows.append(one)
    found[MAIN] = [
        one
        for trace in main
        if (one := example(trace, second=second.get(fingerprint(trace)))) is not None
    ]
    return {name: rows for name, rows in found.items() if name != without}


def _steps(trace: Trace) -> Iterator[int]:
    return (label.step for label in trace.labels if label.step is not None)
