"""The value network at run time, in numpy: the same numbers as its torch twin.

`tracekit_models.prm.network` says what it is; a test holds the two together. `advance` takes a
run further by any number of steps, so that one pass scores every prefix and a new message costs
only itself; what it looks back on is a window, so that memory and cost stay bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

BARRED = -1e9
"""Attention score of what may not be looked at."""
EPSILON = 1e-5
"""Of layer normalisation, as in torch."""
BLOCK = 256
"""Steps that are worked on at once."""

Weights = Mapping[str, np.ndarray]
"""Weights by their names in the torch module, float64."""


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of a network."""

    features: int
    """Columns of a row."""
    width: int = 64
    """Length of a step's state."""
    layers: int = 2
    heads: int = 4
    """Attention heads."""
    voices: int = 4
    """Heads of the value; which of them counts follows from what the acting agent is doing."""
    window: int = 256
    """Steps that attention reaches back, the own one included."""
    dropout: float = 0.2


class State(NamedTuple):
    """What a network keeps of the steps so far. Never changed in place: a copy is free."""

    rows: int
    """How many so far."""
    total: np.ndarray
    """Sum of the rows so far, (features,)."""
    keys: tuple[np.ndarray, ...]
    """Of each layer, for the latest steps, (at most window - 1, width)."""
    values: tuple[np.ndarray, ...]


def start(shape: Shape) -> State:
    """The state before anything is seen."""
    empty = tuple(np.zeros((0, shape.width)) for _ in range(shape.layers))
    return State(0, np.zeros(shape.features), empty, empty)


def advance(
    weights: Weights, shape: Shape, state: State, x: np.ndarray
) -> tuple[np.ndarray, State]:
    """Logits after each of some more rows, (n,), and the state after the last.

    `x` are scaled rows (n, features).
    """
    found = []
    for at in range(0, len(x), BLOCK):
        logits, state = _advance(weights, shape, state, x[at : at + BLOCK])
        found.append(logits)
    return (np.concatenate(found) if found else np.zeros(0)), state


def slopes(heads: int) -> np.ndarray:
    """How much each head dislikes distance, per step (ALiBi, arXiv 2108.12409, section 3).

    >>> slopes(4).tolist()
    [0.25, 0.0625, 0.015625, 0.00390625]
    """
    return np.asarray(2.0 ** (-8.0 * np.arange(1, heads + 1) / heads))


def _advance(
    weights: Weights, shape: Shape, state: State, x: np.ndarray
) -> tuple[np.ndarray, State]:
    sums = state.total + np.cumsum(x, axis=0)
    mean = sums / (state.rows + np.arange(1, len(x) + 1))[:, None]
    seen = np.concatenate([x, mean], axis=1)
    h = _linear(weights, "enter", seen)
    keys, values = [], []
    for n in range(shape.layers):
        more, key, value = _attend(weights, f"layers.{n}", shape, h, state.keys[n], state.values[n])
        h = h + more
        h = h + _mlp(weights, f"layers.{n}", h)
        keys.append(key)
        values.append(value)
    z = _norm(weights, "leave", h) @ weights["value.weight"].T
    gate = _softmax(_linear(weights, "gate", x))
    logits = (gate * z).sum(axis=1) + _linear(weights, "skip", seen)[:, 0]
    return logits, State(state.rows + len(x), sums[-1], tuple(keys), tuple(values))


def _attend(
    weights: Weights, layer: str, shape: Shape, h: np.ndarray, keys: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What attention adds to the states, and the keys and values to keep."""
    q, k, v = np.split(_linear(weights, f"{layer}.qkv", _norm(weights, f"{layer}.before", h)), 3, 1)
    keys, values = np.concatenate([keys, k]), np.concatenate([values, v])
    far = (np.arange(len(h)) + len(keys) - len(h))[:, None] - np.arange(len(keys))[None, :]
    barred = (far < 0) | (far >= shape.window)
    size = shape.width // shape.heads
    parts = []
    for n, slope in enumerate(slopes(shape.heads)):
        own = slice(n * size, (n + 1) * size)
        scores = q[:, own] @ keys[:, own].T / np.sqrt(size) - slope * far
        parts.append(_softmax(np.where(barred, BARRED, scores)) @ values[:, own])
    kept = max(0, len(keys) - (shape.window - 1))
    mixed = _linear(weights, f"{layer}.mix", np.concatenate(parts, axis=1))
    return mixed, keys[kept:], values[kept:]


def _mlp(weights: Weights, layer: str, h: np.ndarray) -> np.ndarray:
    inner = _linear(weights, f"{layer}.wide", _norm(weights, f"{layer}.after", h))
    return _linear(weights, f"{layer}.narrow", np.maximum(inner, 0.0))


def _linear(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return np.asarray(x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])


def _norm(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    mean = x.mean(axis=1, keepdims=True)
    scale = np.sqrt(((x - mean) ** 2).mean(axis=1, keepdims=True) + EPSILON)
    return np.asarray((x - mean) / scale * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def _softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
