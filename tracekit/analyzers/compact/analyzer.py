"""`compact`: learned attribution that ships with tracekit and needs numpy alone.

An average of conditional logits and small networks over the steps of a run (`features`, `weights`,
`networks`), fitted on labelled runs of several benchmarks. The first suspect is the best step of
the likeliest agent; the others follow by probability. Sets of suspects hold the decisive step in a
stated share of runs; for a kind of system that no training run came from they are wider.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np

from tracekit import registry
from tracekit.analyzers.compact.features import Tables, tables
from tracekit.analyzers.compact.fit import examples
from tracekit.analyzers.compact.networks import Networks
from tracekit.analyzers.compact.sets import members
from tracekit.analyzers.compact.weights import (
    Model,
    Weights,
    as_json,
    ranking,
    system_of,
)
from tracekit.analyzers.linear import EXPLAINED, REASONS, View, reasons
from tracekit.analyzers.run import abstain
from tracekit.analyzers.verdict import Evidences, settings, verdict
from tracekit.attribution import AgentSet, Attribution, Method, SuspectSet
from tracekit.context import Context
from tracekit.errors import ContractError
from tracekit.trace import Trace

VERSION = "2"
WEIGHTS, NETWORKS = "weights.json", "networks.safetensors"
"""Files of a model folder."""
TRAINER = "tracekit_models.compact.trainer:fit_model"
"""What fits it; needs the extra `train`."""
FLAT = 0.98
"""Entropy of the steps, as a share of the greatest there is, from which on nothing is known."""


@cache
def shipped() -> Model:
    """What ships with tracekit; models/cards/compact.md says what it was fitted on."""
    folder = files("tracekit.analyzers").joinpath("weights")
    return _model(Path(str(folder.joinpath("compact.json"))), "compact.safetensors")


class Compact:
    """Learned on several benchmarks; milliseconds a trace, no model server, no torch.

    Setting `least`: the probability below which the first suspect is not named, 0 to 1; then the
    verdict abstains. 0 names one whenever the steps differ at all.
    """

    name: ClassVar[str] = "compact"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})
    name_blind: ClassVar[bool] = True
    version: ClassVar[str] = VERSION

    def __init__(self, model: Model | None = None) -> None:
        self._model = model

    @property
    def model(self) -> Model:
        """The fitted weights; the shipped ones are read on first use."""
        found = self._model or shipped()
        if (fault := found.weights.faults()) is not None:
            raise ContractError(f"compact: {fault}; refit the weights")
        return found

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """All steps ranked; steps of people and system prompts have probability 0."""
        least = float(settings(context, self.name, least=0.0)["least"])
        model, seen = self.model, tables(trace)
        chances = model.chances(seen)
        owners = [step.agent for step in trace.steps]
        agents = model.agents(seen, owners)
        order = ranking(chances, owners, agents)
        chosen = {"least": least} if least else {}
        method = Method(name=self.name, version=VERSION, model=model.id, settings=chosen)
        if (why := _unknown(chances, least)) is not None:
            return abstain(trace, method, why)
        evidence = _evidence(trace, seen, model.weights, order[:EXPLAINED])
        found = verdict(trace, method, chances, order=order, evidence=evidence)
        known = model.weights.calibration
        familiar = system_of(trace) in known.systems
        steps = members(chances, known.steps if familiar else known.unseen_steps)
        names = members(
            np.array(list(agents.values())), known.agents if familiar else known.unseen_agents
        )
        roster = list(agents)
        return msgspec.structs.replace(
            found,
            agents=agents,
            suspect_set=SuspectSet(steps, known.coverage),
            agent_set=AgentSet(tuple(roster[k] for k in names), known.coverage),
            warnings=() if familiar else (_strange(trace),),
        )

    def seen(self) -> frozenset[str]:
        """Fingerprints of the traces the weights were fitted on."""
        return frozenset(self.model.weights.traces)

    def fit(self, traces: Iterable[Trace], context: Context) -> Compact:
        """Refitted on labelled traces, which all count alike; needs the extra `train`.

        Raises `UsageError` when fewer than ten traces have a labelled step that can be blamed.
        """
        return Compact(registry.load(TRAINER, "training compact")(examples(traces), context.seed))

    def save(self, folder: Path) -> None:
        """The weights as `weights.json` and `networks.safetensors`."""
        (folder / WEIGHTS).write_bytes(as_json(self.model.weights))
        self.model.networks.save(folder / NETWORKS)

    @classmethod
    def load(cls, folder: Path) -> Compact:
        """With the weights of a folder; raises `ValueError` for such as make no sense."""
        return cls(_model(folder / WEIGHTS, NETWORKS))


def _model(path: Path, networks: str) -> Model:
    """The model of two files side by side; raises `ValueError` when they do not go together."""
    weights = msgspec.json.decode(path.read_bytes(), type=Weights)
    if (fault := weights.faults()) is not None:
        raise ValueError(f"{fault}; train it anew")
    found = Networks.load(path.with_name(networks))
    if found.id != weights.networks:
        raise ValueError(f"{networks} does not belong to these weights; train it anew")
    return Model(weights, found)


def _unknown(chances: np.ndarray, least: float) -> str | None:
    """Why nobody is named, None when somebody is."""
    kept = chances[chances > 0]
    top = float(kept.max())
    if top < least:
        return f"the likeliest step has {top:.0%}, less than the {least:.0%} asked for"
    if len(kept) > 2 and -float(kept @ np.log(kept)) > FLAT * np.log(len(kept)):
        return f"all {len(kept)} steps look alike: the likeliest has {top:.0%}"
    return None


def _strange(trace: Trace) -> str:
    return (
        f"no labelled run of {system_of(trace)} was at hand in training: "
        "probabilities are less sure than they look, the suspect set is widened for it"
    )


def _evidence(trace: Trace, seen: Tables, weights: Weights, top: list[int]) -> Evidences:
    """What the documented features of the member `short` say for the first suspects.

    Its weights are log-odds of the average, so each counts by the member's share.
    """
    member = next((member for member in weights.members if member.name == "short"), None)
    if member is None:
        return {}
    x, blamable = seen.by_member["short"], seen.blamable
    parts = member.parts(x, blamable) / (len(weights.members) + 1)  # and the networks
    view = View(trace, seen.reading, x > x[blamable].mean(axis=0), parts)
    return {i: tuple(reasons(view, i))[:REASONS] for i in top if blamable[i] and np.any(parts[i])}
