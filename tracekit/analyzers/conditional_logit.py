"""The conditional logit: a softmax over the steps of one trace, linear in their features.

P(step i of trace t) = exp(w·x_ti) / Σ_j exp(w·x_tj): McFadden, Conditional logit analysis of
qualitative choice behavior (1974). With a ridge penalty the log-likelihood is strictly concave, so
that Newton's method finds the one optimum, the same on every run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Rows = Sequence[np.ndarray]
"""One float64 array (n_steps, n_features) per trace."""


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities from scores in log-odds, float64 (n,), sum 1.

    >>> softmax(np.array([0.0, np.log(3.0)])).tolist()
    [0.25, 0.75]
    """
    raised = np.exp(scores - scores.max())
    return np.asarray(raised / raised.sum())


def objective(
    weights: np.ndarray, rows: Rows, chosen: Sequence[int], ridge: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Penalised negative log-likelihood, its gradient and its Hessian.

    `ridge` is the penalty of each weight: half of it times the weight's square is added.
    """
    loss = 0.5 * float(ridge @ weights**2)
    gradient = ridge * weights
    hessian = np.diag(ridge)
    for x, i in zip(rows, chosen, strict=True):
        p = softmax(x @ weights)
        mean = p @ x
        loss -= float(np.log(max(p[i], 1e-300)))
        gradient = gradient + mean - x[i]
        hessian = hessian + (x * p[:, None]).T @ x - np.outer(mean, mean)
    return loss, gradient, hessian


def fit(
    rows: Rows, chosen: Sequence[int], ridge: np.ndarray, *, rounds: int = 100, tol: float = 1e-9
) -> np.ndarray:
    """Weights at the optimum, float64 (n_features,): Newton steps, halved until the loss falls.

    `chosen` is the labelled row of each trace; every `ridge` must be positive.
    """
    weights = np.zeros(len(ridge))
    loss, gradient, hessian = objective(weights, rows, chosen, ridge)
    for _ in range(rounds):
        step = np.linalg.solve(hessian, gradient)
        if float(gradient @ step) < tol:
            break
        size = 1.0
        while True:
            tried = weights - size * step
            new = objective(tried, rows, chosen, ridge)
            if new[0] <= loss or size < 1e-6:
                break
            size /= 2
        weights, (loss, gradient, hessian) = tried, new
    return weights
