"""Log-odds made honest on runs that a model was not fitted on.

One slope and shift for all prefixes, and another for the step that ends a run, where the odds are
plainer than on the way (Platt 1999). Either is kept only where it helps on problems it was not
fitted on: runs of one problem stand or fall together, so that a curve is easily fitted to a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tracekit.prm.model import FINAL
from tracekit_models.prm.data import Example

ROUNDS = 50
LEAST = 0.05
"""Slope below which calibration does not go: the order of values is kept."""
FOLDS = 8
"""Parts of the problems, each of which is left out once."""


class Platt(NamedTuple):
    """Log-odds are slope * logit + shift (Platt 1999)."""

    slope: float = 1.0
    shift: float = 0.0

    def odds(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated log-odds."""
        return self.slope * logits + self.shift


class Stages(NamedTuple):
    """The calibration of a model."""

    all: Platt = Platt()
    final: Platt | None = None
    """Of `final` steps instead; None = like all others."""

    def odds(self, logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Calibrated log-odds of the prefixes of a run, (n_steps + 1,); `rows` are not scaled."""
        ended = rows[:, FINAL] > 0
        return np.where(ended, (self.final or self.all).odds(logits), self.all.odds(logits))


class Held(NamedTuple):
    """What a model that did not know their problems says of prefixes, and what these are worth."""

    logits: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    final: np.ndarray
    """Whether the last step is a `final` one."""
    problem: np.ndarray
    """Number of the problem."""

    def where(self, chosen: np.ndarray) -> Held:
        """Some of them."""
        return Held(*(each[chosen] for each in self))


def held(found: Sequence[Example], logits: Sequence[np.ndarray]) -> Held:
    """All prefixes of some examples with a target, beside the logits of them."""
    problems = {name: n for n, name in enumerate(sorted({one.problem for one in found}))}
    whole = Held(
        np.concatenate(logits),
        np.concatenate([one.target for one in found]),
        np.concatenate([one.weight for one in found]),
        np.concatenate([one.rows[:, FINAL] > 0 for one in found]),
        np.concatenate([np.full(len(one.rows), problems[one.problem]) for one in found]),
    )
    return whole.where(whole.weights > 0)


def calibrate(known: Held) -> Stages:
    """The curves that help."""
    every = _helpful(known, Platt())
    ended = known.where(known.final)
    final = _helpful(ended, every)
    return Stages(every, None if final == every else final)


def platt(logits: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Platt:
    """The likeliest slope and shift for targets of 0 to 1, by Newton's method.

    >>> curve = platt(np.array([-4.0, -4.0, 4.0, 4.0]), np.array([0, 1, 1, 1.0]), np.ones(4))
    >>> round(curve.slope, 2) < 1
    True
    """
    x = np.stack([logits, np.ones(len(logits))], axis=1)
    found = np.array([1.0, 0.0])
    ridge = np.array([1e-3, 1e-3]) * max(float(weights.sum()), 1e-9)
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        slope = x.T @ (weights * (p - targets)) + ridge * (found - [1.0, 0.0])
        bend = (x * (weights * p * (1 - p))[:, None]).T @ x + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        found = found - np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    return Platt(max(LEAST, float(found[0])), float(found[1]))


def _helpful(known: Held, otherwise: Platt) -> Platt:
    """A curve for these prefixes, where it lowers the log loss on problems it was not fitted on.

    It has to by more than the standard error over problems; `otherwise` stays where it does not.
    """
    problems, own = np.unique(known.problem, return_inverse=True)
    if len(problems) < 2 * FOLDS:
        return otherwise
    gain = np.zeros(len(problems))
    for k in range(FOLDS):
        out = own % FOLDS == k
        rest, part = known.where(~out), known.where(out)
        curve = platt(rest.logits, rest.targets, rest.weights)
        less = _loss(part, otherwise) - _loss(part, curve)
        gain += np.bincount(own[out], less, minlength=len(problems))
    if gain.sum() <= gain.std() * np.sqrt(len(problems)):
        return otherwise
    return platt(known.logits, known.targets, known.weights)


def _loss(known: Held, curve: Platt) -> np.ndarray:
    """Weighted log loss of each prefix, nats."""
    odds = curve.odds(known.logits)
    return np.asarray(known.weights * (np.logaddexp(0.0, odds) - known.targets * odds))
