"""Matrices kept as bytes: one scale for each row, a signed byte for each number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Table(NamedTuple):
    """A matrix of which rows are looked up; only those are made floats."""

    numbers: np.ndarray
    """int8, or float where nothing was rounded."""
    steps: np.ndarray | None
    """float32, what 1 stands for in each row; None for a matrix of floats."""

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], name: str) -> Table:
        """The matrix of that name among a file's arrays; raises `KeyError` and `ValueError`."""
        numbers, steps = arrays[name], arrays.get(f"{name}.step")
        if steps is not None and steps.shape != numbers.shape[:1]:
            raise ValueError(f"{name!r} has {len(numbers)} rows and steps for {len(steps)}")
        return cls(numbers, steps)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """The rows of those ids, float32 (n, width)."""
        found: np.ndarray = self.numbers[ids].astype(np.float32)
        if self.steps is not None:
            found *= self.steps[ids, None]
        return found


def matrix(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """A whole array as float32, whether it was rounded or not; raises `KeyError`."""
    numbers, steps = Table.of(arrays, name)
    whole: np.ndarray = numbers.astype(np.float32)
    return whole if steps is None else whole * steps[:, None]


def rounded(whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix as bytes and the step of each row; each number within half a step of what it was.

    >>> numbers, steps = rounded(np.array([[1.0, -0.5], [0.0, 0.0]], dtype=np.float32))
    >>> numbers.tolist(), steps.round(4).tolist()
    ([[127, -64], [0, 0]], [0.007899999618530273, 1.0])
    """
    largest = np.abs(whole).max(axis=1)
    steps = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.round(whole / steps[:, None]).astype(np.int8), steps
