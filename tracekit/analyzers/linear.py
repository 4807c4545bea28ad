"""`linear`: a conditional logit over documented features of a step, with its reasons.

Which step broke the run is one choice among the steps of the trace. Each step has a score, linear
in the features of `signals.features`; a softmax over the steps that can be blamed makes
probabilities of scores. What a feature adds to a step's score, against the average step of the
trace, is the evidence: log-odds, quoted with the words that triggered it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, NamedTuple

import msgspec
import numpy as np

from tracekit.analyzers.conditional_logit import softmax
from tracekit.analyzers.linear_fit import Weights, as_json, fit_weights
from tracekit.analyzers.verdict import settings, verdict
from tracekit.attribution import Attribution, Evidence, Method
from tracekit.context import Context
from tracekit.errors import ContractError
from tracekit.signals.cues import ERRORS
from tracekit.signals.features import FEATURES, NAMES, Feature, matrix
from tracekit.signals.reading import Reading, read
from tracekit.signals.text import Span, around
from tracekit.trace import Trace

VERSION = "1"
WEIGHTS = "weights.json"
"""File of a model folder."""
LONGEST = 160
"""Characters of a quote."""
REASONS = 4
"""Pieces of evidence for one suspect."""
LEAST = 0.05
"""Log-odds below which a feature is no reason."""
EXPLAINED = 5
"""Suspects that get evidence, from the top."""


@cache
def shipped() -> Weights:
    """The weights that ship with tracekit; models/cards/linear.md says what they were fitted on."""
    data = files("tracekit.analyzers").joinpath("weights", "linear.json").read_bytes()
    return msgspec.json.decode(data, type=Weights)


class Linear:
    """Thirteen documented features, each with its weight: the plainest of the fitted methods."""

    name: ClassVar[str] = "linear"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})
    name_blind: ClassVar[bool] = True
    version: ClassVar[str] = VERSION

    def __init__(self, weights: Weights | None = None) -> None:
        self._weights = weights

    @property
    def weights(self) -> Weights:
        """The fitted weights; the shipped ones are read on first use."""
        found = self._weights or shipped()
        if found.features != NAMES:
            raise ContractError("linear: the weights were fitted on other features; refit them")
        return found

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """All steps ranked; steps of people and system prompts have probability 0 and come last."""
        settings(context, self.name)
        weights, reading = self.weights, read(trace)
        x, blamable = matrix(reading), reading.blamable
        view = View(trace, reading, x > x[blamable].mean(axis=0), weights.parts(x, blamable))
        chances = np.zeros(len(trace.steps))
        chances[blamable] = softmax(view.parts[blamable].sum(axis=1))
        top = sorted(range(len(chances)), key=lambda i: (-chances[i], i))[:EXPLAINED]
        evidence = {i: tuple(reasons(view, i))[:REASONS] for i in top if blamable[i]}
        method = Method(name=self.name, version=VERSION, model=weights.id)
        return verdict(trace, method, chances, evidence=evidence)

    def seen(self) -> frozenset[str]:
        """Fingerprints of the traces the weights were fitted on."""
        return frozenset(self.weights.traces)

    def fit(self, traces: Iterable[Trace], context: Context) -> Linear:
        """Refitted on labelled traces, the ridge chosen by cross-validation within them.

        Raises `UsageError` when fewer than ten traces have a labelled step that can be blamed.
        """
        return Linear(fit_weights(traces, context.seed))

    def save(self, folder: Path) -> None:
        """The weights as `weights.json`."""
        (folder / WEIGHTS).write_bytes(as_json(self.weights))

    @classmethod
    def load(cls, folder: Path) -> Linear:
        """With the weights of a folder; raises `ValueError` for such as make no sense."""
        weights = msgspec.json.decode((folder / WEIGHTS).read_bytes(), type=Weights)
        columns = (weights.mean, weights.scale, weights.weight)
        if weights.features != NAMES or any(len(column) != len(NAMES) for column in columns):
            raise ValueError("fitted on other features than this tracekit has; train it anew")
        if not np.isfinite(columns).all() or min(weights.scale) <= 0:
            raise ValueError("a weight is not finite, or a scale not positive")
        return cls(weights)


class View(NamedTuple):
    """A trace as its verdict is explained."""

    trace: Trace
    reading: Reading
    above: np.ndarray
    """Bool (n_steps, n_features): more than the trace's average step has."""
    parts: np.ndarray
    """Log-odds of the same shape: what each feature adds to each step's score."""


def reasons(view: View, step: int) -> Iterator[Evidence]:
    """What speaks for a step, strongest first; what says nothing to a person is left out."""
    parts = view.parts[step]
    for k in np.argsort(-parts, kind="stable").tolist():
        feature = FEATURES[k]
        shows = feature.shows if view.above[step, k] else feature.lacks
        if parts[k] > LEAST and shows:
            where, span = _place(view, step, feature)
            quote = view.trace.steps[where].content[span.start : span.end]
            yield Evidence(where, quote, span.start, span.end, float(parts[k]), shows)


def _place(view: View, step: int, feature: Feature) -> tuple[int, Span]:
    """Where the words stand that a feature saw: a step, and the place in its content."""
    where = min(step + feature.ahead, view.reading.n - 1)
    content, spans = view.trace.steps[where].content, view.reading.spans[where]
    if feature.cue == "answer":
        return where, around(content, view.reading.fresh[where])
    wanted = ERRORS if feature.cue == "error" else (feature.cue,)
    span = next((spans[cue] for cue in wanted if cue in spans), Span(0, len(content)))
    return where, Span(span.start, min(span.end, span.start + LONGEST))
