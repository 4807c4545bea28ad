"""How far a step lies from its surroundings: cosines of step vectors within one trace.

The features are those of AFANet (deviation from the previous step, from the agent's own mean, from
the mean of the log, from the mean of the others), computed alike on local TF-IDF vectors, which
need nothing but the trace, and on embeddings where the caller has some.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tracekit.signals.text import ends, lowered

_TOKEN = re.compile(r"[^\W_]{2,}")
LARGEST = 4000
"""Words of the local vocabulary: the most widespread ones."""
CELLS = 4_000_000
"""Numbers in the table of a long run: its vocabulary shrinks to fit."""


def tfidf(texts: Sequence[str]) -> np.ndarray:
    """Local TF-IDF of texts, float64 (n_texts, n_words), rows of length 1 (0 for an empty text).

    Damped counts times a smoothed inverse document frequency over these texts alone.

    >>> rows = tfidf(["red red bicycle", "red bicycle", "blue car"])
    >>> bool(rows[0] @ rows[1] > 0.9), float(rows[0] @ rows[2])
    (True, 0.0)
    """
    counts = [Counter(_TOKEN.findall(lowered(ends(text)))) for text in texts]
    spread = Counter(word for count in counts for word in count)
    vocabulary = [word for word, _ in sorted(spread.items(), key=lambda item: (-item[1], item[0]))]
    room = max(1, min(LARGEST, CELLS // max(1, len(texts))))
    column = {word: k for k, word in enumerate(vocabulary[:room])}
    rows = np.zeros((len(texts), len(column)))
    for i, count in enumerate(counts):
        for word, times in count.items():
            if word in column:
                rows[i, column[word]] = 1.0 + np.log(times)
    seen = (rows > 0).sum(axis=0)
    return unit(rows * (np.log((1 + len(texts)) / (1 + seen)) + 1.0))


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1; rows of zeros stay zeros."""
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1.0))


def deviations(
    rows: np.ndarray,
    owners: Sequence[str],
    question: np.ndarray,
    acts: np.ndarray,
    final: int | None,
) -> dict[str, np.ndarray]:
    """Deviation of every step, each an array (n_steps,), 0 = the same direction, 1 = unrelated.

    `rows` are step vectors of length 1, `question` the vector of the task (zeros when unknown),
    `owners` the agents of the steps, `acts` marks steps that are no mere outputs, and `final` is
    the step that gives the answer.
    """
    total, count = rows.sum(axis=0), len(rows)
    _, owner = np.unique(np.array(owners, dtype=str), return_inverse=True)
    sums = np.zeros((owner.max(initial=-1) + 1, rows.shape[1]))
    np.add.at(sums, owner, rows)
    own_sum, own_count = sums[owner], np.bincount(owner)[owner]
    answer = rows[final] if final is not None else np.zeros(rows.shape[1])
    return {
        "previous": _far(rows, _shifted(rows, np.ones(count, dtype=bool))),
        "next": _far(rows, _shifted(rows[::-1], np.ones(count, dtype=bool))[::-1]),
        "own": _far(rows, own_sum - rows) * (own_count > 1),
        "log": _far(rows, total - rows),
        "others": _far(rows, total - own_sum) * (own_count < count),
        "own_previous": _own_previous(rows, owners),
        "acting_previous": _far(rows, _shifted(rows, acts)),
        "question": 1.0 - rows @ question,
        "final": 1.0 - rows @ answer,
    }


def _far(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 - np.sum(rows * unit(others), axis=1))


def _shifted(rows: np.ndarray, use: np.ndarray) -> np.ndarray:
    """For each row the latest earlier one that `use` allows; zeros where there is none."""
    found, last = np.zeros_like(rows), np.zeros(rows.shape[1])
    for i, row in enumerate(rows):
        found[i] = last
        if use[i]:
            last = row
    return found


def _own_previous(rows: np.ndarray, owners: Sequence[str]) -> np.ndarray:
    """Deviation from the agent's own turn before; 1 at its first."""
    last: dict[str, int] = {}
    found = np.ones(len(rows))
    for i, owner in enumerate(owners):
        if owner in last:
            found[i] = 1.0 - rows[i] @ rows[last[owner]]
        last[owner] = i
    return found
