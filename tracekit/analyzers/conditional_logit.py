"""The conditional logit: a softmax over the steps of one trace, linear in their features.

P(step i of trace t) = exp(w·x_ti) / Σ_j exp(w·x_tj): McFadden, Conditional logit analysis of
qualitative choice behavior (1974). With a ridge penalty the log-likelihood is strictly concave, so
that Newton's method finds the one optimum, the same on every run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Choices:
    """Choice sets stacked on top of each other: one row per option, one set per trace."""

    def __init__(self, sets: Sequence[np.ndarray], chosen: Sequence[int]) -> None:
        """Stack them; `chosen` is the labelled row of each set.

        `sets` holds one float64 array (n_steps, n_features) per trace, none of them empty.
        """
        self.x = np.concatenate(sets)
        """All rows, (n_rows, n_features)."""
        sizes = np.array([len(rows) for rows in sets])
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        """First row of each set."""
        self.owner = np.repeat(np.arange(len(sets)), sizes)
        """Set of each row."""
        self.labelled = self.starts + np.asarray(chosen)
        """The labelled row of each set."""

    def log_chances(self, weights: np.ndarray) -> np.ndarray:
        """Log-probability of each row within its set, (n_rows,)."""
        scores = self.x @ weights
        scores = scores - np.maximum.reduceat(scores, self.starts)[self.owner]
        total = np.add.reduceat(np.exp(scores), self.starts)
        return np.asarray(scores - np.log(total)[self.owner])


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities from scores in log-odds, float64 (n,), sum 1.

    >>> softmax(np.array([0.0, np.log(3.0)])).round(9).tolist()
    [0.25, 0.75]
    """
    raised = np.exp(scores - scores.max())
    return np.asarray(raised / raised.sum())


def objective(
    weights: np.ndarray, choices: Choices, ridge: np.ndarray, prior: np.ndarray | float = 0.0
) -> tuple[float, np.ndarray, np.ndarray]:
    """Penalised negative log-likelihood, its gradient and its Hessian.

    `ridge` is the penalty of each weight: half of it times the square of the weight less its
    `prior` is added.
    """
    x, log_p = choices.x, choices.log_chances(weights)
    weighted = x * np.exp(log_p)[:, None]
    means = np.add.reduceat(weighted, choices.starts)
    away = weights - prior
    loss = 0.5 * float(ridge @ away**2) - float(log_p[choices.labelled].sum())
    gradient = ridge * away + means.sum(axis=0) - x[choices.labelled].sum(axis=0)
    hessian = np.diag(ridge) + weighted.T @ x - means.T @ means
    return loss, gradient, hessian


def fit(
    choices: Choices,
    ridge: np.ndarray,
    *,
    prior: np.ndarray | None = None,
    rounds: int = 100,
    tol: float = 1e-10,
) -> np.ndarray:
    """Weights at the optimum, float64 (n_features,): Newton steps, halved until the loss falls.

    Every `ridge` must be positive; it penalises what a weight is away from `prior`, 0 when none is
    given. Stops when the Newton decrement is below `tol`.
    """
    prior = np.zeros(len(ridge)) if prior is None else prior
    weights = prior
    loss, gradient, hessian = objective(weights, choices, ridge, prior)
    for _ in range(rounds):
        step = np.linalg.solve(hessian, gradient)
        if float(gradient @ step) < tol:
            break
        size = 1.0
        while True:
            tried = weights - size * step
            new = objective(tried, choices, ridge, prior)
            if new[0] <= loss or size < 1e-6:
                break
            size /= 2
        weights, (loss, gradient, hessian) = tried, new
    return weights
