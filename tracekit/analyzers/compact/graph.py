"""A run as the network of the compact tracer sees it: arrays, and what is known to be right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Graph(NamedTuple):
    """One run of n steps by m agents."""

    x: np.ndarray
    """Features, standardised, float (n, features)."""
    e: np.ndarray
    """Embeddings of the texts, float (n, text); (n, 0) without."""
    agent: np.ndarray
    """Who acts, int (n,), numbered 0 to m - 1 in order of appearance."""
    blamable: np.ndarray
    """Whether a step can be blamed, bool (n,)."""
    uses: np.ndarray
    """`tracekit.signals.dataflow.uses`, float (n, n)."""
    step: int | None = None
    """The decisive step; None = not known."""
    who: int | None = None
    """Number of the agent to blame; None = not known."""
    modes: np.ndarray | None = None
    """Failure modes, 0 or 1, float (modes,); None = not known."""
    weight: float = 1.0
    """How much the run counts in training."""
