"""Whether more failures than before are more than chance explains: an exact test over cases."""

from __future__ import annotations

from collections.abc import Iterable
from math import comb

LEVEL = 0.05
"""Share of changes that change nothing and are stopped all the same, at most."""


def more_by_chance(cases: Iterable[tuple[int, int, int, int]]) -> float:
    """Probability of at least that many failures now if nothing has changed, 0 to 1.

    Each case is (failures before, runs before, failures now, runs now). If nothing has changed,
    which of a case's failures fall on the runs of now is drawn at random (hypergeometric), case by
    case; the sum over cases is exact, not approximated (the one-sided exact test of Mantel and
    Haenszel; with one case, Fisher's). Cases differ in how hard they are, and the test allows that.

    >>> round(more_by_chance([(1, 4, 3, 4)]), 4)  # Fisher's lady tasting tea: 17/70
    0.2429
    >>> more_by_chance([(0, 1, 1, 1)]), more_by_chance([])
    (0.5, 1.0)
    """
    found, spread = 0, [1.0]
    for before, runs_before, now, runs_now in cases:
        failed = before + now
        low, high = max(0, failed - runs_before), min(failed, runs_now)
        whole = comb(runs_before + runs_now, failed)
        chances = [
            comb(runs_now, k) * comb(runs_before, failed - k) / whole if k >= low else 0.0
            for k in range(high + 1)
        ]
        spread = _sum_of(spread, chances)
        found += now
    return min(1.0, sum(spread[found:]))


def _sum_of(first: list[float], second: list[float]) -> list[float]:
    """The distribution of a sum from those of its parts."""
    total = [0.0] * (len(first) + len(second) - 1)
    for i, a in enumerate(first):
        if a:
            for j, b in enumerate(second):
                total[i + j] += a * b
    return total
