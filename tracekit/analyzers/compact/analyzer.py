"""`compact`: learned attribution that ships with tracekit and needs numpy alone.

An average of conditional logits over the steps of a run (`features`, `weights`), fitted on labelled
runs of several benchmarks (`fit`). The first suspect is the best step of the likeliest agent; the
others follow by probability.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np

from tracekit.analyzers.compact.features import Tables, tables
from tracekit.analyzers.compact.fit import examples, fit_weights
from tracekit.analyzers.compact.weights import Weights, agent_chances, as_json, ranking
from tracekit.analyzers.linear import EXPLAINED, REASONS, View, reasons
from tracekit.analyzers.verdict import Evidences, settings, verdict
from tracekit.attribution import Attribution, Method
from tracekit.context import Context
from tracekit.errors import ContractError
from tracekit.trace import Trace

VERSION = "1"
WEIGHTS = "weights.json"
"""File of a model folder."""


@cache
def shipped() -> Weights:
    """The weights that ship with tracekit; models/cards/compact.md says what they were fitted on."""
    data = files("tracekit.analyzers").joinpath("weights", "compact.json").read_bytes()
    return msgspec.json.decode(data, type=Weights)


class Compact:
    """Learned on several benchmarks; milliseconds a trace, no model server, no torch."""

    name: ClassVar[str] = "compact"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})
    name_blind: ClassVar[bool] = True
    version: ClassVar[str] = VERSION

    def __init__(self, weights: Weights | None = None) -> None:
        self._weights = weights

    @property
    def weights(self) -> Weights:
        """The fitted weights; the shipped ones are read on first use."""
        found = self._weights or shipped()
        if (fault := found.faults()) is not None:
            raise ContractError(f"compact: {fault}; refit the weights")
        return found

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """All steps ranked; steps of people and system prompts have probability 0."""
        settings(context, self.name)
        weights, seen = self.weights, tables(trace)
        chances = weights.chances(seen.by_member, seen.blamable)
        owners = [step.agent for step in trace.steps]
        order = ranking(chances, owners)
        method = Method(name=self.name, version=VERSION, model=weights.id)
        evidence = _evidence(trace, seen, weights, order[:EXPLAINED])
        found = verdict(trace, method, chances, order=order, evidence=evidence)
        return msgspec.structs.replace(found, agents=agent_chances(chances, owners))

    def seen(self) -> frozenset[str]:
        """Fingerprints of the traces the weights were fitted on."""
        return frozenset(self.weights.traces)

    def fit(self, traces: Iterable[Trace], context: Context) -> Compact:
        """Refitted on labelled traces, which all count alike.

        Raises `UsageError` when fewer than ten traces have a labelled step that can be blamed.
        """
        return Compact(fit_weights(examples(traces), context.seed))

    def save(self, folder: Path) -> None:
        """The weights as `weights.json`."""
        (folder / WEIGHTS).write_bytes(as_json(self.weights))

    @classmethod
    def load(cls, folder: Path) -> Compact:
        """With the weights of a folder; raises `ValueError` for such as make no sense."""
        weights = msgspec.json.decode((folder / WEIGHTS).read_bytes(), type=Weights)
        if (fault := weights.faults()) is not None:
            raise ValueError(f"{fault}; train it anew")
        return cls(weights)


def _evidence(trace: Trace, seen: Tables, weights: Weights, top: list[int]) -> Evidences:
    """What the documented features of the member `short` say for the first suspects.

    Its weights are log-odds of the average, so each counts by the member's share.
    """
    member = next((member for member in weights.members if member.name == "short"), None)
    if member is None:
        return {}
    x, blamable = seen.by_member["short"], seen.blamable
    parts = member.parts(x, blamable) / len(weights.members)
    view = View(trace, seen.reading, x > x[blamable].mean(axis=0), parts)
    return {i: tuple(reasons(view, i))[:REASONS] for i in top if blamable[i] and np.any(parts[i])}
