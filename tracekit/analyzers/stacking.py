"""Pooling what several methods say of the same steps, and fitting how much each of them counts.

The pool is log-linear: the probability of a step is the product of what the methods give it, each
raised to its weight, scaled to sum 1 (logarithmic opinion pool, Genest and Zidek 1986). The weights
are fitted by conditional logit on predictions of runs that the methods did not see (stacking,
Wolpert 1992), are never negative, and are drawn towards equal parts where there is little to go by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.conditional_logit import Choices, fit, softmax

MIXED = 0.1
"""Share of every opinion that is dealt out evenly: no method can rule a step out by itself."""
RIDGE = 4.0
"""Penalty on what a weight is away from an equal part."""


class Opinions(NamedTuple):
    """What all methods say of one run's candidates (steps, or agents)."""

    logs: np.ndarray
    """Log-probabilities, float64 (n_candidates, n_methods), mean 0 in each column."""
    right: int
    """Place of the labelled candidate; -1 = not known."""


def opinions(chances: Sequence[np.ndarray], right: int = -1) -> Opinions:
    """Probabilities of each method over the same candidates as log-odds.

    A method without an opinion, all zeros, counts for nothing.

    >>> told = opinions([np.array([1.0, 0.0]), np.array([0.0, 0.0])])
    >>> told.logs.round(2).tolist()
    [[1.47, 0.0], [-1.47, 0.0]]
    """
    columns = []
    for given in chances:
        total = float(given.sum())
        known = given / total if total > 0 else np.full(len(given), 1 / len(given))
        logs = np.log((1 - MIXED) * known + MIXED / len(given))
        columns.append(logs - logs.mean())
    return Opinions(np.stack(columns, axis=1), right)


def pooled(told: Opinions, weights: np.ndarray) -> np.ndarray:
    """Probability of each candidate, sum 1.

    >>> told = opinions([np.array([0.8, 0.2]), np.array([0.4, 0.6])])
    >>> pooled(told, np.array([1.0, 0.0])).round(2).tolist()
    [0.77, 0.23]
    """
    return softmax(told.logs @ weights)


def equal(methods: int) -> np.ndarray:
    """Equal weights that sum to 1."""
    return np.full(methods, 1.0 / max(1, methods))


def stacked(found: Sequence[Opinions]) -> np.ndarray:
    """Weights of the methods, none negative, from runs whose right candidate is known.

    Methods that would count against what they say are left out, and the others fitted again.
    Equal weights when no run has two candidates to choose from.
    """
    usable = [told for told in found if told.right >= 0 and len(told.logs) > 1]
    prior = equal(found[0].logs.shape[1])
    if not usable:
        return prior
    kept, weights = np.arange(len(prior)), prior
    while len(kept):
        choices = Choices([told.logs[:, kept] for told in usable], [t.right for t in usable])
        mine = fit(choices, np.full(len(kept), RIDGE), prior=prior[kept])
        if (mine >= 0).all():
            weights = np.zeros(len(prior))
            weights[kept] = mine
            return weights
        kept = kept[mine >= 0]
    return prior
