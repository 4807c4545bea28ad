"""A game between the agents or the steps of one run, and what each of them gets in it.

A coalition are those whose mistakes are taken out; it is worth the chance that the run then
succeeds. A player's Shapley value is what its mistakes cost the team: the mean gain over all orders
in which mistakes may be taken out. Where a worth comes from replays there is one value per draw, and
the intervals are those over draws; where coalitions are sampled, over orders or sizes.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from tracekit import games, stats
from tracekit.errors import UsageError

EXACT = 12
"""Players up to which every coalition is asked for."""


class NoGame(UsageError):
    """There is nothing to share out, or no way to tell; the message is the reason to abstain."""


class Player(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent, or one of its steps."""

    agent: str
    """Id of the agent."""
    step: int | None = None
    """Index of the step; None = the agent with all that it does."""


class Game(msgspec.Struct, frozen=True, kw_only=True):
    """Who plays, and what coalitions are worth."""

    value: str
    """Name of the value function: replay, recorded, prm or compact."""
    assumes: str
    """What it takes for granted, in a sentence."""
    gain: str
    """What a share of so many points means, in words around `{}`."""
    players: tuple[Player, ...]
    """Everybody that can be blamed; player k is in a coalition when bit k of its mask is set."""
    worth: Callable[[int], np.ndarray]
    """Chance of success, 0 to 1, with the mistakes of a coalition taken out: one value a draw,
    (draws,), under common random numbers."""
    kept: Callable[[int], float] | None = None
    """Chance of success when player k's first mistake stays and all after it is drawn anew: what a
    single correction is held against. None where nothing is drawn anew: the worth of nobody."""
    groups: tuple[tuple[int, ...], ...] | None = None
    """Players who belong together (steps of one agent): shares are then Owen's."""
    additive: bool = False
    """Whether a coalition is worth the sum of its members; then each gets what it is worth alone."""
    refits: bool = False
    """Whether draws after the first come from resampled data: intervals are their percentiles, and
    the values those of the first draw. Otherwise values are means over draws."""


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a game. Everything is in units of the chance of success."""

    value: str
    """Name of the value function."""
    assumes: str
    """What it takes for granted."""
    gain: str
    """As in the game."""
    players: tuple[Player, ...]
    """As in the game."""
    shares: games.Shares
    """Shapley values, or Owen's; they sum to `everybody - nobody` up to `shares.residual`."""
    alone: tuple[float, ...]
    """What each player's correction gains by itself, over the same with its mistake kept."""
    nobody: float
    """Chance of success of the run as it is."""
    everybody: float
    """Chance of success with all mistakes taken out."""


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How hard to look where there are too many players to ask for every coalition."""

    most: int = 600
    """Different coalitions at most."""
    width: float = 0.05
    """Width of the 95 % intervals at which sampling stops."""
    sizes: bool = False
    """Whether coalitions are drawn by size instead of by orders of arrival."""


def play(game: Game, seed: int = 0, effort: Effort | None = None) -> Played:
    """The shares of all players: exact up to 12 players, sampled beyond."""
    n = len(game.players)
    known: dict[int, np.ndarray] = {}

    def draws(mask: int) -> np.ndarray:
        if mask not in known:
            known[mask] = np.asarray(game.worth(mask), dtype=float)
        return known[mask]

    def worth(mask: int) -> float:
        return float(draws(mask)[0] if game.refits else draws(mask).mean())

    if game.additive:
        shares = _added(worth, n)
    elif n <= EXACT:
        shares = _exact(draws, game)
    else:
        shares = _sampled(worth, game, seed, effort or Effort())
    nobody = worth(0)
    kept = game.kept or (lambda _: nobody)
    return Played(
        value=game.value,
        assumes=game.assumes,
        gain=game.gain,
        players=game.players,
        shares=shares,
        alone=tuple(worth(1 << k) - kept(k) for k in range(n)),
        nobody=nobody,
        everybody=worth((1 << n) - 1),
    )


def _added(worth: Callable[[int], float], n: int) -> games.Shares:
    nobody = worth(0)
    values = tuple(worth(1 << k) - nobody for k in range(n))
    residual = sum(values) - (worth((1 << n) - 1) - nobody)
    return games.Shares(
        values=values, low=values, high=values, calls=n + 2, exact=True, residual=residual
    )


def _exact(draws: Callable[[int], np.ndarray], game: Game) -> games.Shares:
    """Every coalition in every draw."""
    table = np.array([draws(mask) for mask in range(1 << len(game.players))])
    if game.groups is None:
        each = np.array([games.shapley(column) for column in table.T])
    else:
        each = np.array([games.owen(column.__getitem__, game.groups) for column in table.T])
    whole = table[-1] - table[0]
    values = each[0] if game.refits else each.mean(axis=0)
    low, high = _ends(each, refits=game.refits)
    return games.Shares(
        values=tuple(values.tolist()),
        low=tuple(np.minimum(low, values).tolist()),
        high=tuple(np.maximum(high, values).tolist()),
        calls=len(table),
        exact=True,
        residual=float(values.sum() - (whole[0] if game.refits else whole.mean())),
    )


def _ends(each: np.ndarray, *, refits: bool) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % intervals over draws, (players,) each; the values themselves of one draw."""
    if len(each) == 1:
        return each[0], each[0]
    if refits:
        low, high = np.quantile(each[1:], [0.025, 0.975], axis=0)
        return low, high
    means = [stats.mean(column) for column in each.T.tolist()]
    return np.array([one.low for one in means]), np.array([one.high for one in means])


def _sampled(worth: Callable[[int], float], game: Game, seed: int, effort: Effort) -> games.Shares:
    n = len(game.players)
    most = max(effort.most, 4 * n + 4)  # two pairs of orders at least
    if effort.sizes and game.groups is None:
        return games.sample_sizes(worth, n, seed=seed, most=most, width=effort.width)
    return games.sample(worth, n, seed=seed, most=most, width=effort.width, groups=game.groups)
