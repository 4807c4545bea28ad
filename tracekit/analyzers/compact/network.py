"""The network of the compact tracer at run time, in numpy: the same numbers as its torch twin.

`tracekit_models.compact.network` says what it is; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.compact.graph import Graph

BARRED = -1e9
"""Score of a step that cannot be blamed."""
EPSILON = 1e-5
"""Of layer normalisation, as in torch."""

Weights = Mapping[str, np.ndarray]
"""Weights by their names in the torch module, float32 or float64."""


class Scores(NamedTuple):
    """What the network says of one run."""

    step: np.ndarray
    """Log-probability of each step, (n,)."""
    agent: np.ndarray
    """Log-probability of each agent, (m,)."""
    mode: np.ndarray
    """Logit of each failure mode, (modes,)."""


def scores(weights: Weights, run: Graph) -> Scores:
    """Scores of one run."""
    h = _linear(weights, "enter", run.x)
    if "read.weight" in weights:
        h = h + run.e @ weights["read.weight"].T
    layers = {name.split(".")[1] for name in weights if name.startswith("layers.")}
    members = _members(run.agent)
    for number in range(len(layers)):
        h = h + _message(weights, f"layers.{number}", h, run, members)
    h = _norm(weights, "leave", h)
    raw = (h @ weights["step.weight"].T + run.x @ weights["skip.weight"].T)[:, 0]
    raw = np.where(run.blamable, raw, BARRED)
    step = raw - _logsumexp(raw)
    mean = members @ h
    peak = np.stack([h[run.agent == a].max(axis=0) for a in range(len(members))])
    whole = np.array([_logsumexp(step[run.agent == a]) for a in range(len(members))])
    more = (np.concatenate([mean, peak], axis=1) @ weights["agent.weight"].T)[:, 0]
    said = whole + np.where(whole > BARRED / 2, more, 0.0)
    blamed = np.exp(step) @ h
    mode = _linear(weights, "mode", np.concatenate([blamed, h.mean(axis=0)]))
    return Scores(step, said - _logsumexp(said), mode)


def _message(
    weights: Weights, layer: str, h: np.ndarray, run: Graph, members: np.ndarray
) -> np.ndarray:
    z = _norm(weights, f"{layer}.norm", h)
    before, after = np.zeros_like(z), np.zeros_like(z)
    before[1:], after[:-1] = z[:-1], z[1:]
    team = (members @ z)[run.agent]
    parts = [z, before, after, team, run.uses @ z, run.uses.T @ z]
    mixed = _linear(weights, f"{layer}.mix", np.concatenate(parts, axis=1))
    return np.asarray(np.maximum(0.0, mixed))


def _members(agent: np.ndarray) -> np.ndarray:
    """Each agent's mean over its steps as a matrix, (m, n)."""
    mine = (agent[None, :] == np.arange(agent.max() + 1)[:, None]).astype(np.float64)
    return np.asarray(mine / mine.sum(axis=1, keepdims=True))


def _linear(weights: Weights, name: str, values: np.ndarray) -> np.ndarray:
    return np.asarray(values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])


def _norm(weights: Weights, name: str, values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON)
    return np.asarray(scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def _logsumexp(values: np.ndarray) -> float:
    top = values.max()
    return float(top + np.log(np.exp(values - top).sum()))
