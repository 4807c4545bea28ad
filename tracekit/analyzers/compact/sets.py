"""How sure: a temperature for the probabilities, and suspect sets that keep a stated coverage.

Split-conformal prediction (Vovk et al. 2005; adaptive sets of Romano et al. 2020, without the
randomisation, so that the same run has the same set). The score of a labelled step is the
probability of all steps ranked above it; the sets of new runs hold every step whose score is no
higher than the quantile of the scores seen in calibration. If new runs are like those, the set
contains the decisive step in at least the stated share of them, however good or bad the model is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

TEMPERATURES = np.exp(np.linspace(math.log(0.4), math.log(4.0), 61))
"""Temperatures that are tried."""


def order(chances: np.ndarray) -> np.ndarray:
    """Positions by falling probability, ties by position: int (n,)."""
    return np.argsort(-chances, kind="stable")


def above(chances: np.ndarray, right: int) -> float:
    """Probability of everything ranked above the right one, 0 to 1: the conformal score.

    >>> round(above(np.array([0.5, 0.2, 0.3]), right=1), 2)
    0.8
    """
    ranked = order(chances)
    place = int(np.flatnonzero(ranked == right)[0])
    return float(chances[ranked[:place]].sum())


def threshold(scores: Sequence[float], coverage: float) -> float:
    """The conformal quantile: the ceil((n + 1) * coverage)-th smallest score.

    1, that is every step, when there are too few scores for the coverage.

    >>> threshold([0.1, 0.2, 0.3, 0.4], coverage=0.6), threshold([0.1], coverage=0.9)
    (0.3, 1.0)
    """
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return 1.0 if rank > len(scores) else float(sorted(scores)[rank - 1])


def members(chances: np.ndarray, limit: float) -> tuple[int, ...]:
    """The set at a threshold, most suspect first; never empty, never what has no probability.

    >>> members(np.array([0.5, 0.2, 0.3]), limit=0.6)
    (0, 2)
    """
    ranked = order(chances)
    before = np.concatenate([[0.0], np.cumsum(chances[ranked])[:-1]])
    return tuple(int(k) for k in ranked[(before <= limit + 1e-12) & (chances[ranked] > 0)])


def tempered(chances: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities at another temperature: above 1 flatter, below 1 sharper; sums to 1.

    >>> tempered(np.array([0.8, 0.2, 0.0]), 2.0).round(3).tolist()
    [0.667, 0.333, 0.0]
    """
    with np.errstate(divide="ignore"):
        logs = np.log(chances) / temperature
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def best_temperature(runs: Sequence[tuple[np.ndarray, int]], weights: Sequence[float]) -> float:
    """The temperature of least log-loss on pairs of probabilities and right position.

    Weights say how much each pair counts. A right position without probability is left out, since
    no temperature helps it.
    """
    kept = [(p, y, w) for (p, y), w in zip(runs, weights, strict=True) if p[y] > 0]
    if not kept:
        return 1.0
    losses = [
        -sum(w * math.log(tempered(p, float(t))[y]) for p, y, w in kept) for t in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])
