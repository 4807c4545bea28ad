"""Failures that tracekit injected itself: the decisive step as replays found it.

Built by `tracekit inject`; made, not found: a figure on it says how well a method does on faults of
the sandbox, or of the system that was injected into, and nothing about real logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from tracekit.attribution import Attribution
from tracekit.errors import InputError, Problem
from tracekit.eval.benchmarks.places import exact
from tracekit.ingest.pipeline import Ingest
from tracekit.metrics import gold
from tracekit.trace import Definition, Trace

PLACES = (".", "injected", "datasets/injected")


class Injected:
    """Injected failures of `tracekit inject`, by the step that replays found decisive."""

    name: ClassVar[str] = "injected"
    definition: ClassVar[Definition] = "decisive"
    base: ClassVar[int] = 0

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The failures with a decisive step; raises `InputError` when no data set is there.

        `path` is the folder of the data set or one above it, or one of its shards. Successes and
        failures that no single step explains are left out.
        """
        for found in Ingest(_shards(path), formats=["tracekit-parquet"]):
            if isinstance(found, Problem) or gold(found, self.definition) is not None:
                yield found

    def group(self, trace: Trace) -> str:
        """The task: several runs, and several faults in each, share it."""
        return trace.task.id or trace.task.question

    def subset(self, trace: Trace) -> str:
        """The topology of a sandbox run; empty for another system."""
        return place(trace)[1]

    def official(self, trace: Trace, attribution: Attribution) -> tuple[bool, bool]:
        """(agent right, step right), strictly: the set is tracekit's own."""
        return exact(trace, self.definition, attribution)


def place(trace: Trace) -> tuple[str, str]:
    """(family, topology) of a sandbox run; empty strings for another system."""
    settings = trace.extra.get("sandbox", {}).get("settings", {})
    if not settings:
        return "", ""
    return settings.get("family", "arithmetic"), settings.get("topology", "chain")


def _shards(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    for below in PLACES:
        if (path / below / "manifest.json").is_file():
            return [path / below / "data"]
    raise InputError(
        f"{path}: no data set of `tracekit inject` here (manifest.json and data/), nor below it in "
        f"{', '.join(PLACES[1:])}"
    )
