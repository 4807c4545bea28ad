"""`causal`: the critical step of a run, from the causal graph of its corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec
import numpy as np

from tracekit.analyzers.causal.blame import by_step
from tracekit.analyzers.causal.model import Model, learn, too_little
from tracekit.analyzers.causal.search import ALGORITHMS, TESTS, Algorithm, Settings, Test
from tracekit.analyzers.causal.table import tabulate
from tracekit.analyzers.corpus import Latest
from tracekit.analyzers.run import abstain
from tracekit.analyzers.verdict import settings, verdict
from tracekit.attribution import Attribution, Evidence, Method
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.trace import Trace

VERSION = "1"
DEFAULTS: dict[str, Any] = {
    "algorithm": "cd-nod",
    "test": "covariance",
    "alpha": 0.02,
    "phases": None,
    "halves": 10,
}
LINES = 3
"""Lines of evidence for a step."""
ASSUMES = (
    "assumes that the runs of the corpus are of one system, that relations are linear, and that "
    "nothing unseen causes both a behaviour and failure"
)


class Asked(NamedTuple):
    """What a model depends on besides the corpus."""

    algorithm: Algorithm
    test: Test
    alpha: float
    phases: int | None
    halves: int
    seed: int


class Causal:
    """Blames the step whose unforeseen behaviour adds most to the chance of failure, by a causal graph.

    The graph is learned from the corpus (`tracekit discover` shows it). Settings: `algorithm`
    (cd-nod, pc, fci, ges), `test` (covariance, fisher-z, g-squared, kernel), `alpha`, `phases` and
    `halves` (half samples behind every weight). It abstains without 30 runs of known outcome and 8
    of each, and where nothing in the run is tied with failure.
    """

    name: ClassVar[str] = "causal"
    needs: ClassVar[frozenset[str]] = frozenset({"trace", "corpus"})
    name_blind: ClassVar[bool] = False  # an agent is found again in other runs by its name

    def __init__(self) -> None:
        self._models = Latest(_model)

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict; a probability is what the step adds to the chance of failure, not calibrated."""
        chosen = checked(settings(context, self.name, **DEFAULTS))
        method = Method(name=self.name, version=VERSION, settings=chosen, seed=context.seed)
        model = self._models.of(context.corpus, Asked(seed=context.seed, **chosen))
        if isinstance(model, str):
            return abstain(trace, method, model)
        if not (model.weights > 0).any():
            return abstain(trace, method, "no behaviour in the corpus leads to failure")
        added, behind = by_step(model, trace)
        if not added.any():
            return abstain(trace, method, "no step shows more of what leads to failure than usual")
        evidence = {
            step: tuple(_evidence(model, step, columns)) for step, columns in behind.items()
        }
        said = verdict(trace, method, added / max(1.0, added.sum()), evidence=evidence)
        return msgspec.structs.replace(said, warnings=(ASSUMES,))


def checked(chosen: dict[str, Any]) -> dict[str, Any]:
    """The settings, if they can be used; raises `UsageError` otherwise."""
    for name, known in (("algorithm", ALGORITHMS), ("test", TESTS)):
        if chosen[name] not in known:
            raise UsageError(f"causal has no {name} {chosen[name]!r}; there are {', '.join(known)}")
    alpha = chosen["alpha"]
    if not isinstance(alpha, int | float) or not 0 < alpha < 1:
        raise UsageError(f"causal: alpha lies between 0 and 1, not {alpha!r}")
    for name, least in (("phases", 1), ("halves", 0)):
        value = chosen[name]
        if not (value is None and name == "phases") and (type(value) is not int or value < least):
            raise UsageError(f"causal: {name} is a whole number from {least}, not {value!r}")
    return chosen


def _model(corpus: Sequence[Trace], asked: Asked) -> Model | str:
    """What the corpus teaches, or why it teaches nothing."""
    table = tabulate(corpus, phases=asked.phases)
    if why := too_little(table):
        return why
    settings = Settings(asked.algorithm, asked.test, asked.alpha)
    return learn(table, settings, halves=asked.halves, shuffles=0, seed=asked.seed)


def _evidence(model: Model, step: int, behind: Sequence[tuple[float, int]]) -> list[Evidence]:
    """What a step does, or leaves undone, that leads to failure; the weightiest first."""
    found = []
    for worth, k in sorted(behind, key=lambda one: (-one[0], one[1]))[:LINES]:
        column, weight = model.table.columns[k], float(model.weights[k])
        does = column.behaviour.shows if weight > 0 else column.behaviour.lacks
        path = float(np.mean(model.paths[:, k])) if model.halves else 1.0
        points = 100 * abs(model.effects[k])
        found.append(
            Evidence(
                step=step,
                weight=worth,
                shows=(
                    f"phase {column.phase + 1}: {column.seat} {does}: failures +{points:.0f} points"
                    f" (leads to failure in {path:.0%} of half samples)"
                ),
            )
        )
    return found
