"""The conditional logit with soft targets: runs have weights, and a label may be shared by steps.

Minimises  ½ ridge·w²  -  Σ_runs weight · Σ_steps target · log P(step | run),  which is convex, by
Newton's method with halved steps: one optimum, the same on every run. With all weights 1 and
one-hot targets it is `analyzers.conditional_logit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ROUNDS = 100
TOLERANCE = 1e-9
"""Newton decrement below which the optimum is reached."""


class Run(NamedTuple):
    """One training run, reduced to the steps that can be blamed."""

    x: np.ndarray
    """Their features, float64 (n_steps, n_features)."""
    target: np.ndarray
    """How much of the label each step has, (n_steps,), sum 1."""
    weight: float
    """How much the run counts."""


class Stack:
    """Runs on top of each other, as arrays."""

    def __init__(self, runs: Sequence[Run]) -> None:
        sizes = np.array([len(run.x) for run in runs])
        self.x = np.concatenate([run.x for run in runs])
        self.target = np.concatenate([run.target for run in runs])
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.owner = np.repeat(np.arange(len(runs)), sizes)
        self.weight = np.array([run.weight for run in runs])

    def chances(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probability of each row within its run, and its logarithm."""
        scores = self.x @ weights
        scores = scores - np.maximum.reduceat(scores, self.starts)[self.owner]
        raised = np.exp(scores)
        total = np.add.reduceat(raised, self.starts)[self.owner]
        return raised / total, scores - np.log(total)


def loss(stack: Stack, weights: np.ndarray, ridge: float) -> float:
    """The penalised negative log-likelihood."""
    _, log_p = stack.chances(weights)
    fit = float((stack.weight[stack.owner] * stack.target) @ log_p)
    return 0.5 * ridge * float(weights @ weights) - fit


def newton(stack: Stack, weights: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (n_features,) and Hessian (n_features, n_features) of `loss`."""
    p, _ = stack.chances(weights)
    row_weight = stack.weight[stack.owner]
    gradient = ridge * weights + stack.x.T @ (row_weight * (p - stack.target))
    expected = stack.x * p[:, None]
    means = np.add.reduceat(expected, stack.starts)
    hessian = (expected * row_weight[:, None]).T @ stack.x
    hessian -= (means * stack.weight[:, None]).T @ means
    hessian[np.diag_indices_from(hessian)] += ridge
    return gradient, hessian


def fit(runs: Sequence[Run], ridge: float) -> np.ndarray:
    """Weights at the optimum, float64 (n_features,); `ridge` must be positive.

    >>> x = np.array([[0.0], [1.0]])
    >>> sure = Run(x, np.array([0.0, 1.0]), 1.0)
    >>> torn = Run(x, np.array([0.5, 0.5]), 1.0)
    >>> bool(fit([sure], 1.0)[0] > fit([sure, torn], 1.0)[0] > 0)
    True
    """
    stack = Stack(runs)
    weights = np.zeros(stack.x.shape[1])
    now = loss(stack, weights, ridge)
    for _ in range(ROUNDS):
        gradient, hessian = newton(stack, weights, ridge)
        step = np.linalg.solve(hessian, gradient)
        if float(gradient @ step) < TOLERANCE:
            break
        size, tried = 1.0, weights - step
        while (new := loss(stack, tried, ridge)) > now and size > 1e-6:
            size /= 2
            tried = weights - size * step
        weights, now = tried, new
    return weights
