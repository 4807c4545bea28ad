"""Cooperative games: a set function in, fair shares out. Pure mathematics, no traces.

A game on n players is a function of coalitions. A coalition is a bit mask (player k is in it when
bit k is set), so that all 2^n values are one array in the order of their masks. `shapley` is exact
on such an array; `sample` estimates from calls of the function when there are too many players or
each call costs a replay; `owen` shares first among groups, then within them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from tracekit.errors import UsageError
from tracekit.stats import student_quantile

Value = Callable[[int], float]
"""The worth of a coalition, given as a bit mask."""

MOST = 20
"""Players up to which all coalitions fit in memory; 12 take 4,096 values."""


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """Shapley values with what they cost."""

    values: tuple[float, ...]
    """One per player, in the units of the game."""
    low: tuple[float, ...]
    """Lower ends of 95 % intervals; equal to the values when they are exact."""
    high: tuple[float, ...]
    """Upper ends."""
    calls: int
    """Different coalitions whose value was asked for."""
    exact: bool
    """Whether all coalitions were."""
    residual: float
    """Sum of the values minus what the grand coalition gains over nobody; 0 up to rounding."""


def tabulate(value: Value, players: int) -> np.ndarray:
    """The values of all coalitions, (2^players,), by mask; raises `UsageError` beyond 20 players."""
    if not 0 <= players <= MOST:
        raise UsageError(f"{players} players have too many coalitions to list; sample them")
    return np.array([value(mask) for mask in range(1 << players)], dtype=np.float64)


def shapley(values: np.ndarray) -> np.ndarray:
    """Exact Shapley values of a game given by all its values, (n,) from (2^n,).

    Shapley (1953): a player's mean marginal gain over all orders of arrival. For each player the
    array splits into coalitions without and with it; their difference is weighted by the share of
    orders in which just that coalition came before.

    >>> shapley(np.array([0.0, 1.0, 2.0, 5.0])).tolist()
    [2.0, 3.0]
    """
    n = _players(values)
    if n == 0:
        return np.zeros(0)
    weight = np.array([1 / (n * math.comb(n - 1, k)) for k in range(n)])[_sizes(n - 1)]
    cube = values.reshape((2,) * n)
    gains = (cube.take(1, n - 1 - k).ravel() - cube.take(0, n - 1 - k).ravel() for k in range(n))
    return np.array([weight @ gain for gain in gains])


def banzhaf(values: np.ndarray) -> np.ndarray:
    """Banzhaf values: the mean marginal gain over coalitions, each as likely; (n,) from (2^n,).

    >>> banzhaf(np.array([0.0, 0.0, 0.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    n = _players(values)
    cube = values.reshape((2,) * n)
    return np.array([(cube.take(1, n - 1 - k) - cube.take(0, n - 1 - k)).mean() for k in range(n)])


def exact(value: Value, players: int) -> Shares:
    """Exact Shapley values of a game given as a function."""
    values = tabulate(value, players)
    shares = shapley(values)
    ends = tuple(map(float, shares))
    residual = float(shares.sum() - (values[-1] - values[0]))
    return Shares(
        values=ends, low=ends, high=ends, calls=len(values), exact=True, residual=residual
    )


def sample(
    value: Value,
    players: int,
    *,
    seed: int = 0,
    most: int = 2000,
    width: float = 0.0,
    least: int = 10,
) -> Shares:
    """Shapley values estimated from orders of arrival, each with its reverse (antithetic pairs).

    Castro et al. (2009); the pairs cut the variance wherever gains fall with the size of the
    coalition. The gains along one order telescope, so the shares of every order, and their mean,
    sum to the gain of all players exactly. Intervals are Student's over pairs. Stops after `most`
    different coalitions, or when every 95 % interval is no wider than `width` (after `least`
    pairs). Each coalition is asked for once; when that was all of them, the answer is exact.
    """
    if players < 1:
        raise UsageError("a game needs at least one player")
    if most < 2 * players + 2:
        raise UsageError(f"{players} players need at least {2 * players + 2} coalitions")
    known = _Remembered(value)
    whole = (1 << players) - 1
    gain = known(whole) - known(0)
    rng = np.random.default_rng(seed)
    pairs: list[np.ndarray] = []
    while len(pairs) < 2 or known.calls + 2 * players <= most:
        order = rng.permutation(players)
        pairs.append((_arrivals(known, order) + _arrivals(known, order[::-1])) / 2)
        if known.calls == 1 << players:
            return exact(known, players)
        if len(pairs) >= least and width and 2 * _reach(pairs).max() <= width:
            break
    mean, reach = np.mean(pairs, axis=0), _reach(pairs)
    return Shares(
        values=tuple(map(float, mean)),
        low=tuple(map(float, mean - reach)),
        high=tuple(map(float, mean + reach)),
        calls=known.calls,
        exact=False,
        residual=float(mean.sum() - gain),
    )


def owen(value: Value, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """Owen values: Shapley between groups, and within each against every set of whole groups.

    Owen (1977). `groups` are disjoint and name players 0 to n - 1, all of them. The values of a
    group sum to the Shapley value of the group in the game between groups. Raises `UsageError`
    beyond 20 groups or players in a group.

    >>> both = lambda mask: float(mask & 3 == 3)
    >>> owen(both, [[0, 2], [1]]).tolist()
    [0.5, 0.5, 0.0]
    """
    known = _Remembered(value)
    masks = [sum(1 << player for player in group) for group in groups]
    if sorted(p for group in groups for p in group) != list(range(sum(map(len, groups)))):
        raise UsageError("groups must name every player once")
    shares = np.zeros(sum(map(len, groups)))
    for number, group in enumerate(groups):
        others = masks[:number] + masks[number + 1 :]
        weight = [1 / (len(groups) * math.comb(len(others), k)) for k in range(len(groups))]
        values = np.zeros(1 << len(group))
        for outer in range(1 << len(others)):
            base = sum(mask for k, mask in enumerate(others) if outer >> k & 1)
            inner = tabulate(lambda mask, b=base, g=group: known(b | _spread(mask, g)), len(group))  # type: ignore[misc]
            values += weight[outer.bit_count()] * inner
        shares[list(group)] = shapley(values)
    return shares


class _Remembered:
    """A value function that is asked for each coalition once."""

    def __init__(self, value: Value) -> None:
        self._value = value
        self._known: dict[int, float] = {}

    def __call__(self, mask: int) -> float:
        if mask not in self._known:
            self._known[mask] = float(self._value(mask))
        return self._known[mask]

    @property
    def calls(self) -> int:
        return len(self._known)


def _arrivals(value: Value, order: np.ndarray) -> np.ndarray:
    """What each player adds when they arrive in this order."""
    gains, mask, before = np.zeros(len(order)), 0, value(0)
    for player in order.tolist():
        mask |= 1 << player
        now = value(mask)
        gains[player] = now - before
        before = now
    return gains


def _reach(pairs: list[np.ndarray]) -> np.ndarray:
    """Half the width of the 95 % interval of each mean."""
    error = np.std(pairs, axis=0, ddof=1) / math.sqrt(len(pairs))
    return np.asarray(student_quantile(0.975, len(pairs) - 1) * error)


def _players(values: np.ndarray) -> int:
    n = len(values).bit_length() - 1
    if values.ndim != 1 or len(values) != 1 << n:
        raise UsageError(f"a game has 2^n values, not {values.shape}")
    return n


def _sizes(n: int) -> np.ndarray:
    """Number of players in each coalition of n, (2^n,) by mask."""
    sizes = np.zeros(1, dtype=np.intp)
    for _ in range(n):
        sizes = np.concatenate([sizes, sizes + 1])
    return sizes


def _spread(mask: int, players: Sequence[int]) -> int:
    """The mask of the players whose places in a group are set."""
    return sum(1 << player for place, player in enumerate(players) if mask >> place & 1)
