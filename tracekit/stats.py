"""Pure mathematics of evaluation: shares, means and paired comparisons, each with its interval.

Nothing here knows what a trace is. Values worked out by hand stand as examples.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist

import msgspec
import numpy as np


class Estimate(msgspec.Struct, frozen=True):
    """A value and the interval that goes with it, in the units of the value."""

    value: float
    """The share, mean or other figure itself."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


class McNemar(msgspec.Struct, frozen=True):
    """Two methods on the same cases: where they differ, and how surprising that is."""

    only_first: int
    """Cases that only the first method has right."""
    only_second: int
    """Cases that only the second method has right."""
    exact: float
    """Two-sided p of the exact conditional test; never too small, often too large."""
    mid_p: float
    """Twice the one-sided mid-p, 0 to 1: closer to the nominal level, the one to report."""


class Calibration(msgspec.Struct, frozen=True):
    """How far stated probabilities are from what happened, and how far chance alone would put it."""

    error: float
    """Expected calibration error, 0 to 1."""
    expected: float
    """The mean that a perfectly calibrated forecaster shows with the same probabilities."""
    high: float
    """What such a forecaster stays below in 95 % of simulations."""
    n: int
    """Forecasts."""


def wilson(right: float, n: int, level: float = 0.95) -> Estimate:
    """Share `right / n` with Wilson's score interval.

    `right` may be a fraction (a mean over repeats on the same n cases, an expected count).
    Without cases the interval is everything from 0 to 1. Raises `ValueError` unless
    0 <= right <= n and 0 < level < 1. Source: Wilson, JASA 22 (1927) 209; the values are those of
    Newcombe, Statistics in Medicine 17 (1998) 857, Table I, method 3.

    >>> [round(x, 4) for x in (wilson(81, 263).low, wilson(81, 263).high)]
    [0.2553, 0.3662]
    >>> [round(x, 4) for x in (wilson(0, 20).low, wilson(0, 20).high)]
    [0.0, 0.1611]
    """
    if not 0 <= right <= n:
        raise ValueError(f"{right} right of {n} is not a share")
    z = _z(level)
    if n == 0:
        return Estimate(0.0, 0.0, 1.0)
    p = right / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At the ends the formula gives 0 and 1 exactly, floating point nearly so.
    low = 0.0 if right == 0 else min(p, max(0.0, centre - half))
    high = 1.0 if right == n else max(p, min(1.0, centre + half))
    return Estimate(p, low, high)


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """Whether two methods differ on the same cases, from the cases that one alone has right.

    Source: McNemar, Psychometrika 12 (1947) 153; exact and mid-p forms, and the example, after
    Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13:91 (2013). By hand for 1
    and 7: 2 (1 + 8) / 2**8 = 0.0703, less 8 / 2**8 for mid-p.

    >>> result = mcnemar(1, 7)
    >>> round(result.exact, 4), round(result.mid_p, 4)
    (0.0703, 0.0391)
    >>> mcnemar(0, 0).mid_p
    1.0
    """
    if only_first < 0 or only_second < 0:
        raise ValueError("counts of cases are not negative")
    n, k = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, i) for i in range(k + 1))
    # Whole numbers divide exactly where floats of 2**n would overflow.
    exact = min(1.0, 2 * tail / 2**n)
    mid_p = (2 * tail - math.comb(n, k)) / 2**n
    return McNemar(only_first, only_second, exact, mid_p)


