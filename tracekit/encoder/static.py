"""Static vectors: a vector for each word piece, whatever stands beside it; a text is their mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tracekit.encoder.table import Table


class Static:
    """Word pieces to a vector, by looking up."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._words = Table.of(arrays, "words")

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """The mean of the pieces' vectors, (width,)."""
        pooled: np.ndarray = self._words.rows(ids).mean(axis=0)
        return pooled
