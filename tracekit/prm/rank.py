"""Which of several runs of one task to trust: best-of-n by value, and votes weighted by value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from tracekit.errors import UsageError
from tracekit.prm.answers import final_answer
from tracekit.protocols import ValueFunction
from tracekit.trace import Trace

Weight = Literal["value", "odds", "one"]
"""What the vote of a run counts: its value, the odds of its value, or 1 like every other."""

EDGE = 1e-3
"""Values nearer to 0 and 1 count as this near, so that no single vote outweighs all others."""


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run of the task."""

    id: str
    """Id of the trace."""
    answer: str | None
    """Its answer in the form that is compared; None = it has none and no vote."""
    value: float
    """Probability of success at its end, 0 to 1."""


class Vote(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer and those who gave it."""

    answer: str
    """In the form that is compared."""
    weight: float
    """Sum of the weights of its runs."""
    share: float
    """Its share of all weights, 0 to 1."""
    runs: tuple[str, ...]
    """Ids of the traces."""


class Ranking(msgspec.Struct, frozen=True, omit_defaults=True):
    """Runs of one task in order, and what they answer together."""

    runs: tuple[Candidate, ...]
    """Best value first; the first is best-of-n."""
    votes: tuple[Vote, ...]
    """Heaviest answer first; empty when no run has an answer."""

    @property
    def best(self) -> Candidate:
        """The run of the highest value."""
        return self.runs[0]

    @property
    def answer(self) -> str | None:
        """The answer with the most weight; None when no run has one."""
        return self.votes[0].answer if self.votes else None


def rank(runs: Sequence[Trace], values: ValueFunction, weight: Weight = "odds") -> Ranking:
    """Rank runs of one task by their value at the end; outcomes and expected answers are not read.

    Raises `UsageError` when there is no run, or one has no steps.
    """
    found = []
    for trace in runs:
        if not trace.steps:
            raise UsageError(f"run {trace.id} has no steps, and so no value")
        found.append(Candidate(trace.id, final_answer(trace), float(values.values(trace)[-1])))
    return ranking(found, weight)


def ranking(runs: Sequence[Candidate], weight: Weight = "odds") -> Ranking:
    """The same for runs whose values are known; among equals the one given first wins.

    >>> runs = [Candidate("a", "7", 0.2), Candidate("b", "8", 0.9), Candidate("c", "7", 0.3)]
    >>> found = ranking(runs)
    >>> found.best.id, found.answer, ranking(runs, "one").answer
    ('b', '8', '7')
    """
    if not runs:
        raise UsageError("there is no run to rank")
    votes: dict[str, list[Candidate]] = {}
    for run in runs:
        if run.answer is not None:
            votes.setdefault(run.answer, []).append(run)
    sums = {said: sum(_weight(run.value, weight) for run in by) for said, by in votes.items()}
    whole = sum(sums.values())
    heaviest = sorted(votes, key=lambda said: -sums[said])
    return Ranking(
        runs=tuple(sorted(runs, key=lambda run: -run.value)),
        votes=tuple(
            Vote(said, sums[said], sums[said] / whole, tuple(run.id for run in votes[said]))
            for said in heaviest
        ),
    )


def _weight(value: float, weight: Weight) -> float:
    if weight == "one":
        return 1.0
    if weight == "value":
        return max(value, EDGE)
    if weight == "odds":
        return odds(value)
    raise UsageError(f"votes are weighted by value, odds or one, not by {weight!r}")


def odds(value: float) -> float:
    """`p / (1 - p)`, within bounds.

    >>> odds(0.75), round(odds(1.0), 6)
    (3.0, 999.0)
    """
    held = min(max(value, EDGE), 1 - EDGE)
    return held / (1 - held)


def log_odds(value: float) -> float:
    """The logarithm of the odds, within bounds.

    >>> log_odds(0.5)
    0.0
    """
    return math.log(odds(value))