def paired_difference(gained: int, lost: int, n: int, level: float = 0.95) -> Estimate:
    """Difference of two shares of the same n cases, from the cases where they differ.

    `gained` cases are right only the first way, `lost` only the second. The value is the plain
    difference; the interval is the adjusted Wald one, which is wide for few cases and never
    empty. Source: Bonett and Price, Statistics in Medicine 31 (2012) 1479. By hand for 6 and 0
    of 10: 7/12 and 1/12, centre 0.5, half width 1.96 sqrt((8/12 - 0.25) / 12) = 0.3652.

    >>> result = paired_difference(6, 0, 10)
    >>> result.value, round(result.low, 4), round(result.high, 4)
    (0.6, 0.1348, 0.8652)
    """
    if n < 1 or min(gained, lost) < 0 or gained + lost > n:
        raise ValueError(f"{gained} gained and {lost} lost of {n} do not fit together")
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = _z(level) * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    value, centre = (gained - lost) / n, up - down
    # The centre is drawn towards zero; the interval must still hold the value itself.
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return Estimate(value, min(low, value), max(high, value))


def mean(values: Sequence[float], level: float = 0.95) -> Estimate:
    """Mean of independent values with Student's interval; infinitely wide for fewer than two.

    Source: Student, Biometrika 6 (1908) 1. By hand for 1, 2, 3: 2 ± 4.3027 / sqrt(3).

    >>> [round(x, 3) for x in (mean([1, 2, 3]).low, mean([1, 2, 3]).high)]
    [-0.484, 4.484]
    """
    n = len(values)
    centre = math.fsum(values) / n if n else math.nan
    if n < 2:
        return Estimate(centre, -math.inf, math.inf)
    spread = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (n - 1))
    half = student_quantile((1 + level) / 2, n - 1) * spread / math.sqrt(n)
    return Estimate(centre, centre - half, centre + half)


def auroc(scores: Sequence[float] | np.ndarray, good: Sequence[bool] | np.ndarray) -> float:
    """Chance that a good case scores above another, ties by half: the area under the ROC curve.

    Both of shape (n,); nan where one kind is missing. Raises `ValueError` for different lengths.
    Source: Hanley and McNeil, Radiology 143 (1982) 29: the area is the Mann-Whitney statistic.

    >>> auroc([0.9, 0.4, 0.4, 0.1], [True, True, False, False])
    0.875
    """
    x, y = np.asarray(scores, dtype=float), np.asarray(good, dtype=bool)
    if x.shape != y.shape:
        raise ValueError(f"{x.shape} scores, {y.shape} outcomes")
    ones = int(y.sum())
    others = len(y) - ones
    if not ones or not others:
        return math.nan
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    ranks = np.cumsum(count) - (count - 1) / 2
    above = ranks[place][y].sum() - ones * (ones + 1) / 2
    return float(above / (ones * others))


def bootstrap(
    values: Sequence[float],
    groups: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    repeats: int = 2000,
    level: float = 0.95,
) -> Estimate:
    """Mean with its percentile interval, drawing whole groups with replacement.

    `values` has shape (n,); `groups` names the group of each (None = each its own), so that
    cases of one question stand or fall together. The same seed gives the same interval. Source:
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 13; groups after Davison
    and Hinkley, Bootstrap Methods and their Application (1997), sec. 3.8.

    >>> bootstrap([0.0, 1.0], groups=["q", "q"])  # one group: every draw is the sample itself
    Estimate(value=0.5, low=0.5, high=0.5)
    """
    names = list(range(len(values)) if groups is None else groups)
    if len(names) != len(values):
        raise ValueError(f"{len(values)} values and {len(names)} groups")
    if not names:
        raise ValueError("there is nothing to draw from")
    place: dict[Hashable, int] = {}
    at = np.array([place.setdefault(name, len(place)) for name in names])
    sums, sizes = np.bincount(at, weights=np.asarray(values, dtype=float)), np.bincount(at)
    rng = np.random.default_rng(seed)
    batch = max(1, 1_000_000 // len(place))  # bounds the memory, not the result
    draws = np.concatenate(
        [
            _group_means(sums, sizes, min(batch, repeats - done), rng)
            for done in range(0, repeats, batch)
        ]
    )
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(sums.sum() / len(names)), float(low), float(high))


