"""A small BERT in numpy: ids of one text in, its vector out.

Devlin et al. 2019 (arXiv 1810.04805), the encoder; Sentence-BERT's mean over tokens (Reimers and
Gurevych 2019, arXiv 1908.10084). One text at a time: its vector cannot depend on what else is in
the batch, and nothing is spent on padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tracekit.encoder.table import Table, matrix

EPSILON = 1e-12
"""Added to the variance, as BERT does."""

START, END = 101, 102
"""Ids of [CLS] and [SEP], which stand around every text."""


class Norm(NamedTuple):
    """Layer normalisation."""

    scale: np.ndarray
    shift: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows of mean 0 and variance 1, scaled and shifted; in place."""
        x -= x.mean(axis=1, keepdims=True)
        x /= np.sqrt(np.einsum("ij,ij->i", x, x)[:, None] / x.shape[1] + EPSILON)
        x *= self.scale
        x += self.shift
        return x


class Dense(NamedTuple):
    """An affine map."""

    weight: np.ndarray
    """(in, out)"""
    bias: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows mapped one by one."""
        y: np.ndarray = x @ self.weight
        y += self.bias
        return y


class Layer(NamedTuple):
    """Attention and a feed-forward part, each with a residual and a norm after it."""

    mixed: Dense
    """Queries, keys and values side by side."""
    attended: Dense
    after_attention: Norm
    inner: Dense
    outer: Dense
    after_inner: Norm

    def __call__(self, x: np.ndarray, heads: int) -> np.ndarray:
        """(tokens, width) to the same."""
        x = self.after_attention(x + self.attended(attention(self.mixed(x), heads)))
        return self.after_inner(x + self.outer(gelu(self.inner(x))))


class Transformer:
    """Word pieces to a vector; all parameters float32 once loaded."""

    def __init__(self, arrays: Mapping[str, np.ndarray], heads: int) -> None:
        self._heads = heads
        self._words = Table.of(arrays, "words")
        self._raise = matrix(arrays, "raise").T.copy() if "raise" in arrays else None
        self._positions = matrix(arrays, "positions")
        self._first = _norm(arrays, "first")
        count = sum(name.endswith(".inner.weight") for name in arrays)
        self._layers = [_layer(arrays, f"layer.{n}") for n in range(count)]

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """The mean of the last layer's outputs, (width,); at most as many ids as positions."""
        around = np.concatenate([[START], ids, [END]])
        x = self._words.rows(around)
        if self._raise is not None:
            x = x @ self._raise
        x = self._first(x + self._positions[: len(x)])
        for layer in self._layers:
            x = layer(x, self._heads)
        pooled: np.ndarray = x.mean(axis=0)
        return pooled


def attention(mixed: np.ndarray, heads: int) -> np.ndarray:
    """Scaled dot-product attention of every head, (tokens, 3 * width) to (tokens, width)."""
    tokens, width = mixed.shape[0], mixed.shape[1] // 3
    parts = mixed.reshape(tokens, 3, heads, width // heads).transpose(1, 2, 0, 3)
    query, key, value = np.ascontiguousarray(parts)
    scores = query @ key.transpose(0, 2, 1)
    scores *= np.float32((width // heads) ** -0.5)
    scores -= scores.max(axis=2, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=2, keepdims=True)
    seen: np.ndarray = (scores @ value).transpose(1, 0, 2).reshape(tokens, width)
    return seen


def gelu(x: np.ndarray) -> np.ndarray:
    """The numbers times the normal distribution function (Hendrycks and Gimpel 2016), in place.

    The error function is Abramowitz and Stegun's 7.1.26, within 1.5e-7.

    >>> gelu(np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)).round(4).tolist()
    [[-0.15870000422000885, 0.0, 0.8413000106811523]]
    """
    z = np.abs(x)
    t = 1 / (1 + np.float32(0.3275911 * 0.5**0.5) * z)
    z *= z
    z *= np.float32(-0.5)
    np.exp(z, out=z)
    tail = np.full_like(t, 1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail *= t
        tail += np.float32(coefficient)
    tail *= t
    tail *= z  # 1 - erf(|x| / sqrt 2)
    tail *= np.abs(x)
    tail *= np.float32(0.5)
    np.maximum(x, 0, out=x)
    x -= tail  # for either sign: max(x, 0) - |x| (1 - erf) / 2
    return x


def _norm(arrays: Mapping[str, np.ndarray], name: str) -> Norm:
    return Norm(matrix(arrays, f"{name}.scale"), matrix(arrays, f"{name}.shift"))


def _dense(arrays: Mapping[str, np.ndarray], name: str) -> Dense:
    weight = matrix(arrays, f"{name}.weight").T.copy()
    return Dense(weight, matrix(arrays, f"{name}.bias"))


def _layer(arrays: Mapping[str, np.ndarray], name: str) -> Layer:
    return Layer(
        _dense(arrays, f"{name}.mixed"),
        _dense(arrays, f"{name}.attended"),
        _norm(arrays, f"{name}.after_attention"),
        _dense(arrays, f"{name}.inner"),
        _dense(arrays, f"{name}.outer"),
        _norm(arrays, f"{name}.after_inner"),
    )
