"""Pure mathematics of agreement between annotators: kappas with intervals.

Nothing here knows what a trace is. Intervals are percentile bootstraps over items.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from tracekit.stats import Estimate

_Kappas = Callable[[np.ndarray], np.ndarray]

REPEATS = 2000
"""Draws of the bootstrap."""


def cohen_kappa(
    pairs: Sequence[tuple[Hashable, Hashable]], *, seed: int = 0, level: float = 0.95
) -> Estimate | None:
    """Agreement of two annotators beyond chance, -1 to 1; None where chance alone explains all.

    `pairs` holds what each of the two said of an item. Chance agreement uses each annotator's own
    frequencies. None when there is no item, or when both always say one and the same thing.
    Source: Cohen, Educational and Psychological Measurement 20 (1960) 37. By hand for 20 times
    both yes, 15 both no, 5 and 10 split: (0.7 - 0.5) / (1 - 0.5).

    >>> table = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    >>> round(cohen_kappa(table).value, 6)
    0.4
    >>> cohen_kappa([("y", "y"), ("y", "y")]) is None
    True
    """
    names = {name: k for k, name in enumerate(dict.fromkeys(x for pair in pairs for x in pair))}
    first = _one_hot([names[a] for a, _ in pairs], len(names))
    second = _one_hot([names[b] for _, b in pairs], len(names))
    agree = (first * second).sum(axis=1)

    def kappas(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        chance = ((weights @ first) * (weights @ second)).sum(axis=1) / total**2
        return _beyond(weights @ agree / total, chance)

    return _estimate(kappas, len(pairs), seed, level)


def fleiss_kappa(
    items: Sequence[Sequence[Hashable]], *, seed: int = 0, level: float = 0.95
) -> Estimate | None:
    """Agreement of several annotators beyond chance, -1 to 1; None where chance explains all.

    `items` holds what was said of each item, by at least two annotators, who need not be the same
    or equally many for every item: each item then counts once in the observed agreement, each
    saying once in the frequencies. Raises `ValueError` for an item with fewer than two. Source:
    Fleiss, Psychological Bulletin 76 (1971) 378. By hand for aab, bbb: observed (1/3 + 1) / 2,
    chance (2/6)^2 + (4/6)^2, hence (2/3 - 5/9) / (4/9).

    >>> round(fleiss_kappa(["aab", "bbb"]).value, 6)
    0.25
    """
    if any(len(item) < 2 for item in items):
        raise ValueError("an item needs two annotators")
    names = {name: k for k, name in enumerate(dict.fromkeys(x for item in items for x in item))}
    rows = [_one_hot([names[x] for x in item], len(names)).sum(axis=0) for item in items]
    counts = np.array(rows).reshape(len(items), len(names))
    sizes = counts.sum(axis=1)
    agree = (counts * (counts - 1)).sum(axis=1) / (sizes * (sizes - 1)) if len(items) else sizes

    def kappas(weights: np.ndarray) -> np.ndarray:
        said = weights @ counts
        chance = ((said / said.sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
        return _beyond(weights @ agree / weights.sum(axis=1), chance)

    return _estimate(kappas, len(items), seed, level)


def _one_hot(columns: Sequence[int], width: int) -> np.ndarray:
    found = np.zeros((len(columns), width))
    found[np.arange(len(columns)), columns] = 1.0
    return found


def _beyond(observed: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Kappa of each row; NaN where chance agreement is 1."""
    room = 1.0 - chance
    safe = np.where(room > 1e-12, room, 1.0)
    return np.where(room > 1e-12, (observed - chance) / safe, np.nan)


def _estimate(kappas: _Kappas, n: int, seed: int, level: float) -> Estimate | None:
    """The figure over all items, and over draws of items; draws without a kappa are left out."""
    if n == 0:
        return None
    value = float(kappas(np.ones((1, n)))[0])
    if np.isnan(value):
        return None
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=REPEATS)
    spread = kappas(drawn.astype(float))
    low, high = np.nanquantile(spread, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, min(value, float(low)), max(value, float(high)))
