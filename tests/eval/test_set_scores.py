"""Agreement of sets, by hand and against scikit-learn's definitions written out."""

import numpy as np
import pytest

from tracekit.eval.set_scores import (
    Sums,
    accuracy,
    kappa,
    macro_f1,
    mean_kappa,
    micro_f1,
    mode_row,
    pooled,
    table,
    weighted_f1,
)

SETS = [
    (frozenset("ab"), frozenset("a")),
    (frozenset("a"), frozenset("ac")),
    (frozenset("b"), frozenset()),
    (frozenset(), frozenset("c")),
]
# a: 2 labelled, 2 said, 2 both: F1 1. b: 2 labelled, 0 said: 0. c: 0 labelled, 2 said: 0.


def sums(sets, classes=None):
    counts = table(sets, classes)
    parts = (counts.both, counts.labelled, counts.said, np.ones((len(sets), 1)))
    return Sums(*(part.sum(axis=0) for part in parts))


def test_f1_by_hand():
    found = sums(SETS)
    assert micro_f1(found) == pytest.approx(2 * 2 / (4 + 4))
    assert macro_f1(found) == pytest.approx(1 / 3)
    assert weighted_f1(found) == pytest.approx(2 / 4)


def test_macro_leaves_out_what_nobody_names():
    assert macro_f1(sums(SETS, "abcd")) == pytest.approx(1 / 3)


def test_accuracy_and_kappa_by_hand():
    found = sums(SETS, "abc")
    # a agrees on 4 of 4, b on 2, c on 2.
    assert accuracy(found) == pytest.approx(8 / 12)
    # a: kappa 1. b: said never, agreement 2/4 is what chance gives: 0. c likewise 0.
    assert mean_kappa(found) == pytest.approx(1 / 3)
    assert kappa(2, 2, 2, 4) == 1.0
    assert kappa(0, 2, 0, 4) == 0.0
    assert kappa(0, 0, 0, 4) is None
    assert kappa(0, 2, 2, 4) == -1.0


def test_saying_no_to_everything_is_accurate_and_agrees_on_nothing():
    sets = [(frozenset("a") if i == 0 else frozenset(), frozenset()) for i in range(20)]
    found = sums(sets, "abc")
    assert accuracy(found) == pytest.approx(59 / 60)
    assert mean_kappa(found) == 0.0


def test_nothing_labelled_and_nothing_said_is_zero_not_an_error():
    found = sums([(frozenset(), frozenset())] * 3, "ab")
    assert (micro_f1(found), macro_f1(found), weighted_f1(found)) == (0, 0, 0)
    assert accuracy(found) == 1.0


def test_intervals_draw_groups():
    counts = table(SETS)
    one = pooled(counts, ["q"] * 4, micro_f1)
    assert (one.value, one.low, one.high) == (0.5, 0.5, 0.5)
    apart = pooled(counts, list("wxyz"), micro_f1)
    assert apart.low < 0.5 < apart.high
    assert apart == pooled(counts, list("wxyz"), micro_f1)


def test_a_mode_by_hand():
    row = mode_row("m", "a", [*SETS, *SETS], seeds=2)
    assert (row.labelled, row.said, row.accuracy, row.kappa) == (2, 2.0, 1.0, 1.0)
    assert (row.precision, row.recall) == (1.0, 1.0)
    silent = mode_row("m", "b", SETS, seeds=1)
    assert (silent.accuracy, silent.kappa, silent.precision, silent.recall) == (0.5, 0.0, None, 0.0)
