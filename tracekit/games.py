"""Cooperative games: a set function in, fair shares out. Pure mathematics, no traces.

A game on n players is a function of coalitions. A coalition is a bit mask (player k is in it when
bit k is set), so that all 2^n values are one array in the order of their masks. `shapley` is exact
on such an array; `sample` (orders of arrival) and `sample_sizes` (coalitions by size) estimate from
calls of the function when there are too many players or each call costs a replay; `owen` shares
first among groups, then within them.
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

IDLE = 3000
"""Coalitions in a row that were asked for before, after which sampling has nothing left to ask."""


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
    groups: Sequence[Sequence[int]] | None = None,
) -> Shares:
    """Shapley values estimated from orders of arrival, each with its reverse (antithetic pairs).

    Castro et al. (2009); the pairs cut the variance wherever gains fall with the size of the
    coalition. The gains along one order telescope, so the shares of every order, and their mean,
    sum to the gain of all players exactly. Intervals are Student's over pairs. Stops after `most`
    different coalitions, or when every 95 % interval is no wider than `width` (looked at after
    `least` pairs, then after every tenth more). Each coalition is asked for once; when that was all of them, the answer is exact. With
    `groups` (as for `owen`) the members of a group arrive together, which estimates Owen values.
    """
    _check_sampling(players, most)
    known = _Remembered(value)
    whole = (1 << players) - 1
    gain = known(whole) - known(0)
    rng = np.random.default_rng(seed)
    mean, look = _Mean(players), least
    while mean.count < 2 or known.calls + 2 * players <= most:
        order = rng.permutation(players) if groups is None else _together(rng, groups)
        mean.add((_arrivals(known, order) + _arrivals(known, order[::-1])) / 2)
        if groups is None and known.calls == 1 << players:
            return exact(known, players)
        if known.idle > IDLE:  # all that these orders can ask for is known
            break
        if width and mean.count >= look:
            if 2 * mean.reach().max() <= width:
                break
            look = math.ceil(1.1 * look)
    values, reach = mean.value, mean.reach()
    return Shares(
        values=tuple(map(float, values)),
        low=tuple(map(float, values - reach)),
        high=tuple(map(float, values + reach)),
        calls=known.calls,
        exact=False,
        residual=float(values.sum() - gain),
    )


def sample_sizes(
    value: Value,
    players: int,
    *,
    seed: int = 0,
    most: int = 2000,
    width: float = 0.0,
    least: int = 10,
) -> Shares:
    """Shapley values estimated from coalitions drawn evenly over their sizes (strata).

    A value is the mean over sizes k of E[v(S) with the player, |S| = k + 1] - E[v(S) without them,
    |S| = k], so each coalition says something about every player (stratified SVARM, Kolpaczki et
    al. 2024). The sizes next to nobody and everybody are asked for in full. Intervals go by the
    variance within the strata, each 95 % interval with the degrees of freedom of Welch and
    Satterthwaite. The values do not sum to the gain of all players exactly: `residual` says by how
    much they miss it. Best where the size of a coalition says much about its worth.
    """
    _check_sampling(players, most)
    known = _Remembered(value)
    whole = (1 << players) - 1
    strata = _Strata(players)
    for mask in [
        0,
        whole,
        *(1 << k for k in range(players)),
        *(whole ^ 1 << k for k in range(players)),
    ]:
        strata.add(mask, known(mask), once=True)
    rng = np.random.default_rng(seed)
    rounds, look, inner = 0, least, range(2, players - 1)
    while inner and (rounds < 2 or known.calls + len(inner) <= most) and known.idle <= IDLE:
        for size in inner:
            mask = sum(1 << int(k) for k in rng.choice(players, size, replace=False))
            strata.add(mask, known(mask))
        rounds += 1
        if known.calls == 1 << players:
            return exact(known, players)
        if width and rounds >= look:
            if 2 * strata.estimate()[1].max() <= width:
                break
            look = math.ceil(1.1 * look)
    values, reach = strata.estimate()
    return Shares(
        values=tuple(map(float, values)),
        low=tuple(map(float, values - reach)),
        high=tuple(map(float, values + reach)),
        calls=known.calls,
        exact=not inner,
        residual=float(values.sum() - (known(whole) - known(0))),
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
        self.idle = 0
        """Questions in a row that were asked before."""

    def __call__(self, mask: int) -> float:
        self.idle += 1
        if mask not in self._known:
            self._known[mask] = float(self._value(mask))
            self.idle = 0
        return self._known[mask]

    @property
    def calls(self) -> int:
        return len(self._known)


class _Strata:
    """Sums over coalitions by their size, for each player apart with and without them."""

    def __init__(self, players: int) -> None:
        self.n = players
        self._moments = np.zeros((2, 3, players, players + 1))
        self._complete = np.zeros(players + 1, dtype=bool)

    def add(self, mask: int, worth: float, *, once: bool = False) -> None:
        """Take in the worth of a coalition; `once` for sizes that are asked for in full."""
        inside = np.array([mask >> k & 1 for k in range(self.n)], dtype=bool)
        size = int(inside.sum())
        self._complete[size] |= once
        for side, members in ((1, inside), (0, ~inside)):
            self._moments[side][:, members, size] += np.array([1.0, worth, worth**2])[:, None]

    def estimate(self) -> tuple[np.ndarray, np.ndarray]:
        """The values and half the widths of their 95 % intervals, (players,) each."""
        parts = [self._side(1)[:, :, 1:], self._side(0)[:, :, :-1]]
        values = (parts[0][0] - parts[1][0]).mean(axis=1)
        errors = np.concatenate([parts[0][1], parts[1][1]], axis=1) / self.n**2
        counts = np.concatenate([parts[0][2], parts[1][2]], axis=1)
        total = errors.sum(axis=1)
        freedom = (errors**2 / np.maximum(1, counts - 1)).sum(axis=1)
        ratio = np.divide(total**2, freedom, out=np.ones_like(total), where=freedom > 0)
        quantiles = [student_quantile(0.975, max(1, int(df))) for df in ratio]
        return values, np.array(quantiles) * np.sqrt(total)

    def _side(self, side: int) -> np.ndarray:
        """Mean, variance of the mean and count of each stratum: (3, players, players + 1)."""
        count, total, squares = self._moments[side]
        mean = total / np.maximum(1, count)
        spread = np.maximum(0.0, squares - count * mean**2) / np.maximum(1, count - 1)
        error = np.where(self._complete, 0.0, spread / np.maximum(1, count))
        return np.stack([mean, error, count])


def _together(rng: np.random.Generator, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """An order in which every group arrives as one."""
    turns = rng.permutation(len(groups))
    return np.concatenate([rng.permutation(np.array(groups[turn])) for turn in turns])


def _check_sampling(players: int, most: int) -> None:
    if players < 1:
        raise UsageError("a game needs at least one player")
    if most < 2 * players + 2:
        raise UsageError(f"{players} players need at least {2 * players + 2} coalitions")


def _arrivals(value: Value, order: np.ndarray) -> np.ndarray:
    """What each player adds when they arrive in this order."""
    gains, mask, before = np.zeros(len(order)), 0, value(0)
    for player in order.tolist():
        mask |= 1 << player
        now = value(mask)
        gains[player] = now - before
        before = now
    return gains


class _Mean:
    """A running mean of vectors, and half the widths of its 95 % intervals."""

    def __init__(self, n: int) -> None:
        self.count, self.value, self._squares = 0, np.zeros(n), np.zeros(n)

    def add(self, each: np.ndarray) -> None:
        """Take in one more vector (Welford 1962)."""
        self.count += 1
        off = each - self.value
        self.value = self.value + off / self.count
        self._squares = self._squares + off * (each - self.value)

    def reach(self) -> np.ndarray:
        """Half the widths, from two vectors on."""
        error = np.sqrt(self._squares / (self.count - 1) / self.count)
        return np.asarray(student_quantile(0.975, self.count - 1) * error)


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
