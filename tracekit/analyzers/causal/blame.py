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

LEAST_PUSH = 0.05
"""Least that a deviation must do to another for that to be laid at its door."""
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
    """The same for one run, in the corpus or not, handed up to where it came from, (n_columns,).

    A surprise that needed an earlier deviation to happen (a check that lets an error pass) would
    not have happened without it: its part goes to the active parents, those whose deviation pushes
    the same way. What is left is with the earliest links of the chains that led to failure, which
    is what a decisive step is.
    """
    deviation = np.append(model.table.layout.row(trace) - _usual(model.table, trace), 0.0)
    own = np.maximum(0.0, surprise(deviation, model.direct)[:-1] * model.weights)
    return handed_up(own, deviation[:-1], model.direct[:-1, :-1])


def handed_up(own: np.ndarray, deviation: np.ndarray, direct: np.ndarray) -> np.ndarray:
    """What is left with each column when every one hands its part to its active parents.

    `direct` has the direct effects, (n, n), columns in the order of time. By hand: 0.6 with the
    second of a chain, whose parent deviates as well, ends with the first.

    >>> direct = np.array([[0.0, 0.0], [0.5, 0.0]])
    >>> handed_up(np.array([0.2, 0.6]), np.array([1.0, 1.0]), direct).round(3).tolist()
    [0.8, 0.0]
    >>> handed_up(np.array([0.0, 0.6]), np.array([0.0, 1.0]), direct).round(3).tolist()
    [0.0, 0.6]
    """
    left = own.copy()
    for node in _latest_first(direct):
        pushes = np.maximum(0.0, direct[node] * deviation * np.sign(deviation[node]))
        pushes[pushes < LEAST_PUSH] = 0.0
        if left[node] > 0 and pushes.any():
            left += left[node] * pushes / pushes.sum()
            left[node] = 0.0
    return left


def _latest_first(direct: np.ndarray) -> list[int]:
    """Columns, each before all of its causes; what runs in a circle comes last."""
    children = (direct != 0).sum(axis=0)
    found: list[int] = []
    todo = [k for k in range(len(direct)) if not children[k]]
    while todo:
        node = todo.pop()
        found.append(node)
        for cause in np.flatnonzero(direct[node]):
            children[cause] -= 1
            if not children[cause]:
                todo.append(int(cause))
    return found


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
