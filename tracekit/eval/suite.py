"""Every benchmark under a folder in one leaderboard.

    from tracekit.eval.suite import evaluate_all

    suite = evaluate_all(["linear", "random"], data, protocol="lodo")
    suite.boards[0].rows, suite.overlaps, suite.calibration

A benchmark is what `tracekit.registry` knows and `data` holds. Each keeps its own definition of the
decisive step; figures are never averaged over benchmarks, but for calibration, which is pooled.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tracekit import registry
from tracekit.errors import Problem, UsageError
from tracekit.eval.board import Leaderboard, calibrated
from tracekit.eval.config import EvalConfig
from tracekit.eval.crossfit import Asking
from tracekit.eval.hub import is_hub
from tracekit.eval.leaderboard import Progress, chosen_methods, compare, configured
from tracekit.eval.pool import Overlap, Pool, outside, overlaps, read_all
from tracekit.metrics import Case
from tracekit.protocols import Analyzer
from tracekit.stats import Calibration

SCHEMA = "tracekit/suite/1"
"""Name and version of the JSON document."""


class Pooled(msgspec.Struct, frozen=True, kw_only=True):
    """Calibration of one method over all benchmarks with one labelled step a run."""

    method: str
    """Name of the method."""
    benchmarks: tuple[str, ...]
    """The benchmarks pooled."""
    calibration: Calibration
    """The error, and what a perfectly calibrated method would show with these probabilities."""


class Suite(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """The result of an evaluation on several benchmarks. Holds no clock."""

    boards: tuple[Leaderboard, ...]
    """One for each benchmark, in the order of the registry."""
    overlaps: tuple[Overlap, ...] = ()
    """Runs and questions that benchmarks share."""
    calibration: tuple[Pooled, ...] = ()
    """Calibration over all benchmarks, by method."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What of the data could not be read."""
        return tuple(problem for board in self.boards for problem in board.problems)


def evaluate_all(
    methods: Sequence[str | Analyzer],
    data: str | os.PathLike[str],
    config: EvalConfig | None = None,
    *,
    progress: Progress | None = None,
    asking: Asking | None = None,
    **settings: Any,
) -> Suite:
    """`tracekit.eval.leaderboard.evaluate` on every benchmark under `data`.

    A benchmark with fewer groups than folds is dealt into as many folds as it has groups. Raises
    `InputError` when there is no benchmark, and whatever `evaluate` raises.
    """
    config = configured(config, settings)
    chosen = chosen_methods(methods)
    if is_hub(data):
        raise UsageError("several benchmarks are looked for in a folder, not on the Hub")
    datasets = read_all(Path(data), with_answer=config.with_answer)
    boards = []
    for name, dataset in datasets.items():
        groups = len({item.group for item in dataset.items})
        own = msgspec.structs.replace(config, folds=max(2, min(config.folds, groups)))
        lodo = config.protocol == "lodo"
        pool = outside(name, datasets, dataset) if lodo else Pool()
        told = None if progress is None else _named(progress, name)
        bench = registry.get("benchmarks", name)
        boards.append(compare(bench, dataset, chosen, own, pool=pool, progress=told, asking=asking))
    names = [analyzer.name for analyzer in chosen]
    return Suite(
        boards=tuple(boards),
        overlaps=tuple(overlaps(datasets)),
        calibration=tuple(found for name in names if (found := _calibration(name, boards))),
    )


def _named(progress: Progress, name: str) -> Progress:
    return lambda done, total, what: progress(done, total, f"{name}: {what}")


def _calibration(method: str, boards: Sequence[Leaderboard]) -> Pooled | None:
    """Pooled over the benchmarks where the method was asked about one labelled step a run."""
    cases: list[Case] = []
    names = []
    for board in boards:
        own = [case for case in board.cases if case.method == method]
        if own and calibrated(own) is not None:
            cases += own
            names.append(board.benchmark)
    found = calibrated(cases) if cases else None
    if found is None:
        return None
    return Pooled(method=method, benchmarks=tuple(names), calibration=found)
