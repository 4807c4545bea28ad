"""Log-odds made honest on runs that a model was not fitted on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ROUNDS = 50
LEAST = 0.05
"""Slope below which calibration does not go: the order of values is kept."""


class Platt(NamedTuple):
    """Log-odds are slope * logit + shift (Platt 1999)."""

    slope: float = 1.0
    shift: float = 0.0


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
