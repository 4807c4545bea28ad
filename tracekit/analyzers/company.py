"""Which behaviour keeps company with failure over a whole corpus, tasks compared with themselves.

The spectrum of one task says what its failing runs do and its passing runs do not. Here all tasks
are counted together, in actions that fit any of them (`signals.actions.general`). A hard task fails
often whatever is done, so every comparison is made within a task and pooled over tasks: the
risk difference of Mantel and Haenszel (Greenland and Robins, Biometrics 41 (1985) 55). It says what
goes together, not what causes what.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np

from tracekit.analyzers.corpus import by_task, named_by_role, seats
from tracekit.signals.actions import Action, general
from tracekit.signals.roles import candidates
from tracekit.stats import Estimate
from tracekit.trace import Trace

LEAST = 10
"""Runs with and without an action below which it is not judged."""
REPEATS = 1000
"""Draws of tasks behind an interval."""


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of action, and how runs with it fare against runs of the same task without it."""

    agent: str
    """Id of the agent, or its role where ids change from run to run."""
    action: str
    """What it does, in words."""
    failing_with: int
    """Failed runs that hold the action."""
    failing: int
    """Failed runs."""
    passing_with: int
    """Successful runs that hold the action."""
    passing: int
    """Successful runs."""
    tasks: int
    """Tasks that have runs with it and runs without it; only these can tell."""
    difference: Estimate
    """Share of failures with the action less that without, within tasks, -1 to 1; 95 % interval
    by drawing whole tasks."""
    sure: bool
    """Whether zero lies outside even an interval that allows for every action looked at."""


def company(traces: Sequence[Trace], *, seed: int = 0) -> list[Company]:
    """Actions of a corpus, those that go with failure most surely first.

    Runs of unknown outcome are left out. An action that fewer than ten runs hold, or all but ten,
    is not judged.
    """
    runs = [trace for trace in traces if trace.failed is not None]
    failed = np.array([bool(run.failed) for run in runs], dtype=float)
    by_role = named_by_role(runs)
    held = [_held(run, by_role=by_role) for run in runs]
    task = _numbers(runs)
    common = sorted(
        action for action, count in _count(held).items() if LEAST <= count <= len(runs) - LEAST
    )
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(task.max(initial=0) + 1, _even(task), size=REPEATS)
    found = [
        _compared(action, np.array([action in each for each in held]), failed, task, draws)
        for action in common
    ]
    sharp = NormalDist().inv_cdf(1 - 0.025 / max(1, len(found)))
    judged = [_judged(one, error, sharp) for one, error in found]
    return sorted(judged, key=lambda one: (-one.difference.low, one.agent, one.action))


def _held(run: Trace, *, by_role: bool) -> frozenset[Action]:
    """What the run's agents do in it, people left out."""
    mine, seat = general(run), seats(run, by_role=by_role)
    return frozenset(
        mine[index]._replace(agent=seat[mine[index].agent]) for index in candidates(run)
    )


def _count(held: Sequence[frozenset[Action]]) -> dict[Action, int]:
    found: dict[Action, int] = {}
    for each in held:
        for action in each:
            found[action] = found.get(action, 0) + 1
    return found


def _numbers(runs: Sequence[Trace]) -> np.ndarray:
    """Number of the task of each run, int (n_runs,)."""
    place = {id(run): k for k, same in enumerate(by_task(runs).values()) for run in same}
    return np.array([place[id(run)] for run in runs], dtype=int)


def _even(task: np.ndarray) -> np.ndarray:
    tasks = int(task.max(initial=0)) + 1
    return np.full(tasks, 1 / tasks)


def _compared(
    action: Action, has: np.ndarray, failed: np.ndarray, task: np.ndarray, draws: np.ndarray
) -> tuple[Company, float]:
    """The comparison, and its standard error over tasks."""
    size = draws.shape[1]

    def count(weights: np.ndarray) -> np.ndarray:
        return np.bincount(task, weights=weights, minlength=size)

    with_it, without = count(has.astype(float)), count((~has).astype(float))
    total = np.maximum(with_it + without, 1)
    gap = (count(failed * has) * without - count(failed * ~has) * with_it) / total
    weight = with_it * without / total
    drawn = draws @ weight
    rates = (draws @ gap)[drawn > 0] / drawn[drawn > 0]
    whole = float(weight.sum())
    value = float(gap.sum() / whole) if whole else 0.0
    low, high = np.quantile(rates, [0.025, 0.975]) if len(rates) else (-1.0, 1.0)
    one = Company(
        agent=action.agent,
        action=action.words,
        failing_with=int((failed * has).sum()),
        failing=int(failed.sum()),
        passing_with=int(((1 - failed) * has).sum()),
        passing=int((1 - failed).sum()),
        tasks=int((weight > 0).sum()),
        difference=Estimate(value, min(value, float(low)), max(value, float(high))),
        sure=False,
    )
    return one, float(rates.std()) if len(rates) else np.inf


def _judged(one: Company, error: float, sharp: float) -> Company:
    sure = error > 0 and abs(one.difference.value) > sharp * error
    return msgspec.structs.replace(one, sure=bool(sure))
