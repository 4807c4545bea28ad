"""Worth from recorded repeats: how runs of the same task fare in which agents act otherwise.

For every repeat and every agent of the run in question: how much of what the agent does there it
does here as well (Jaccard, over actions as `signals.actions` sees them). A logistic regression of
success on these distances says how a run would fare in which some agents act as they do, on the
average, in runs that succeed, and the others as here. That is association: an agent who only reacts
to another one's mistake may get a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracekit.analyzers.corpus import named_by_role, seats
from tracekit.analyzers.shapley.game import Game, NoGame
from tracekit.analyzers.shapley.readings import members
from tracekit.folds import question_key
from tracekit.signals.actions import actions
from tracekit.trace import Trace

FEW = 3
"""Failures (the run itself counts), and successes, that there must be."""
REFITS = 40
"""Fits on resampled runs, for the intervals."""
RIDGE = 1.0
"""Penalty on each squared coefficient, in nats: with few runs, coefficients stay small."""


class ByRepeats:
    """The regression for one run. Raises `NoGame` when there are too few repeats."""

    calls = 0

    def __init__(self, trace: Trace, corpus: Sequence[Trace], rng: np.random.Generator) -> None:
        task = question_key(trace)
        runs = [trace] + [
            run
            for run in corpus
            if run.id != trace.id and run.failed is not None and question_key(run) == task
        ]
        good = sum(run.failed is False for run in runs)
        if good < FEW or len(runs) - good < FEW:
            raise NoGame(
                f"recorded repeats: {good} runs of this task succeeded and {len(runs) - good} "
                f"failed, at least {FEW} of each are needed"
            )
        self._trace, self._rng = trace, rng
        self._players = members(trace, "agents")
        by_role = named_by_role(corpus)
        mine = _habits(trace, by_role=by_role)
        self._seats = seats(trace, by_role=by_role)
        habits = [_habits(run, by_role=by_role) for run in runs]
        names = [self._seats[player.agent] for player in self._players]
        self._distance = np.array(
            [[_distance(mine, each, name) for name in names] for each in habits]
        )
        self._success = np.array([run.failed is False for run in runs], dtype=float)
        self._good = [each for each, run in zip(habits, runs, strict=True) if run.failed is False]

    def game(self, between: str = "agents") -> Game:
        """Between agents; steps of different runs cannot be told to correspond."""
        if between != "agents":
            raise NoGame("recorded repeats say which agent acts otherwise, not which step")
        fits = [self._fit(np.arange(len(self._success)))]
        while len(fits) <= REFITS:
            chosen = np.concatenate([
                self._rng.choice(np.flatnonzero(self._success == end), int((self._success == end).sum()))
                for end in (0.0, 1.0)
            ])  # fmt: skip
            fits.append(self._fit(chosen))
        base = np.array([fit[0] for fit in fits])
        gains = np.array([fit[1:] for fit in fits])
        usual = self._distance[self._success == 1].mean(axis=0)

        def worth(mask: int) -> np.ndarray:
            inside = np.array([mask >> k & 1 for k in range(len(self._players))])
            return np.asarray(1 / (1 + np.exp(-(base + gains @ (inside * usual)))))

        n = len(self._success)
        return Game(
            value="recorded",
            assumes=f"{n} recorded runs of the task stand for replays: a correction is to act as in "
            "those that succeeded, and what goes with success is taken to bring it about",
            gain="acting as in good runs, {} of 100 more succeed",
            players=self._players,
            worth=worth,
            refits=True,
        )

    def _fit(self, chosen: np.ndarray) -> np.ndarray:
        return logistic(self._distance[chosen], self._success[chosen])

    def suspicion(self) -> np.ndarray:
        """Share of the runs that succeeded in which the agent never does what it does at a step."""
        said = actions(self._trace)
        return np.array([
            np.mean([one._replace(agent="") not in each.get(self._seats[one.agent], ()) for each in self._good])
            for one in said
        ])  # fmt: skip

    def instead(self, step: int) -> str:
        """Nobody knows."""
        return ""


def logistic(x: np.ndarray, y: np.ndarray, rounds: int = 25) -> np.ndarray:
    """Intercept and coefficients of a ridge logistic regression, (1 + columns,), by Newton's method.

    The intercept is not penalised, save for a trace that keeps it finite.

    >>> logistic(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0.0, 0.0, 1.0, 1.0])).round(2).tolist()
    [-0.4, 0.8]
    """
    wide = np.column_stack([np.ones(len(x)), x])
    penalty = np.diag([1e-3] + [RIDGE] * x.shape[1])
    found = np.zeros(wide.shape[1])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-wide @ found))
        slope = wide.T @ (y - p) - penalty @ found
        curve = (wide.T * (p * (1 - p))) @ wide + penalty
        found = found + np.linalg.solve(curve, slope)
    return found


Habits = dict[str, frozenset[object]]
"""What each seat's agent does in a run."""


def _habits(trace: Trace, *, by_role: bool) -> Habits:
    places = seats(trace, by_role=by_role)
    found: dict[str, set[object]] = {}
    for one in actions(trace):
        found.setdefault(places.get(one.agent, one.agent), set()).add(one._replace(agent=""))
    return {seat: frozenset(done) for seat, done in found.items()}


def _distance(mine: Habits, theirs: Habits, seat: str) -> float:
    """1 minus the share of actions in common; 1 where the agent does nothing in the other run."""
    here, there = mine.get(seat, frozenset()), theirs.get(seat, frozenset())
    return 1 - len(here & there) / max(1, len(here | there))
