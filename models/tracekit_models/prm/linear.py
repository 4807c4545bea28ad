"""The linear term of the value network: logistic regression with a ridge, one optimum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ROUNDS = 30
"""Newton steps at most."""
LEAST = 0.01
"""Variance that a column counts as having at least."""


class Linear(NamedTuple):
    """Log-odds are weight * columns + bias."""

    weight: np.ndarray
    """(2 * columns,): of a row, and of the mean of the rows so far."""
    bias: float


def seen(rows: np.ndarray) -> np.ndarray:
    """Rows beside the mean of the rows up to each, (n, 2 * columns)."""
    means = np.cumsum(rows, axis=0) / np.arange(1, len(rows) + 1)[:, None]
    return np.concatenate([rows, means], axis=1)


def fit_linear(
    rows: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    weights: Sequence[np.ndarray],
    ridge: float,
) -> Linear:
    """The likeliest weights for targets of 0 to 1 under a penalty of ridge / 2 * weight^2.

    >>> rows = [np.array([[1.0], [1.0]]), np.array([[-1.0], [-1.0]])]
    >>> found = fit_linear(rows, [np.ones(2), np.zeros(2)], [np.ones(2), np.ones(2)], 1.0)
    >>> bool(found.weight[0] > 0), round(abs(found.bias), 6)
    (True, 0.0)
    """
    x = np.concatenate([seen(each) for each in rows])
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    y, w = np.concatenate(targets), np.concatenate(weights)
    x, y, w = x[w > 0], y[w > 0], w[w > 0]
    penalty = ridge * np.maximum(x.var(axis=0), LEAST)  # as if every column had deviation 1
    penalty[-1] = 1e-3
    found = np.zeros(x.shape[1])
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        slope = x.T @ (w * (p - y)) + penalty * found
        bend = (x * (w * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        found = found - step
        if np.abs(step).max() < 1e-7:
            break
    return Linear(found[:-1], float(found[-1]))
