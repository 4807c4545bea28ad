"""From a graph to effects: what each behaviour does to the chance of failure, in numpy.

All relations are taken to be linear: of yes-or-no columns that is a difference of shares. The
average causal effect of a column is its coefficient in a regression of failure on it and on its
parents in the graph (adjustment by parents: Pearl, Causality, 2nd ed. 2009, section 3.3.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracekit.analyzers.causal.search import Edge

CAUSES = ("-->", "o->")
"""Marks that let an edge carry an effect."""


def parents(edges: Sequence[Edge], node: int) -> list[int]:
    """Direct causes of a variable, in order."""
    return sorted({e.source for e in edges if e.target == node and e.mark in CAUSES})


def ancestors(edges: Sequence[Edge], node: int) -> set[int]:
    """Everything with a directed path to a variable, itself left out.

    >>> chain = [Edge(0, 1, "-->"), Edge(1, 2, "-->"), Edge(3, 2, "---")]
    >>> ancestors(chain, 2)
    {0, 1}
    """
    found: set[int] = set()
    todo = [node]
    while todo:
        new = set(parents(edges, todo.pop())) - found - {node}
        found |= new
        todo += sorted(new)
    return found


def average_effects(values: np.ndarray, edges: Sequence[Edge], outcome: int) -> np.ndarray:
    """Average causal effect of every variable on the outcome, (n_variables,); 0 for itself.

    `values` is (n_runs, n_variables), each with mean 0. The effect is what raising the variable by
    1 adds to the outcome, given the graph, whether or not the graph has a path between them. By
    hand, for x -> y with y = 0.5 x:

    >>> x = np.array([-1.0, 0.0, 1.0]); values = np.stack([x, 0.5 * x], 1)
    >>> average_effects(values, [Edge(0, 1, "-->")], 1).round(9).tolist()
    [0.5, 0.0]
    """
    found = np.zeros(values.shape[1])
    for node in range(values.shape[1]):
        if node != outcome:
            given = [k for k in parents(edges, node) if k != outcome]
            found[node] = _slopes(values[:, [node, *given]], values[:, outcome])[0]
    return found


def coefficients(values: np.ndarray, edges: Sequence[Edge]) -> np.ndarray:
    """Direct effects, (n, n): row = effect, column = cause; 0 where there is no edge."""
    size = values.shape[1]
    found = np.zeros((size, size))
    for node in range(size):
        if given := parents(edges, node):
            found[node, given] = _slopes(values[:, given], values[:, node])
    return found


def surprise(row: np.ndarray, direct: np.ndarray) -> np.ndarray:
    """What of a run its own past does not explain, (n,): each value less what its parents foretell.

    `row` holds deviations from what is usual. An error that is only passed on is foretold by its
    parents; where it came from, it is not. In a linear model the surprises, times their average
    effects, add up to the deviation of the outcome: the noise terms of root-cause analysis
    (Budhathoki et al., ICML 2022), which here need no Shapley values.

    >>> surprise(np.array([1.0, 0.8]), np.array([[0.0, 0.0], [0.5, 0.0]])).round(2).tolist()
    [1.0, 0.3]
    """
    return np.asarray(row - direct @ row)


def _slopes(causes: np.ndarray, effect: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.lstsq(causes, effect, rcond=None)[0])
