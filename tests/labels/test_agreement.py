"""Kappas against values from the literature and worked out by hand."""

import math
from itertools import chain, repeat

import pytest

from tracekit.agreement import cohen_kappa, fleiss_kappa

TEXTBOOK = [
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip
"""Ten subjects, fourteen raters, five categories: the common worked example, kappa 0.210."""


def test_fleiss_of_the_textbook():
    items = [list(chain(*(repeat(k, n) for k, n in enumerate(row)))) for row in TEXTBOOK]
    found = fleiss_kappa(items)
    assert round(found.value, 3) == 0.210
    assert found.low < found.value < found.high


def test_cohen_is_one_zero_and_minus_one():
    assert cohen_kappa([("a", "a"), ("b", "b")]).value == 1.0
    assert cohen_kappa([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]).value == 0.0
    assert cohen_kappa([("a", "b"), ("b", "a")]).value == -1.0


def test_fleiss_of_two_is_scotts_pi():
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    chance = (55 / 100) ** 2 + (45 / 100) ** 2
    assert math.isclose(fleiss_kappa(pairs).value, (0.7 - chance) / (1 - chance))


def test_nothing_to_compare_is_none_not_a_number():
    assert cohen_kappa([]) is None
    assert fleiss_kappa([]) is None
    assert fleiss_kappa(["aaa", "aa"]) is None


def test_an_item_of_one_annotator_is_refused():
    with pytest.raises(ValueError, match="two annotators"):
        fleiss_kappa(["aa", "a"])


def test_the_interval_narrows_and_is_never_empty():
    few = [("a", "a"), ("b", "b"), ("a", "b"), ("b", "b")]
    small, large = cohen_kappa(few), cohen_kappa(few * 25)
    assert math.isclose(small.value, large.value)
    assert large.high - large.low < (small.high - small.low) / 3
    perfect = cohen_kappa([("a", "a"), ("b", "b")])
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low < 0, "two items show little"


def test_the_interval_of_cohen_by_hand():
    """3 of 4 agree: Wilson 0.3006 to 0.9544; chance 1/4 * 1/4 * 2 + ... = 0.5."""
    pairs = [("a", "a"), ("b", "b"), ("a", "b"), ("b", "b")]
    chance = (2 / 4) * (1 / 4) + (2 / 4) * (3 / 4)
    found = cohen_kappa(pairs)
    assert found.low == pytest.approx((0.300642 - chance) / (1 - chance), abs=1e-5)
    assert found.high == pytest.approx((0.954413 - chance) / (1 - chance), abs=1e-5)


@pytest.mark.parametrize("n", [15, 40, 120])
def test_the_interval_covers(n):
    """Of 400 samples from a table of kappa 0.4, about 95 % of the intervals hold it."""
    import numpy as np

    cells = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        found = cohen_kappa([cells[i] for i in rng.integers(50, size=n)])
        held += found is not None and found.low <= 0.4 <= found.high
    assert 368 <= held <= 399


def test_cohen_is_what_scikit_learn_says():
    import numpy as np
    from sklearn import metrics

    rng = np.random.default_rng(3)
    said = rng.integers(4, size=(60, 2))
    said[:30, 1] = said[:30, 0]
    expected = metrics.cohen_kappa_score(said[:, 0], said[:, 1])
    assert cohen_kappa(list(map(tuple, said.tolist()))).value == pytest.approx(expected)
