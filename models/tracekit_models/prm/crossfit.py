"""Values of runs by models that saw neither them nor their task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tracekit.folds import dealt
from tracekit_models.prm.calibration import calibrate, held
from tracekit_models.prm.data import Example, scale_of
from tracekit_models.prm.train import Recipe, fit_network, logits_of, shape_of

Predict = Callable[[Sequence[Example], Sequence[Example]], list[np.ndarray]]
"""Fits on the first examples and gives the logits of the second, (n_steps + 1,) each."""


class OutOfFold(NamedTuple):
    """What models that did not know a run say of it."""

    logits: list[np.ndarray]
    """Before the first step and after each, for every example."""
    values: list[np.ndarray]
    """Calibrated probabilities; the curves of a fold are fitted on the logits of the others."""
    fold: np.ndarray
    """Fold of each example."""


def deal(found: Sequence[Example], folds: int, seed: int) -> np.ndarray:
    """Fold of each example, 0 to folds - 1; runs of one problem share it."""
    return dealt([one.problem for one in found], folds, seed)


def networks(recipe: Recipe, seed: int = 0, bag: int = 1) -> Predict:
    """What a bag of networks of a recipe predicts."""

    def predict(train: Sequence[Example], test: Sequence[Example]) -> list[np.ndarray]:
        scale, shape = scale_of(train), shape_of(recipe)
        members = [fit_network(train, scale, recipe, seed + n) for n in range(bag)]
        return [np.mean([logits_of(m, shape, one, scale) for m in members], axis=0) for one in test]

    return predict


def out_of_fold(found: Sequence[Example], predict: Predict, folds: int, seed: int) -> OutOfFold:
    """Every example predicted from the folds it is not in."""
    fold = deal(found, folds, seed)
    logits: list[np.ndarray] = [np.zeros(0)] * len(found)
    for k in range(folds):
        held = np.flatnonzero(fold == k).tolist()
        rest = [found[n] for n in np.flatnonzero(fold != k).tolist()]
        for n, said in zip(held, predict(rest, [found[n] for n in held]), strict=True):
            logits[n] = said
    return OutOfFold(logits, _calibrated(found, logits, fold), fold)


def at_share(values: np.ndarray, share: float) -> float:
    """The value after that share of the steps, rounded up; entry 0 stands before the first."""
    return float(values[int(np.ceil(share * (len(values) - 1)))])


def _calibrated(
    found: Sequence[Example], logits: Sequence[np.ndarray], fold: np.ndarray
) -> list[np.ndarray]:
    values: list[np.ndarray] = [np.zeros(0)] * len(found)
    for k in sorted(set(fold.tolist())):
        others = np.flatnonzero(fold != k).tolist()
        curves = calibrate(held([found[n] for n in others], [logits[n] for n in others]))
        for n in np.flatnonzero(fold == k).tolist():
            values[n] = 1 / (1 + np.exp(-curves.odds(logits[n], found[n].rows)))
    return values