def _group_means(
    sums: np.ndarray, sizes: np.ndarray, repeats: int, rng: np.random.Generator
) -> np.ndarray:
    """Means of samples of groups, float array of shape (repeats,)."""
    drawn = rng.integers(len(sums), size=(repeats, len(sums)))
    means: np.ndarray = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return means


def calibration(
    stated: Sequence[float],
    right: Sequence[float],
    *,
    bins: int = 10,
    seed: int = 0,
    repeats: int = 2000,
) -> Calibration:
    """Expected calibration error of stated probabilities, beside that of a perfect forecaster.

    Forecasts are sorted into `bins` of equal counts (ties stay where sorting puts them); the error
    is the mean over forecasts of |mean stated - share right| of their bin. With few forecasts it is
    above 0 for everybody, so outcomes are drawn from the stated probabilities themselves `repeats`
    times for comparison. Source: Naeini, Cooper and Hauskrecht, AAAI 2015, with bins of equal
    counts; simulated reference after Broecker and Smith, Weather and Forecasting 22 (2007) 651.

    >>> found = calibration([0.5, 0.5, 1.0, 1.0], [1, 0, 1, 0], bins=2)
    >>> found.error  # bins (0.5, 0.5) and (1.0, 0.5)
    0.25
    """
    p, y = np.asarray(stated, dtype=float), np.asarray(right, dtype=float)
    if p.shape != y.shape or p.ndim != 1 or not len(p):
        raise ValueError("calibration needs as many outcomes as probabilities, and at least one")
    if p.min() < 0 or p.max() > 1:
        raise ValueError("a probability lies between 0 and 1")
    order = np.argsort(p, kind="stable")
    p, y = p[order], y[order]
    edges = np.unique(np.linspace(0, len(p), min(bins, len(p)) + 1).round().astype(int))
    rng = np.random.default_rng(seed)
    drawn = (rng.random((repeats, len(p))) < p).astype(float)
    simulated = _binned_gap(p, drawn, edges[:-1])
    return Calibration(
        error=float(_binned_gap(p, y[None, :], edges[:-1])[0]),
        expected=float(simulated.mean()),
        high=float(np.quantile(simulated, 0.95)),
        n=len(p),
    )


def _binned_gap(p: np.ndarray, outcomes: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """|sum of (outcome - p)| by bin, summed over bins, per forecast: one value a row."""
    gaps: np.ndarray = np.abs(np.add.reduceat(outcomes - p, starts, axis=1)).sum(axis=1) / len(p)
    return gaps


def student_quantile(probability: float, df: int) -> float:
    """Quantile of Student's t for a whole number of degrees of freedom.

    Source: the finite series of Abramowitz and Stegun 26.7.3 and 26.7.4, inverted by bisection.

    >>> round(student_quantile(0.975, 1), 3), round(student_quantile(0.975, 10), 3)
    (12.706, 2.228)
    """
    if not 0 < probability < 1 or df < 1:
        raise ValueError("a quantile needs 0 < probability < 1 and df >= 1")
    if probability < 0.5:
        return -student_quantile(1 - probability, df)
    low, high = 0.0, 1.0
    while _student_cdf(high, df) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_cdf(middle, df) < probability else (low, middle)
    return (low + high) / 2


def _student_cdf(t: float, df: int) -> float:
    """P(T <= t) for t >= 0."""
    angle = math.atan2(t, math.sqrt(df))
    cos2 = math.cos(angle) ** 2
    term, series = 1.0, 0.0
    start = 1 if df % 2 else 0
    for k in range(start, df - 1, 2):  # powers of the cosine, two at a time
        series += term
        term *= cos2 * (k + 1) / (k + 2)
    if df % 2:
        inside = 2 / math.pi * (angle + math.sin(angle) * math.cos(angle) * series)
    else:
        inside = math.sin(angle) * series
    return (1 + inside) / 2


def _z(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not {level}")
    return NormalDist().inv_cdf((1 + level) / 2)
