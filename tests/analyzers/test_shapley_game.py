"""Games between players: axioms, closed forms, shap's own explainers, and what sampling is worth."""

import importlib.util
import warnings

import numpy as np
import pytest

from tracekit import games
from tracekit.analyzers.shapley.explanation import explanation
from tracekit.analyzers.shapley.game import EXACT, Effort, Game, Player, play

needs_shap = pytest.mark.skipif(importlib.util.find_spec("shap") is None, reason="needs shap")


def game(worth, n, **fields):
    """A game of n players; `worth` takes a mask and gives one number or one per draw."""
    return Game(
        value="made up",
        assumes="nothing",
        gain="{} of 100",
        players=tuple(Player(f"p{k}") for k in range(n)),
        worth=lambda mask: np.atleast_1d(np.asarray(worth(mask), dtype=float)),
        **fields,
    )


def table(n, seed=0, draws=1):
    return np.random.default_rng(seed).random((1 << n, draws))


@pytest.mark.parametrize("n", [1, 2, 5, EXACT])
def test_efficiency(n):
    values = table(n, draws=3)
    played = play(game(values.__getitem__, n))
    whole = values[-1].mean() - values[0].mean()
    assert sum(played.shares.values) == pytest.approx(whole, abs=1e-9)
    assert abs(played.shares.residual) < 1e-9
    assert played.everybody - played.nobody == pytest.approx(whole)


def test_symmetry_and_dummies():
    """Two who are needed both, one who does nothing, one who adds by itself."""

    def worth(mask):
        return 0.5 * (mask & 3 == 3) + 0.2 * (mask >> 3 & 1)

    played = play(game(worth, 4))
    assert played.shares.values == pytest.approx((0.25, 0.25, 0.0, 0.2))
    assert played.alone == pytest.approx((0.0, 0.0, 0.0, 0.2))


def test_additivity_over_draws():
    """The shares of the mean game are the mean of the games' shares."""
    values = table(4, seed=3, draws=2)
    apart = [games.shapley(values[:, draw]) for draw in (0, 1)]
    together = play(game(values.__getitem__, 4)).shares.values
    assert together == pytest.approx(np.mean(apart, axis=0))


def test_either_of_two_corrections_is_shared_evenly_and_an_interval_holds_it():
    outcomes = np.array([1.0, 0.0, 1.0, 1.0])
    played = play(game(lambda mask: outcomes * (mask & 3 > 0), 2))
    assert played.shares.values == pytest.approx((0.375, 0.375))
    assert all(
        low < value < high
        for low, value, high in zip(
            played.shares.low, played.shares.values, played.shares.high, strict=True
        )
    )


def test_an_additive_game_needs_no_table():
    asked = []

    def worth(mask):
        asked.append(mask)
        return 0.01 * mask.bit_count()

    played = play(game(worth, 90, additive=True))
    assert len(asked) <= 92
    assert played.shares.values == pytest.approx([0.01] * 90)
    assert abs(played.shares.residual) < 1e-9


def test_refits_give_percentiles_around_the_first():
    """Draw 0 is the fit, the others are refits."""
    draws = np.concatenate([[0.5], np.linspace(0, 1, 41)])
    played = play(game(lambda mask: draws * (mask & 1), 2, refits=True))
    assert played.shares.values[0] == pytest.approx(0.5)
    assert played.shares.low[0] == pytest.approx(0.025)
    assert played.shares.high[0] == pytest.approx(0.975)


def test_owen_shares_of_a_group_sum_to_what_the_group_gets():
    values = table(5, seed=9)
    groups = ((0, 3), (1,), (2, 4))
    shares = play(game(values.__getitem__, 5, groups=groups)).shares.values

    def outer(mask):
        inside = (group for k, group in enumerate(groups) if mask >> k & 1)
        return float(values[sum(1 << p for group in inside for p in group), 0])

    between = games.exact(outer, 3).values
    for group, whole in zip(groups, between, strict=True):
        assert sum(shares[p] for p in group) == pytest.approx(whole)


@pytest.mark.parametrize("sizes", [False, True])
def test_more_players_are_sampled_with_intervals(sizes):
    n = EXACT + 3
    needed = 0b1011

    def worth(mask):
        return 0.9 * (mask & needed == needed) + 0.05 * mask.bit_count() / n

    played = play(game(worth, n), effort=Effort(most=900, width=0.0, sizes=sizes))
    exact = [0.3 * (needed >> k & 1) + 0.05 / n for k in range(n)]
    covered = [
        low - 1e-9 <= value <= high + 1e-9
        for low, value, high in zip(played.shares.low, exact, played.shares.high, strict=True)
    ]
    assert not played.shares.exact
    assert sum(covered) >= n - 2
    assert set(np.argsort(played.shares.values)[-3:]) == {0, 1, 3}
    assert sizes or abs(played.shares.residual) < 1e-9


def test_sampling_stops_when_it_is_sure():
    played = play(game(lambda mask: mask.bit_count() / 20, 20), effort=Effort(most=5000, width=0.1))
    assert played.shares.calls < 600
    assert played.shares.values == pytest.approx([1 / 20] * 20)


def test_sampled_steps_of_an_agent_arrive_together():
    """Owen's values by sampling: a pair of twins in one group against thirteen loners."""
    groups = ((0, 1), *((k,) for k in range(2, 15)))
    played = play(
        game(lambda mask: float(mask & 3 == 3 and mask >> 2 & 1), 15, groups=groups),
        effort=Effort(most=2500, width=0.0),
    )
    assert played.shares.values[:3] == pytest.approx((0.25, 0.25, 0.5), abs=0.06)


@needs_shap
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", [3, 5, 8])
def test_shap_finds_the_same(n):
    """shap's explainer on the same set function, as a model of who is in (its exact explainer
    compiles for ten seconds first and is left to benchmarks/shapley.py)."""
    import shap

    values = table(n, seed=n)[:, 0]

    def model(rows):
        return values[(rows.astype(int) * (1 << np.arange(n))).sum(axis=1)]

    ours = play(game(lambda mask: values[mask], n)).shares.values
    kernel = shap.KernelExplainer(model, np.zeros((1, n)))
    theirs = kernel.shap_values(np.ones((1, n)), silent=True)[0]
    assert ours == pytest.approx(np.asarray(theirs), abs=1e-6)


@needs_shap
def test_shap_draws_it(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matplotlib as mpl

        mpl.use("Agg")
        import matplotlib.pyplot as plt
        import shap

        played = play(game(table(3, draws=4).__getitem__, 3))
        found = explanation(played)
        assert found.base_values == played.nobody
        assert found.values.sum() == pytest.approx(played.everybody - played.nobody)
        for plot in (shap.plots.bar, shap.plots.waterfall):
            plt.figure()
            plot(found, show=False)
            words = {text.get_text() for text in plt.gcf().findobj(mpl.text.Text)}
            assert any("p0" in word for word in words)
            plt.savefig(tmp_path / "plot.png")
            plt.close("all")
        assert (tmp_path / "plot.png").stat().st_size > 1000
