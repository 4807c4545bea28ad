"""The feature table: what the `linear` analyzer knows about a step, and how it is measured.

Every feature is structural (who acts, in what order, what came of it) or a documented cue in the
words; none is a name of an agent, a tool or a benchmark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tracekit.signals.reading import OPENING, Reading, read
from tracekit.trace import Trace


class Feature(NamedTuple):
    """One column of the matrix."""

    name: str
    value: Callable[[Reading], np.ndarray]
    """The column, (n_steps,); true and false count as 1 and 0."""
    unit: str
    """Unit and range."""
    shows: str
    """What a high value shows, for people."""
    lacks: str = ""
    """What a low value shows; empty = nothing worth telling."""
    cue: str = ""
    """The words to quote: a cue, `error` for any sign of an error, `answer` for the answer's."""
    ahead: int = 0
    """How many steps later those words stand."""


def first(values: np.ndarray) -> np.ndarray:
    """True at the first true value only.

    >>> first(np.array([False, True, True])).tolist()
    [False, True, False]
    """
    return np.asarray(values & (np.cumsum(values) == 1))


def _last(values: np.ndarray) -> np.ndarray:
    return first(values[::-1])[::-1]


def _opens(reading: Reading) -> np.ndarray:
    """True at a first step that poses the task itself, because no person's message does."""
    return np.asarray(reading.acts & (np.arange(reading.n) == 0))


def _after_opening(reading: Reading) -> np.ndarray:
    return np.asarray(np.cumsum(reading.acts) - reading.acts > 0)


FEATURES: tuple[Feature, ...] = (
    Feature(
        "executor",
        lambda r: r.executor,
        "0 or 1",
        "only reports what was run",
    ),
    Feature(
        "little",
        lambda r: r.little,
        "0 or 1",
        "says next to nothing",
    ),
    Feature(
        "worker",
        lambda r: r.deed if r.directed else np.zeros(r.n),
        "0 or 1",
        "does the work in a directed team",
    ),
    Feature(
        "log_deeds_before",
        lambda r: np.log1p(r.deeds_before),
        "log(1 + steps)",
        "late in the run",
        "early in the run: what follows builds on it",
    ),
    Feature(
        "last_deed",
        lambda r: _last(r.deed),
        "0 or 1",
        "the last piece of work of the run",
    ),
    Feature(
        "closes",
        lambda r: (np.arange(r.n) == r.n - 1) & (not r.directed),
        "0 or 1; 0 in a directed team",
        "the last word of the run",
    ),
    Feature(
        "task_dropped",
        lambda r: _opens(r) & (r.overlap < 0.5),
        "0 or 1",
        "opens the run without most of the question",
    ),
    Feature(
        "question",
        lambda r: r.overlap * _after_opening(r),
        "share of the question's words, 0 to 1; 0 until the first agent has acted",
        "restates the task's own words: sets the direction",
    ),
    Feature(
        "introduces",
        lambda r: r.introduces if r.directed else np.zeros(r.n),
        "share of the final answer's words, 0 to 1; 0 in a team without a hub",
        "first to say what the final answer repeats",
        cue="answer",
    ),
    Feature(
        "error",
        lambda r: r.deed & r.error,
        "0 or 1",
        "the work itself shows an error",
        cue="error",
    ),
    Feature(
        "first_failure",
        lambda r: first(r.failed),
        "0 or 1",
        "first action that ends in an error or in hardly any output",
        cue="error",
        ahead=1,
    ),
    Feature(
        "assumption",
        lambda r: r.cue("assumption"),
        "0 or 1",
        "assumes or makes up what it should find out",
        cue="assumption",
    ),
    Feature(
        "restart",
        lambda r: first(r.acts & r.cue("restart", OPENING)),
        "0 or 1",
        "first to give up the course and start over",
        cue="restart",
    ),
)
"""The columns, in the order of the weights."""

NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
"""Their names."""


def matrix(reading: Reading) -> np.ndarray:
    """All features of all steps, float64 (n_steps, n_features), columns as in `FEATURES`."""
    return np.stack([np.asarray(f.value(reading), dtype=np.float64) for f in FEATURES], axis=1)


def features(trace: Trace) -> np.ndarray:
    """`matrix` straight from a trace."""
    return matrix(read(trace))
