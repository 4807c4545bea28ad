"""What a run's own surprises add to its chance of failure, column by column and step by step."""

from __future__ import annotations

import numpy as np

from tracekit.analyzers.causal.effects import surprise
from tracekit.analyzers.causal.model import Model, centred
from tracekit.analyzers.causal.table import Table
from tracekit.folds import question_key
from tracekit.trace import Trace

Behind = dict[int, list[tuple[float, int]]]
"""By step: what each column adds, and its number."""

FEWEST = 3
"""Runs of a task in the corpus from which a run is compared with these alone."""


def contributions(model: Model) -> np.ndarray:
    """What each column adds to the chance of failure of each run of the corpus, (n_runs, n_columns).

    The deviation from the usual that earlier columns do not foretell, times the average effect.
    """
    table = model.table
    both = np.column_stack([centred(table, table.values), table.failed])
    found = [surprise(row, model.direct)[:-1] * model.weights for row in both]
    return np.array(found).reshape(table.values.shape)


def run_contributions(model: Model, trace: Trace) -> np.ndarray:
    """The same for one run, in the corpus or not, (n_columns,)."""
    table = model.table
    row = table.layout.row(trace)
    usual = _usual(table, trace)
    deviation = np.append(row - usual, 0.0)
    return np.asarray(surprise(deviation, model.direct)[:-1] * model.weights)


def _usual(table: Table, trace: Trace) -> np.ndarray:
    """Mean of each column over runs of the task, or over all where there are too few."""
    same = np.array([key == question_key(trace) for key in table.questions], dtype=bool)
    rows = table.values[same] if table.repeated and same.sum() >= FEWEST else table.values
    return np.asarray(rows.mean(axis=0))


def by_step(model: Model, trace: Trace) -> tuple[np.ndarray, Behind]:
    """What each step adds to the chance of failure, (n_steps,), and what is behind it.

    A behaviour belongs to the steps that show it, in equal parts; one that is missing to the
    nearest step of the agent. What lowers the chance of failure counts as nothing.
    """
    found = np.zeros(len(trace.steps))
    behind: Behind = {}
    cells = model.table.layout.cells(trace)
    added = run_contributions(model, trace)
    for k in np.flatnonzero(added > 0):
        column = model.table.columns[k]
        key = (column.seat, column.phase, column.behaviour.name)
        steps = cells.get(key) or _nearest(model.table, trace, column.seat, column.phase)
        for step in steps:
            worth = float(added[k]) / len(steps)
            found[step] += worth
            behind.setdefault(step, []).append((worth, int(k)))
    return found, behind


def _nearest(table: Table, trace: Trace, seat: str, phase: int) -> list[int]:
    """The agent's step next to a phase in which it did not do something; none if it never acts."""
    own = [
        steps
        for (who, _, what), steps in table.layout.cells(trace).items()
        if who == seat and what == "acts"
    ]
    steps = sorted(step for some in own for step in some)
    if not steps:
        return []
    start = (0, *table.layout.edges)[phase]
    return [min(steps, key=lambda step: (abs(step - start), step))]
