"""The conditional logit against numbers worked out by hand, finite differences and planted weights."""

import numpy as np
import pytest

from tracekit.analyzers.conditional_logit import Choices, fit, objective, softmax


def planted(weights, n=400, seed=0):
    """Choice sets of 3 to 12 rows whose choice is drawn from the model itself."""
    rng = np.random.default_rng(seed)
    sets = [rng.normal(size=(rng.integers(3, 13), len(weights))) for _ in range(n)]
    return Choices(sets, [rng.choice(len(x), p=softmax(x @ weights)) for x in sets])


def test_chances_by_hand():
    choices = Choices([np.array([[0.0], [1.0]]), np.array([[1.0], [1.0], [1.0]])], [0, 2])
    chances = np.exp(choices.log_chances(np.array([np.log(3.0)])))
    assert chances == pytest.approx([1 / 4, 3 / 4, 1 / 3, 1 / 3, 1 / 3])


def test_loss_by_hand():
    choices = Choices([np.array([[0.0], [1.0]])], [1])
    loss, gradient, hessian = objective(np.zeros(1), choices, np.array([2.0]))
    assert loss == pytest.approx(np.log(2))
    assert gradient == pytest.approx([-0.5])
    assert hessian[0, 0] == pytest.approx(2 + 0.25)


def test_gradient_and_hessian_match_finite_differences():
    choices, ridge = planted(np.array([1.0, -0.5, 0.2]), n=30), np.array([1.0, 2.0, 0.5])
    at, h = np.array([0.3, -0.7, 0.1]), 1e-5
    _, gradient, hessian = objective(at, choices, ridge)
    for k, unit in enumerate(np.eye(3) * h):
        above, below = (objective(at + sign * unit, choices, ridge) for sign in (1, -1))
        assert gradient[k] == pytest.approx((above[0] - below[0]) / (2 * h), rel=1e-5)
        assert hessian[k] == pytest.approx((above[1] - below[1]) / (2 * h), rel=1e-5)


def test_planted_weights_are_recovered():
    truth = np.array([1.5, -1.0, 0.0])
    found = fit(planted(truth, n=3000), np.full(3, 1e-3))
    assert found == pytest.approx(truth, abs=0.12)


def test_the_optimum_has_no_slope():
    choices, ridge = planted(np.array([4.0, -4.0]), n=20), np.full(2, 0.1)
    _, gradient, _ = objective(fit(choices, ridge), choices, ridge)
    assert np.abs(gradient).max() < 1e-4


def test_ridge_shrinks():
    choices = planted(np.array([2.0, 1.0]), n=100)
    sizes = [np.linalg.norm(fit(choices, np.full(2, ridge))) for ridge in (0.1, 10.0, 1000.0)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_separable_choices_stay_finite():
    choices = Choices([np.array([[0.0], [1.0]])] * 50, [1] * 50)
    assert np.isfinite(fit(choices, np.array([1e-3]))).all()


def test_great_scores_do_not_overflow():
    assert softmax(np.array([1e4, 0.0])) == pytest.approx([1.0, 0.0])
    choices = Choices([np.array([[1e4], [0.0]])], [1])
    assert np.isfinite(objective(np.array([1.0]), choices, np.array([1.0]))[0])
