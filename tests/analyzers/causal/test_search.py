"""Independence tests by hand and beside causal-learn's; searches on systems that are planted."""

import math
import sys
import warnings

import numpy as np
import pytest

from tracekit.analyzers.causal.effects import average_effects, coefficients, surprise
from tracekit.analyzers.causal.independence import Covariance, Partial, Variables
from tracekit.analyzers.causal.search import ALGORITHMS, Edge, Settings, search
from tracekit.errors import UsageError

pytest.importorskip("causallearn")

FISHER = Settings("pc", "fisher-z", 0.01)


def chain(n=1500, seed=0, drift=0.0):
    """x0 -> x1 -> x2 <- x3, one variable a tier but for x3 beside x1."""
    rng = np.random.default_rng(seed)
    when = np.linspace(-1, 1, n)
    noise = rng.normal(size=(4, n)) + drift * np.array([1, 1, 0, 1])[:, None] * when
    x0, x3 = noise[0], noise[3]
    x1 = 0.8 * x0 + noise[1]
    x2 = 0.8 * x1 - 0.6 * x3 + noise[2]
    return np.stack([x0, x1, x2, x3], 1), [0, 1, 2, 1]


def variables(values, *more):
    return Variables.of([values[:, [k]] for k in range(values.shape[1])] + list(more))


def pairs(edges):
    return {(edge.source, edge.target) for edge in edges}


def test_fisher_z_is_causal_learns():
    from causallearn.utils.cit import CIT

    values, _ = chain(300)
    theirs, ours = CIT(values, "fisherz"), Partial(variables(values))
    for x, y, given in ((0, 1, []), (0, 2, [1]), (0, 3, []), (1, 3, [2]), (0, 3, [1, 2])):
        assert ours.p(x, y, given) == pytest.approx(theirs(x, y, given), abs=1e-7)


def test_fisher_z_by_hand():
    """r = 0.5 of 28 runs: z = sqrt(25) atanh(0.5) = 2.7465, p = 0.00602."""
    x = np.array([1.0, -1.0] * 14)
    y = np.concatenate([x[:21], -x[21:]])  # 21 of 28 alike
    p = Partial(variables(np.stack([x, y], 1))).p(0, 1)
    r = np.corrcoef(x, y)[0, 1]
    assert p == pytest.approx(math.erfc(5 * math.atanh(r) / math.sqrt(2)), rel=1e-6)


def test_covariance_by_hand():
    """Products 1, 1, 1, -1 sum to 2, their squares to 4: z = 1."""
    x = np.array([1.0, -1.0, 1.0, -1.0])
    y = np.array([1.0, -1.0, 0.5, 0.5])
    products = (x - x.mean()) * (y - y.mean())
    z = products.sum() / math.sqrt((products**2).sum())
    p = Covariance(variables(np.stack([x, y], 1))).p(0, 1)
    assert p == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), rel=1e-6)


@pytest.mark.parametrize("test", [Partial, Covariance])
def test_p_of_nothing_is_even(test):
    rng = np.random.default_rng(0)
    small = sum(test(variables(rng.normal(size=(60, 3)))).p(0, 1, [2]) < 0.1 for _ in range(400))
    assert 22 <= small <= 62  # 40 expected, six standard errors either way


def test_covariance_minds_no_uneven_spread():
    """Columns that both vary on some tasks only: Fisher's z sees edges, this does not."""
    rng = np.random.default_rng(1)
    counts = {Partial: 0, Covariance: 0}
    for _ in range(200):
        spread = np.repeat(rng.random(20) < 0.2, 20)[:, None]
        values = variables(spread * rng.normal(size=(400, 2)))
        for test in counts:
            counts[test] += test(values).p(0, 1) < 0.05
    assert counts[Covariance] <= 22 < 50 < counts[Partial] * 4


def test_blocks_of_columns():
    rng = np.random.default_rng(2)
    context = rng.normal(size=(500, 3))
    x = context @ [0.0, 0.3, 0.0] + rng.normal(size=500)
    y = rng.normal(size=500)
    for test in (Partial, Covariance):
        asked = test(Variables.of([x[:, None], y[:, None], context]))
        assert asked.p(0, 2) < 1e-4
        assert asked.p(1, 2) > 0.01


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_search_finds_the_skeleton(algorithm):
    values, tiers = chain()
    found = search(variables(values), tiers, Settings(algorithm, "fisher-z", 0.01))
    assert pairs(found) == {(0, 1), (1, 2), (3, 2)}
    assert all(edge.mark in ("-->", "o->") for edge in found)


