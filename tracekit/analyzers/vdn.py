"""`vdn`: the team's return as a sum of what each agent contributes, learned over a corpus of runs.

Value decomposition (Sunehag et al., VDN, arXiv 1706.05296) writes the value of a team as the sum of
values of its agents. Here the return of a run is 1 for success and 0 for failure, and an agent's
value is linear in documented columns of its own steps (`signals.columns`) and in how often it
spoke; so it splits further, over its steps. Blame is what an agent falls short of its usual value.
It is a baseline: agents are taken to contribute independently of one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, NamedTuple

import msgspec
import numpy as np

from tracekit.analyzers.run import abstain
from tracekit.analyzers.verdict import settings, verdict
from tracekit.attribution import Attribution, Evidence, Method
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.folds import fingerprint
from tracekit.signals.columns import matrix, names
from tracekit.signals.reading import read
from tracekit.signals.roles import candidates
from tracekit.trace import Trace

VERSION = "1"
FEWEST = 10
"""Runs of either outcome below which nothing is fitted."""
RIDGE = 10.0
"""Penalty on weights of scaled columns, in runs."""
REASONS = 3
"""Columns named in the evidence of a step."""
EXPLAINED = 5
"""Suspects that get evidence, from the top."""


class Rows(NamedTuple):
    """One run as the regression sees it."""

    print: str
    """Fingerprint of the trace."""
    steps: np.ndarray
    """Columns of each blamable step over the length of the run, (n_blamable, n_columns)."""
    failed: bool | None


class Values(NamedTuple):
    """Weights of the columns, and what they are weights of."""

    mean: np.ndarray
    """Of the runs' sums, (n_columns,)."""
    scale: np.ndarray
    weight: np.ndarray
    """Change of the return for one scale."""
    base: float
    """Return of the mean run."""


class Vdn:
    """Blames the agent that falls furthest short of its usual value to the team.

    It needs a corpus of runs of the same system with at least ten successes and ten failures, and
    abstains without. The run itself, and copies of it, are left out of the fit. Setting `ridge`.
    """

    name: ClassVar[str] = "vdn"
    needs: ClassVar[frozenset[str]] = frozenset({"trace", "corpus"})
    name_blind: ClassVar[bool] = True

    def __init__(self) -> None:
        self._kept: tuple[Sequence[Trace], list[Rows]] | None = None

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """Agents by shortfall; the steps of each by their parts of it."""
        ridge = _positive(settings(context, self.name, ridge=RIDGE)["ridge"])
        method = Method(name=self.name, version=VERSION, settings={"ridge": ridge})
        if not trace.steps:
            return abstain(trace, method, "the trace has no steps")
        mine = rows_of(trace)
        known = [r for r in self._corpus(context.corpus) if r.failed is not None]
        others = [r for r in known if r.print != mine.print]
        failures = sum(bool(r.failed) for r in others)
        if min(failures, len(others) - failures) < FEWEST:
            return abstain(
                trace,
                method,
                f"the corpus has {failures} other runs that failed and {len(others) - failures} that "
                f"succeeded, {FEWEST} of each are needed",
            )
        fitted = fit(others, ridge)
        return self._verdict(trace, method, mine, fitted, len(others))

    def _corpus(self, corpus: Sequence[Trace]) -> list[Rows]:
        """The corpus as rows; kept, since every run of it asks for the same."""
        if self._kept is None or self._kept[0] is not corpus:
            self._kept = corpus, [rows_of(trace) for trace in corpus if trace.steps]
        return self._kept[1]

    def _verdict(
        self, trace: Trace, method: Method, mine: Rows, fitted: Values, runs: int
    ) -> Attribution:
        blamable = list(candidates(trace))
        parts = step_values(mine, fitted)
        chances = np.zeros(len(trace.steps))
        chances[blamable] = blame(parts.sum(axis=1), [trace.steps[i].agent for i in blamable])
        evidence = {
            i: _reasons(parts[row], i)
            for row, i in enumerate(blamable)
            if chances[i] >= np.sort(chances)[-EXPLAINED:][0] and chances[i] > 0
        }
        made = verdict(trace, method, chances, evidence=evidence)
        expected = float(np.clip(fitted.base + parts.sum(), 0, 1))
        assumed = (
            f"values are those of a linear model of {runs} other runs, in which agents add up: it "
            f"expects {fitted.base:.0%} success of the average run and {expected:.0%} of this one"
        )
        return msgspec.structs.replace(made, warnings=(assumed,))


def rows_of(trace: Trace) -> Rows:
    """A run's columns; a step's share of them is its own, so that the sums are means of the run."""
    x = _columns(trace)
    status = {"failure": True, "success": False, "unknown": None}[trace.outcome.status]
    return Rows(fingerprint(trace), x, status)


def _columns(trace: Trace) -> np.ndarray:
    kept = list(candidates(trace))
    return np.asarray(matrix(trace, read(trace))[kept] / len(kept))


def fit(runs: Sequence[Rows], ridge: float = RIDGE) -> Values:
    """Ridge regression of the return on the sums over all agents."""
    x = np.stack([run.steps.sum(axis=0) for run in runs])
    returns = np.array([0.0 if run.failed else 1.0 for run in runs])
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale < 1e-9] = np.inf  # a constant column tells nothing
    z = (x - mean) / scale
    base = float(returns.mean())
    gram = z.T @ z + ridge * np.eye(z.shape[1])
    weight = np.linalg.solve(gram, z.T @ (returns - base))
    return Values(mean, scale, weight, base)


def step_values(run: Rows, fitted: Values) -> np.ndarray:
    """What each column of each step adds to the return, against the mean run: (n_steps, n_columns).

    The mean run is dealt out over the steps alike; all parts together are the value of the run less
    that of the mean one.
    """
    fair = fitted.mean / max(1, len(run.steps))
    return np.asarray((run.steps - fair) / fitted.scale * fitted.weight)


def blame(values: np.ndarray, owners: Sequence[str]) -> np.ndarray:
    """Chances of the steps, sum 1: an agent's by its shortfall, a step's by its part in that.

    Both are softmaxes in units of the spread, since a regression on 0 and 1 has no natural one.

    >>> blame(np.array([0.1, -0.3, 0.1]), ["a", "b", "a"]).round(2).tolist()
    [0.06, 0.88, 0.06]
    """
    roster = list(dict.fromkeys(owners))
    member = np.array([roster.index(owner) for owner in owners])
    totals = np.bincount(member, weights=values)
    agents = _softmax(-totals)
    chances = np.zeros(len(values))
    for k, chance in enumerate(agents):
        rows = member == k
        chances[rows] = chance * _softmax(-values[rows])
    return chances


def _softmax(values: np.ndarray) -> np.ndarray:
    spread = float(values.std())
    scaled = (values - values.max()) / spread if spread > 1e-12 else np.zeros_like(values)
    found = np.exp(scaled)
    return np.asarray(found / found.sum())


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    return names()


def _reasons(parts: np.ndarray, step: int) -> tuple[Evidence, ...]:
    """The columns that take most from the value of a step."""
    worst = [k for k in np.argsort(parts, kind="stable")[:REASONS].tolist() if parts[k] < 0]
    return tuple(
        Evidence(
            step=step,
            weight=-float(parts[k]),
            shows=f"{_names()[k]}: takes {-parts[k]:.1%} from the chance of success",
        )
        for k in worst
    )


def _positive(value: object) -> float:
    if isinstance(value, int | float) and 0 < value < float("inf"):
        return float(value)
    raise UsageError(f"vdn: ridge is {value!r}, wanted a number above 0")
