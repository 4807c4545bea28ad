"""Intervals and paired tests against values from the sources, and laws that hold for any numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit.stats import auroc, bootstrap, calibration, mcnemar, mean, student_quantile, wilson


# Newcombe 1998, Statistics in Medicine 17:857, Table I, method 3 (score, no continuity correction).
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_published(right, n, low, high):
    found = wilson(right, n)
    assert found.value == pytest.approx(right / n)
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


def test_wilson_edges():
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
    assert wilson(5, 5).high == 1.0
    with pytest.raises(ValueError, match="not a share"):
        wilson(6, 5)
    with pytest.raises(ValueError, match="level"):
        wilson(1, 5, level=1.0)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_laws(case):
    right, n = case
    found, mirror = wilson(right, n), wilson(n - right, n)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low == pytest.approx(1 - mirror.high, abs=1e-12)
    wide = wilson(right, n, level=0.99)
    assert wide.low <= found.low
    assert wide.high >= found.high


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_wilson_ends_solve_the_score_equation(case):
    right, n = case
    for end in (wilson(right, n).low, wilson(right, n).high):
        if 0 < end < 1:
            z = (right / n - end) / math.sqrt(end * (1 - end) / n)
            assert abs(z) == pytest.approx(1.959964, rel=1e-5)


def test_mcnemar_by_hand():
    # 3 and 0: 2 * 1/8; less the probability of the observed, 1/8.
    assert mcnemar(3, 0).exact == pytest.approx(0.25)
    assert mcnemar(3, 0).mid_p == pytest.approx(0.125)
    # 2 and 4: 2 * (1 + 6 + 15) / 64, less 15 / 64.
    assert mcnemar(2, 4).exact == pytest.approx(44 / 64)
    assert mcnemar(2, 4).mid_p == pytest.approx(29 / 64)
    assert mcnemar(5, 5).mid_p == pytest.approx(1.0)
    assert mcnemar(3000, 2000).exact < 1e-9
    with pytest.raises(ValueError, match="not negative"):
        mcnemar(-1, 2)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_laws(first, second):
    here, there = mcnemar(first, second), mcnemar(second, first)
    assert (here.exact, here.mid_p) == (there.exact, there.mid_p)
    assert 0 < here.mid_p <= here.exact <= 1
    assert mcnemar(first + second + 1, 0).exact <= here.exact


@pytest.mark.parametrize(
    ("df", "quantile"), [(1, 12.7062), (2, 4.3027), (5, 2.5706), (9, 2.2622), (30, 2.0423)]
)
def test_student_published(df, quantile):
    assert student_quantile(0.975, df) == pytest.approx(quantile, abs=5e-5)
    assert student_quantile(0.025, df) == pytest.approx(-quantile, abs=5e-5)


def test_mean():
    assert mean([2.0, 2.0, 2.0]).low == 2.0
    assert mean([7.0]).high == math.inf
    assert math.isnan(mean([]).value)


def test_bootstrap_of_groups_is_wider_than_of_cases():
    values = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0] * 4
    groups = [i // 4 for i in range(32)]
    alone, together = bootstrap(values), bootstrap(values, groups)
    assert alone.value == together.value == 0.5
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_bootstrap_is_seeded():
    values = [math.sqrt(i) for i in range(40)]
    assert bootstrap(values, seed=3) == bootstrap(values, seed=3)
    assert bootstrap(values, seed=3) != bootstrap(values, seed=4)


def test_bootstrap_refuses():
    with pytest.raises(ValueError, match="nothing"):
        bootstrap([])
    with pytest.raises(ValueError, match="groups"):
        bootstrap([1.0], groups=["a", "b"])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_bootstrap_stays_within_the_values(values):
    found = bootstrap(values, repeats=50)
    assert min(values) - 1e-12 <= found.low <= found.high <= max(values) + 1e-12


@given(st.lists(st.tuples(st.sampled_from([-1.5, 0.0, 0.1, 0.3, 7.0]), st.booleans())))
def test_auroc_counts_pairs(cases):
    """As it is defined: every pair of a good and a bad case, ties by half, to the last bit."""
    good = [score for score, fine in cases if fine]
    bad = [score for score, fine in cases if not fine]
    found = auroc([score for score, _ in cases], [fine for _, fine in cases])
    if not good or not bad:
        assert math.isnan(found)
    else:
        won = sum((one > other) + (one == other) / 2 for one in good for other in bad)
        assert found == won / (len(good) * len(bad))


def test_auroc_refuses_what_does_not_match():
    with pytest.raises(ValueError, match="3,"):
        auroc([1.0, 2.0, 3.0], [True, False])


def test_calibration_by_hand():
    # Bins (0.2, 0.2) with 1 right and (0.9, 0.9) with 1 right: |0.4 - 1| / 4 + |1.8 - 1| / 4.
    found = calibration([0.9, 0.2, 0.9, 0.2], [1, 1, 0, 0], bins=2)
    assert found.error == pytest.approx((0.6 + 0.8) / 4)
    assert found.n == 4
    assert calibration([0.0, 1.0], [0, 1]).error == 0.0
    assert calibration([0.0, 1.0], [0, 1]).expected == 0.0


def test_few_forecasts_look_uncalibrated_to_everybody():
    few = calibration([0.3] * 20, [1] * 6 + [0] * 14)
    many = calibration([0.3] * 2000, ([1] * 3 + [0] * 7) * 200)
    assert few.expected > 0.1 > many.expected
    assert few.high > few.expected
    assert many.error < many.high
    assert few == calibration([0.3] * 20, [1] * 6 + [0] * 14)


def test_calibration_of_nonsense():
    for stated, right in (([], []), ([0.5], [1, 0]), ([1.5], [1])):
        with pytest.raises(ValueError, match=r"calibration|probability"):
            calibration(stated, right)
