"""Runs as rows, behaviour of agents by phase as columns: what causal discovery works on.

A phase is a stretch of step numbers, the same in every run. So whatever happened in an earlier
phase came before whatever happened in a later one, in every row: the tiers that discovery may rely
on. Columns are 0 or 1: whether an agent did such a thing in that phase.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tracekit.analyzers.causal.behaviour import BEHAVIOURS, Behaviour, Usual, observe
from tracekit.analyzers.corpus import by_task, named_by_role, seats
from tracekit.folds import question_key
from tracekit.signals.roles import candidates
from tracekit.trace import Trace

MOST_COLUMNS = 40
"""Columns that phases are merged for, where nothing else is asked."""
PHASES = (6, 5, 4, 3)
"""Phases to begin with, and how far they are merged."""
RARE = 0.02
"""Share of runs below which a behaviour, or its absence, is too rare for a column."""
RARE_RUNS = 10
"""The same in runs."""
SAME = 0.8
"""Correlation from which a later column only says what an earlier one says."""
REPEATS = 3
"""Runs that most tasks must have to be compared with themselves."""


@dataclass(frozen=True)
class Column:
    """One thing that an agent may do in one phase."""

    seat: str
    """The agent's id, or its role where ids change from run to run."""
    phase: int
    """From 0."""
    behaviour: Behaviour

    @property
    def name(self) -> str:
        """Short and unique: `verifier/2/strays`."""
        return f"{self.seat}/{self.phase + 1}/{self.behaviour.name}"

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.seat} {self.behaviour.shows}"


@dataclass(frozen=True)
class Layout:
    """How a run becomes a row."""

    edges: tuple[int, ...]
    """First step of each phase but the first."""
    by_role: bool
    """Whether seats are roles."""
    columns: tuple[Column, ...]
    usual: Usual

    def phase_of(self, steps: int) -> np.ndarray:
        """Phase of each of so many steps, int (steps,)."""
        return np.searchsorted(np.array(self.edges), np.arange(steps), side="right")

    def cells(self, trace: Trace) -> dict[tuple[str, int, str], list[int]]:
        """Steps that show each (seat, phase, behaviour)."""
        return self.cells_of(trace, observe(trace, self.usual))

    def cells_of(self, trace: Trace, shown: np.ndarray) -> dict[tuple[str, int, str], list[int]]:
        """The same from what was observed."""
        phase, seat = self.phase_of(len(trace.steps)), seats(trace, by_role=self.by_role)
        found: dict[tuple[str, int, str], list[int]] = {}
        for step, kind in zip(*np.nonzero(shown), strict=True):
            owner = seat[trace.steps[step].agent]
            key = (owner, int(phase[step]), BEHAVIOURS[kind].name)
            found.setdefault(key, []).append(int(step))
        return found

    def row(self, trace: Trace) -> np.ndarray:
        """The run as 0 and 1, float (n_columns,)."""
        cells = self.cells(trace)
        keys = ((c.seat, c.phase, c.behaviour.name) for c in self.columns)
        return np.array([float(key in cells) for key in keys])


@dataclass(frozen=True)
class Table:
    """Runs of known outcome as numbers."""

    layout: Layout
    values: np.ndarray
    """0 or 1, (n_runs, n_columns)."""
    failed: np.ndarray
    """0 or 1, (n_runs,)."""
    task: np.ndarray
    """Number of the task of each run, int (n_runs,)."""
    order: np.ndarray
    """When the run took place, 0 (first) to 1 (last): by its clock, else by its place."""

    questions: tuple[str, ...]
    """Task of each run, by its words (`folds.question_key`)."""
    variant: np.ndarray
    """Number of the variant of the system that made each run, int (n_runs,)."""
    variants: tuple[str, ...]
    """Names of the variants."""
    repeated: bool
    """Whether tasks have runs enough to be compared with themselves. A part of a corpus is compared
    as the whole is, however few runs of a task it holds."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What the columns are."""
        return self.layout.columns

    def rows(self, index: np.ndarray) -> Table:
        """The table of some of the runs, drawn with replacement perhaps."""
        return replace(
            self,
            values=self.values[index],
            failed=self.failed[index],
            task=self.task[index],
            order=self.order[index],
            questions=tuple(self.questions[k] for k in index),
            variant=self.variant[index],
        )


