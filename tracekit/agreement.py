"""Pure mathematics of agreement between annotators: kappas with intervals.

Nothing here knows what a trace is. An interval is Wilson's for the share of observed agreement,
with the agreement by chance taken as it stands, as Cohen (1960) does for his standard error; unlike
a bootstrap it stays honest where a few items all agree.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

from tracekit.stats import Estimate, wilson


def cohen_kappa(
    pairs: Sequence[tuple[Hashable, Hashable]], *, level: float = 0.95
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
    n = len(pairs)
    if n == 0:
        return None
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[name] * second[name] for name in first) / n**2
    return _beyond(sum(a == b for a, b in pairs), n, chance, level)


def fleiss_kappa(items: Sequence[Sequence[Hashable]], *, level: float = 0.95) -> Estimate | None:
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
    if not items:
        return None
    said = Counter(name for item in items for name in item)
    chance = sum(count**2 for count in said.values()) / said.total() ** 2
    return _beyond(math.fsum(map(_paired, items)), len(items), chance, level)


def _paired(item: Sequence[Hashable]) -> float:
    """Share of the pairs of annotators who say the same of an item."""
    pairs = len(item) * (len(item) - 1)
    return sum(count * (count - 1) for count in Counter(item).values()) / pairs


def _beyond(agreed: float, n: int, chance: float, level: float) -> Estimate | None:
    """Kappa of `agreed` out of n items, None where chance agreement is 1."""
    room = 1.0 - chance
    if room < 1e-12:
        return None
    share = wilson(min(agreed, n), n, level)
    value, low, high = ((x - chance) / room for x in (share.value, share.low, share.high))
    return Estimate(value, max(-1.0, low), high)
