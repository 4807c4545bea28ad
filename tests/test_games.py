"""Shapley, Banzhaf and Owen values against closed forms, axioms and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekit import games
from tracekit.errors import UsageError

numbers = st.floats(-10, 10, allow_nan=False)


FEW = st.integers(1, 5)


def tables(players: st.SearchStrategy[int] = FEW) -> st.SearchStrategy[np.ndarray]:
    return players.flatmap(lambda n: st.lists(numbers, min_size=2**n, max_size=2**n).map(np.array))


def by_orders(values: np.ndarray) -> np.ndarray:
    """The definition, literally: mean marginal gain over all orders of arrival."""
    n = int(math.log2(len(values)))
    total = np.zeros(n)
    for order in itertools.permutations(range(n)):
        mask = 0
        for player in order:
            total[player] += values[mask | 1 << player] - values[mask]
            mask |= 1 << player
    return total / math.factorial(n)


@given(tables())
@settings(max_examples=60, deadline=None)
def test_the_definition(values: np.ndarray) -> None:
    assert np.allclose(games.shapley(values), by_orders(values), atol=1e-9)


@given(tables(st.integers(1, 8)))
@settings(max_examples=40, deadline=None)
def test_efficiency(values: np.ndarray) -> None:
    assert abs(games.shapley(values).sum() - (values[-1] - values[0])) < 1e-9


@given(tables(st.just(4)), tables(st.just(4)), numbers)
@settings(max_examples=40, deadline=None)
def test_additivity(one: np.ndarray, other: np.ndarray, factor: float) -> None:
    together = games.shapley(one + factor * other)
    assert np.allclose(together, games.shapley(one) + factor * games.shapley(other), atol=1e-9)


def test_a_dummy_gets_what_it_brings_alone_and_twins_get_the_same() -> None:
    def value(mask: int) -> float:
        return 3.0 * (mask & 3 == 3) + 0.5 * (mask >> 2 & 1)

    shares = games.exact(value, 3)
    assert shares.values == pytest.approx((1.5, 1.5, 0.5))
    assert shares.calls == 8
    assert abs(shares.residual) < 1e-12


def test_the_gloves_game() -> None:
    """One left glove, two right ones; a pair is worth 1: 2/3, 1/6, 1/6."""
    shares = games.exact(lambda mask: float(bool(mask & 1 and mask & 6)), 3)
    assert shares.values == pytest.approx((2 / 3, 1 / 6, 1 / 6))


def test_the_airport_game() -> None:
    """Costs 1, 2, 3 for ever longer runways: 1/3, 1/3 + 1/2, 1/3 + 1/2 + 1."""
    cost = {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0}
    shares = games.exact(lambda mask: cost[mask.bit_length()], 3)
    assert shares.values == pytest.approx((1 / 3, 5 / 6, 11 / 6))


def test_banzhaf_of_a_majority_is_its_chance_to_swing() -> None:
    values = games.tabulate(lambda mask: float(mask.bit_count() >= 2), 3)
    assert games.banzhaf(values) == pytest.approx([0.5, 0.5, 0.5])


@given(tables(st.integers(2, 6)), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_samples_sum_to_the_gain(values: np.ndarray, seed: int) -> None:
    shares = games.sample(lambda mask: values[mask], int(math.log2(len(values))), seed=seed)
    assert abs(shares.residual) < 1e-9
    assert shares.exact == (shares.calls == len(values))


def test_sampled_intervals_cover_the_exact_values() -> None:
    rng = np.random.default_rng(3)
    inside = total = 0
    for trial in range(80):
        values = rng.normal(size=1 << 8) + np.array([m.bit_count() for m in range(1 << 8)])
        truth = games.shapley(values)
        shares = games.sample(values.__getitem__, 8, seed=trial, most=150)
        inside += sum(a <= x <= b for a, x, b in zip(shares.low, truth, shares.high, strict=True))
        total += 8
    assert inside / total >= 0.9


def test_sampling_stops_when_it_knows_enough() -> None:
    weights = np.arange(1.0, 15.0)
    shares = games.sample(
        lambda mask: sum(w for k, w in enumerate(weights) if mask >> k & 1), 14, width=0.01
    )
    assert shares.values == pytest.approx(tuple(weights))
    assert shares.calls < 400


def test_owen_values_of_singletons_and_of_one_group_are_shapley_values() -> None:
    values = np.random.default_rng(1).normal(size=32)
    truth = games.shapley(values)
    assert games.owen(values.__getitem__, [[0], [1], [2], [3], [4]]) == pytest.approx(truth)
    assert games.owen(values.__getitem__, [[0, 1, 2, 3, 4]]) == pytest.approx(truth)


def test_owen_values_of_a_group_sum_to_the_share_of_the_group() -> None:
    values = np.random.default_rng(2).normal(size=32)
    groups = [[0, 3], [1], [2, 4]]
    shares = games.owen(values.__getitem__, groups)
    masks = [sum(1 << p for p in group) for group in groups]
    quotient = np.array(
        [values[sum(m for k, m in enumerate(masks) if outer >> k & 1)] for outer in range(8)]
    )
    between = games.shapley(quotient)
    assert [shares[group].sum() for group in groups] == pytest.approx(between)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: games.tabulate(float, 21),
        lambda: games.shapley(np.zeros(3)),
        lambda: games.sample(float, 0),
        lambda: games.sample(float, 10, most=5),
        lambda: games.owen(float, [[0, 0], [1]]),
    ],
)
def test_what_is_no_game_is_refused(wrong) -> None:
    with pytest.raises(UsageError):
        wrong()


@given(tables(st.integers(3, 6)), st.integers(0, 20))
@settings(max_examples=20, deadline=None)
def test_coalitions_by_size_find_the_values_and_say_what_they_miss(
    values: np.ndarray, seed: int
) -> None:
    n = int(math.log2(len(values)))
    shares = games.sample_sizes(values.__getitem__, n, seed=seed, most=4000)
    exact = games.shapley(values)
    missed = sum(shares.values) - (values[-1] - values[0])
    assert shares.residual == pytest.approx(missed, abs=1e-9)
    if shares.exact:
        assert np.allclose(shares.values, exact)
    spread = np.ptp(values) + 1e-9
    assert np.abs(np.array(shares.values) - exact).max() < 0.5 * spread


def test_sampled_by_size_intervals_cover_the_exact_values() -> None:
    held = total = 0
    for trial in range(30):
        values = np.random.default_rng(trial).random(1 << 8)
        exact = games.shapley(values)
        shares = games.sample_sizes(values.__getitem__, 8, seed=trial, most=150)
        held += ((np.array(shares.low) <= exact) & (exact <= np.array(shares.high))).sum()
        total += 8
    assert held / total > 0.88, "with few coalitions these intervals are a little narrow"


def test_groups_arrive_as_one() -> None:
    """Two of a group against two loners; what is sampled are Owen's values, not Shapley's."""
    groups = [[0, 1], [2], [3]]

    def worth(mask: int) -> float:
        return float(mask & 7 == 7) + 0.2 * float(mask & 9 == 9)

    owen = games.owen(worth, groups)
    found = games.sample(worth, 4, most=10_000, groups=groups)
    assert not np.allclose(owen, games.exact(worth, 4).values)
    low, high = np.array(found.low), np.array(found.high)
    assert ((low - 0.05 <= owen) & (owen <= high + 0.05)).all()
