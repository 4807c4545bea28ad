"""Fitting the linear members of `compact` on labelled runs; the networks are `tracekit_models`'s.

Nothing here is tuned on the runs: penalties and the floor of the scale are fixed, so that a caller
who cross-validates `fit` tunes nothing on what is held out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.compact.features import NAMES, Tables, tables
from tracekit.analyzers.compact.soft_logit import Run, fit
from tracekit.analyzers.compact.weights import Member, Weights, system_of
from tracekit.errors import UsageError
from tracekit.folds import fingerprint, question_key
from tracekit.trace import Trace

FEWEST = 10
"""Runs with a usable label below which nothing is fitted."""


class Recipe(NamedTuple):
    """How one member is fitted."""

    ridge: float
    """Penalty on weights of scaled features."""
    floor: float
    """Least scale of a column: what is seen in a few steps only cannot weigh much."""


RECIPES: dict[str, Recipe] = {"wide": Recipe(20.0, 0.15), "short": Recipe(10.0, 0.0)}


class Example(NamedTuple):
    """One labelled run, read once and used by every member."""

    print: str
    """Fingerprint of the trace."""
    tables: Tables
    target: np.ndarray
    """How much of the label each blamable step has, (n_blamable,), sum 1."""
    weight: float
    """How much the run counts; runs labelled by another definition count less."""
    group: str
    """Key of its question."""
    system: str
    """Kind of system that ran."""

    @property
    def step(self) -> int:
        """The labelled step."""
        rows = np.flatnonzero(self.tables.blamable)
        return int(rows[int(np.argmax(self.target))])


def example(trace: Trace, weight: float = 1.0, second: int | None = None) -> Example | None:
    """A run as an example, None when no labelled step of it can be blamed.

    The earliest labelled step is the label; `second` is what another annotator blames, and takes
    three tenths of it.
    """
    if not trace.steps:
        return None
    seen = tables(trace)
    rows = np.flatnonzero(seen.blamable).tolist()
    labelled = [label.step for label in trace.labels if label.step in rows]
    if not labelled:
        return None
    target = np.zeros(len(rows))
    target[rows.index(min(labelled))] = 1.0
    if second in rows:
        target *= 0.7
        target[rows.index(second)] += 0.3
    return Example(fingerprint(trace), seen, target, weight, question_key(trace), system_of(trace))


def examples(traces: Iterable[Trace], weight: float = 1.0) -> list[Example]:
    """All usable runs as examples."""
    return [found for trace in traces if (found := example(trace, weight)) is not None]


def fit_weights(found: Sequence[Example], seed: int = 0) -> Weights:
    """Weights for labelled runs; raises `UsageError` when fewer than ten are usable."""
    if len(found) < FEWEST:
        raise UsageError(
            f"compact: {len(found)} traces have a labelled step that can be blamed, {FEWEST} needed"
        )
    return Weights(
        members=tuple(_member(name, recipe, found) for name, recipe in RECIPES.items()),
        seed=seed,
        traces=tuple(sorted(one.print for one in found)),
    )


def _member(name: str, recipe: Recipe, found: Sequence[Example]) -> Member:
    rows = [one.tables.by_member[name][one.tables.blamable] for one in found]
    most = max(one.weight for one in found)
    own = np.concatenate([x for x, one in zip(rows, found, strict=True) if one.weight == most])
    mean, scale = own.mean(axis=0), np.maximum(own.std(axis=0), recipe.floor)
    scale[scale < 1e-9] = 1.0
    runs = [
        Run((x - mean) / scale, one.target, one.weight) for x, one in zip(rows, found, strict=True)
    ]
    weight = fit(runs, recipe.ridge)
    return Member(
        name=name,
        features=NAMES[name],
        mean=_rounded(mean),
        scale=_rounded(scale),
        weight=_rounded(weight),
        ridge=recipe.ridge,
    )


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Six decimals: the same file from every build of numpy."""
    return tuple(values.round(6).tolist())