def test_discrete_and_kernel_tests():
    values, tiers = chain(800)
    classes = (values > 0).astype(float)
    found = search(variables(classes), tiers, Settings("pc", "g-squared", 0.01))
    assert pairs(found) == {(0, 1), (1, 2), (3, 2)}
    rng = np.random.default_rng(3)
    x = rng.normal(size=120)
    bent = np.stack([x, x**2 + 0.3 * rng.normal(size=120)], 1)
    assert pairs(search(variables(bent), [0, 1], Settings("pc", "kernel"))) == {(0, 1)}
    assert not search(variables(bent), [0, 1], FISHER)
    with pytest.raises(UsageError, match="1,000 runs at most"):
        search(variables(np.zeros((1001, 2))), [0, 1], Settings("pc", "kernel"))


def test_time_decides_the_direction():
    values, _ = chain()
    turned = search(variables(values), [2, 1, 0, 1], FISHER)
    assert {(1, 0), (2, 1)} <= pairs(turned)
    assert all(edge.mark == "-->" for edge in turned if {edge.source, edge.target} != {1, 3})


def test_what_came_later_separates_nothing():
    """A late copy of x1 would hide x1 -> x2 from a search that may condition on it."""
    values, _ = chain()
    copy = values[:, [1]] + 0.01 * np.random.default_rng(0).normal(size=(len(values), 1))
    found = search(variables(np.column_stack([values, copy])), [0, 1, 2, 1, 3], FISHER)
    assert (1, 2) in pairs(found)


def test_a_context_takes_drift_away():
    values, tiers = chain(drift=2.0)
    plain = pairs(search(variables(values), tiers, FISHER))
    assert (0, 3) in plain  # both change with time, and nothing else joins them
    context = np.linspace(-1, 1, len(values))[:, None]
    asked = Settings("cd-nod", "fisher-z", 0.01)
    found = pairs(search(variables(values, context), [*tiers, -1], asked))
    assert {pair for pair in found if max(pair) < 4} == {(0, 1), (1, 2), (3, 2)}
    assert {(4, 0), (4, 3)} <= found  # the context causes, nothing causes it


def test_cd_nod_is_causal_learns():
    """Without tiers, the skeleton is that of their `cdnod`, which draws a progress bar."""
    from causallearn.search.ConstraintBased.CDNOD import cdnod

    values, _ = chain(400, drift=2.0)
    context = np.linspace(-1, 1, 400)[:, None]
    theirs = cdnod(values, context, 0.01, "fisherz", show_progress=False).G.graph
    asked = Settings("cd-nod", "fisher-z", 0.01)
    ours = search(variables(values, context), [0, 0, 0, 0, -1], asked)
    joined = {(i, j) for i in range(5) for j in range(i) if theirs[i, j] != 0}
    assert {(max(pair), min(pair)) for pair in pairs(ours)} == joined


def test_searches_are_silent(capfd):
    values, tiers = chain(200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for algorithm in ALGORITHMS:
            search(variables(values), tiers, Settings(algorithm, "fisher-z", 0.05))
    assert capfd.readouterr() == ("", "")


def test_settings_that_do_not_exist():
    values, tiers = chain(50)
    for wrong in (Settings("magic"), Settings("pc", "magic"), Settings("pc", "fisher-z", 2.0)):
        with pytest.raises(UsageError):
            search(variables(values), tiers, wrong)


def test_effects_are_the_planted_ones():
    values, tiers = chain(20_000)
    values = values - values.mean(axis=0)
    edges = search(variables(values), tiers, FISHER)
    assert average_effects(values, edges, 2) == pytest.approx([0.64, 0.8, 0, -0.6], abs=0.03)
    direct = coefficients(values, edges)
    assert direct[2, [1, 3]] == pytest.approx([0.8, -0.6], abs=0.03)
    told = surprise(values[0], direct)
    total = told @ np.array([0.64, 0.8, 1.0, -0.6])
    assert total == pytest.approx(values[0, 2], abs=0.15)  # surprises explain the whole deviation


def test_without_the_library(monkeypatch):
    from tracekit.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "causallearn.search.ConstraintBased.PC", None)
    values, tiers = chain(50)
    with pytest.raises(MissingExtra, match="analyze"):
        search(variables(values), tiers, FISHER)


def test_edges_are_named_tuples():
    assert Edge(0, 1, "-->").mark == "-->"
