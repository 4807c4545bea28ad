"""What came of every action: what ran, what failed, what was done after a failure.

An action is a step with code or a tool call; its outcome stands in its own tool results or in the
executor's report right after it.
"""

from __future__ import annotations

import numpy as np

from tracekit.signals.reading import Reading, later


def first(values: np.ndarray) -> np.ndarray:
    """True at the first true value only.

    >>> first(np.array([False, True, True])).tolist()
    [False, True, False]
    """
    return np.asarray(values & (np.cumsum(values) == 1))


def last(values: np.ndarray) -> np.ndarray:
    """True at the last true value only.

    >>> last(np.array([True, True, False])).tolist()
    [False, True, False]
    """
    return first(values[::-1])[::-1]


def before(values: np.ndarray) -> np.ndarray:
    """How many true values lie before each place, int (n,).

    >>> before(np.array([True, False, True])).tolist()
    [0, 1, 1]
    """
    return np.asarray(np.cumsum(values) - values)


def after(values: np.ndarray) -> np.ndarray:
    """How many true values lie after each place, int (n,).

    >>> after(np.array([True, False, True])).tolist()
    [1, 1, 0]
    """
    return before(values[::-1])[::-1]


def outcomes(reading: Reading, soft: np.ndarray) -> dict[str, np.ndarray]:
    """Columns about actions and their outcomes, each (n_steps,).

    `soft` counts phrases of a failure that raised no error ("no results found"), per step.
    """
    r = reading
    ran = r.action & later(r.executor)
    good = ran & ~r.failed
    state = _state(r)
    deed = r.deed
    return {
        "failed": r.failed,
        "first_failed": first(r.failed),
        "last_failed": last(r.failed),
        "failures_before": np.log1p(before(r.failed)),
        "failures_after": np.log1p(after(r.failed)),
        "good": good,
        "first_good": first(good),
        "last_good": last(good),
        "good_after": np.log1p(after(good)),
        "soft_failed": good * later(soft),
        "first_soft_failed": first(good & (later(soft) > 0)),
        "not_run": r.action & ~later(r.executor) & ~r.failed,
        "first_action": first(r.action),
        "last_action": last(r.action),
        "actions_after": np.log1p(after(r.action)),
        "never_fixed": r.failed & (after(good) == 0),
        "talks_after_failure": deed & ~r.action & (state < 0),
        "talks_after_success": deed & ~r.action & (state > 0),
        "acts_after_failure": deed & r.action & (state < 0),
        "acts_after_success": deed & r.action & (state > 0),
        "first_talk_after_failure": first(deed & ~r.action & (state < 0)),
        "first_talk_after_action": first(deed & ~r.action & (before(r.action) > 0)),
        "first_talk": first(deed & ~r.action & (before(deed) > 0)),
        "no_action_yet": deed & (np.cumsum(r.action) == 0),
    }


def _state(reading: Reading) -> np.ndarray:
    """Outcome of the latest action before each step: -1 failed, +1 not, 0 = none yet."""
    state, current = np.zeros(reading.n), 0
    for i in range(reading.n):
        state[i] = current
        if reading.action[i]:
            current = -1 if reading.failed[i] else 1
    return state