def tabulate(
    traces: Sequence[Trace],
    *,
    phases: int | None = None,
    most: int = MOST_COLUMNS,
    variant: Callable[[Trace], str] = lambda _: "",
) -> Table:
    """The table of the runs whose outcome is known, in their order.

    Without `phases` there are six, or fewer, down to three, where that would give more than `most`
    columns.
    `variant` names the variant of the system that made a run.
    """
    runs = [trace for trace in traces if trace.failed is not None and trace.steps]
    by_role = named_by_role(runs)
    usual = Usual(runs, by_role=by_role)
    shown = [observe(run, usual) for run in runs]
    for count in PHASES if phases is None else (phases,):
        layout = Layout(_phases(runs, count), by_role, (), usual)
        layout, values = _columns(layout, runs, shown)
        if len(layout.columns) <= most:
            break
    tasks = list(by_task(runs).values())
    place = {id(run): k for k, same in enumerate(tasks) for run in same}
    kinds = [variant(run) for run in runs]
    variants = tuple(sorted(set(kinds)))
    return Table(
        layout=layout,
        values=values,
        failed=np.array([float(bool(run.failed)) for run in runs]),
        task=np.array([place[id(run)] for run in runs], dtype=int),
        order=_order(runs),
        questions=tuple(map(question_key, runs)),
        variant=np.array([variants.index(kind) for kind in kinds], dtype=int),
        variants=variants,
        repeated=bool(tasks) and bool(np.median([len(same) for same in tasks]) >= REPEATS),
    )


def _phases(runs: Sequence[Trace], count: int) -> tuple[int, ...]:
    """Cuts that put about as many steps of all runs into each phase."""
    steps = np.concatenate([np.array(candidates(run)) for run in runs]) if runs else np.zeros(1)
    cuts = np.quantile(steps, np.arange(1, count) / count, method="lower")
    return tuple(sorted({int(cut) for cut in cuts if cut > steps.min()}))


def _columns(
    layout: Layout, runs: Sequence[Trace], shown: Sequence[np.ndarray]
) -> tuple[Layout, np.ndarray]:
    """The columns worth having, by phase, then seat; and the table of all runs."""
    cells = [layout.cells_of(*each) for each in zip(runs, shown, strict=True)]
    keys = sorted({key for each in cells for key in each}, key=lambda k: (k[1], k[0], k[2]))
    table = np.array([[key in each for key in keys] for each in cells], dtype=float)
    table = table.reshape(len(runs), len(keys))
    least = max(RARE_RUNS, RARE * len(runs))
    times = table.sum(axis=0)
    kept: list[int] = []
    for k in np.flatnonzero((times >= least) & (times <= len(runs) - least)):
        if all(abs(np.corrcoef(table[:, k], table[:, j])[0, 1]) < SAME for j in kept):
            kept.append(int(k))
    known = {one.name: one for one in BEHAVIOURS}
    columns = tuple(Column(keys[k][0], keys[k][1], known[keys[k][2]]) for k in kept)
    return replace(layout, columns=columns), table[:, kept]


def _order(runs: Sequence[Trace]) -> np.ndarray:
    """Ranks of the runs by the time of their first step, or as they come without clocks."""
    starts = [
        next((s.time.start for s in run.steps if s.time and s.time.start is not None), None)
        for run in runs
    ]
    known = all(start is not None for start in starts)
    place = np.argsort(np.array(starts, dtype=float), kind="stable") if known else None
    rank = np.empty(len(runs))
    rank[np.arange(len(runs)) if place is None else place] = np.arange(len(runs))
    return rank / max(1, len(runs) - 1)
