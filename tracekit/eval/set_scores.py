"""Agreement of sets: which agents, modes and pairs a method accuses, against which are labelled.

Pure. A case is a pair of sets (labelled, said). Figures pool the cases, so their intervals come
from drawing groups of cases with replacement.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from tracekit.stats import Estimate

Sets = Sequence[tuple[frozenset[Hashable], frozenset[Hashable]]]
"""(labelled, said) of each case."""


class ModeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One failure mode: how a method's yes and no agree with the labels over all runs."""

    method: str
    """Name of the method."""
    mode: str
    """The mode, in the vocabulary of the benchmark."""
    labelled: int
    """Runs that have it."""
    said: float
    """Runs of which the method says so; a mean over seeds."""
    accuracy: float
    """Share of runs on which both agree; high for rare modes whatever is said."""
    kappa: float | None
    """Agreement beyond chance, -1 to 1; None where chance alone agrees always."""
    precision: float | None
    """Share of the runs named that have it; None when none is named."""
    recall: float | None
    """Share of the runs that have it that are named; None when none has it."""


class Table(msgspec.Struct, frozen=True):
    """Counts by case and class, float arrays of shape (n_cases, n_classes)."""

    both: np.ndarray
    """Labelled and said."""
    labelled: np.ndarray
    """Labelled."""
    said: np.ndarray
    """Said."""


def table(sets: Sets, classes: Sequence[Hashable] | None = None) -> Table:
    """The counts; classes are those that occur unless given."""
    found: set[Hashable] = set().union(*(g | s for g, s in sets)) if sets else set()
    names = sorted(found, key=repr) if classes is None else list(classes)
    labelled = np.array([[name in gold for name in names] for gold, _ in sets], dtype=float)
    said = np.array([[name in mine for name in names] for _, mine in sets], dtype=float)
    shape = (len(sets), len(names))
    labelled, said = labelled.reshape(shape), said.reshape(shape)
    return Table(labelled * said, labelled, said)


class Sums(NamedTuple):
    """Counts by class, float arrays of shape (..., n_classes), and of cases, (..., 1)."""

    both: np.ndarray
    labelled: np.ndarray
    said: np.ndarray
    n: np.ndarray


def micro_f1(sums: Sums) -> np.ndarray:
    """F1 of all classes together."""
    return _ratio(2 * sums.both.sum(axis=-1), (sums.labelled + sums.said).sum(axis=-1))


def macro_f1(sums: Sums) -> np.ndarray:
    """Mean of the F1 of each class that is labelled or said."""
    met = (sums.labelled + sums.said) > 0
    return _ratio((_f1(sums) * met).sum(axis=-1), met.sum(axis=-1))


def weighted_f1(sums: Sums) -> np.ndarray:
    """Mean of the F1 of each class, weighted by how often it is labelled."""
    return _ratio((_f1(sums) * sums.labelled).sum(axis=-1), sums.labelled.sum(axis=-1))


def accuracy(sums: Sums) -> np.ndarray:
    """Share of yes/no answers, over cases and classes, on which label and method agree."""
    agree = sums.n - sums.labelled - sums.said + 2 * sums.both
    return np.asarray((agree / sums.n).mean(axis=-1))


def mean_kappa(sums: Sums) -> np.ndarray:
    """Mean of the kappa of each class, those left out on which chance agrees always."""
    n, labelled, said = sums.n, sums.labelled, sums.said
    agree = (n - labelled - said + 2 * sums.both) / n
    by_chance = (labelled * said + (n - labelled) * (n - said)) / n**2
    known = by_chance < 1 - 1e-12
    each = _ratio(np.where(known, agree - by_chance, 0.0), np.where(known, 1 - by_chance, 1.0))
    return _ratio(each.sum(axis=-1), known.sum(axis=-1))


Figure = Callable[[Sums], np.ndarray]


def pooled(
    counts: Table,
    groups: Sequence[Hashable],
    figure: Figure,
    *,
    seed: int = 0,
    repeats: int = 2000,
    level: float = 0.95,
) -> Estimate:
    """A figure over all cases with the percentile interval of drawing whole groups."""
    place: dict[Hashable, int] = {}
    at = np.array([place.setdefault(group, len(place)) for group in groups])
    ones = np.ones((len(at), 1))
    sums = Sums(
        *(
            _by_group(part, at, len(place))
            for part in (counts.both, counts.labelled, counts.said, ones)
        )
    )
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(place), np.full(len(place), 1 / len(place)), size=repeats)
    draws = figure(Sums(*(drawn @ part for part in sums)))
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(figure(Sums(*(p.sum(axis=0) for p in sums)))), float(low), float(high))


def _by_group(part: np.ndarray, at: np.ndarray, count: int) -> np.ndarray:
    sums = np.zeros((count, part.shape[1]))
    np.add.at(sums, at, part)
    return sums


def _f1(sums: Sums) -> np.ndarray:
    return _ratio(2 * sums.both, sums.labelled + sums.said)


def kappa(both: float, labelled: float, said: float, n: float) -> float | None:
    """Cohen's kappa of two yes/no judgements of n things; None when chance agrees always.

    Source: Cohen, Educational and Psychological Measurement 20 (1960) 37. By hand for 10 things,
    4 and 5 yes, 3 of them both: agreement 7/10, by chance (4*5 + 6*5)/100 = 1/2.

    >>> kappa(both=3, labelled=4, said=5, n=10)
    0.4
    """
    agree = (n - labelled - said + 2 * both) / n
    by_chance = (labelled * said + (n - labelled) * (n - said)) / n**2
    return None if by_chance >= 1 else round((agree - by_chance) / (1 - by_chance), 12)


def mode_row(method: str, mode: str, sets: Sets, seeds: int) -> ModeRow:
    """One mode over the cases of one method under all seeds."""
    n = len(sets)
    labelled = sum(mode in gold for gold, _ in sets)
    said = sum(mode in mine for _, mine in sets)
    both = sum(mode in gold and mode in mine for gold, mine in sets)
    agreement = kappa(both, labelled, said, n)
    return ModeRow(
        method=method,
        mode=mode,
        labelled=labelled // seeds,
        said=round(said / seeds, 6),
        accuracy=round((n - labelled - said + 2 * both) / n, 6),
        kappa=None if agreement is None else round(agreement, 6),
        precision=round(both / said, 6) if said else None,
        recall=round(both / labelled, 6) if labelled else None,
    )


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Quotient, 0 where nothing is divided by nothing."""
    return np.asarray(np.divide(over, np.where(under == 0, 1.0, under)))
