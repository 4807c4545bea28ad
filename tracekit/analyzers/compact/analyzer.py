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
from tracekit.analyzers.compact.modes import ModeModel
from tracekit.analyzers.compact.networks import Networks
from tracekit.analyzers.compact.sets import members
from tracekit.analyzers.compact.weights import (
    Model,
    Weights,
    as_json,
    levelled,
    ranking,
    system_of,
)
from tracekit.analyzers.compact.why import evidence
from tracekit.analyzers.run import abstain
from tracekit.analyzers.verdict import settings, verdict
from tracekit.attribution import AgentSet, Attribution, Method, Suspect, SuspectSet
from tracekit.context import Context
from tracekit.errors import ContractError, UsageError
from tracekit.trace import Trace

VERSION = "2"
WEIGHTS, NETWORKS = "weights.json", "networks.safetensors"
"""Files of a model folder."""
TRAINER = "tracekit_models.compact.trainer:fit_model"
"""What fits it; needs the extra `train`."""
DRAFTER = "tracekit_models.compact.trainer:fit_draft"
FLAT = 0.98
"""Entropy of the steps, as a share of the greatest there is, from which on nothing is known."""
EXPLAINED = 5
"""Suspects that get evidence, from the top."""

MODES = (
    "failure modes are learned from injected failures, and stated because this run looks like "
    "those: on logs of real systems they were no better than chance"
)


@cache
def shipped() -> Model:
    """What ships with tracekit; models/cards/compact.md says what it was fitted on."""
    folder = files("tracekit.analyzers").joinpath("weights")
    return _model(Path(str(folder.joinpath("compact.json"))), "compact.safetensors")


class Compact:
    """The default: learned on several benchmarks, with sets that keep a coverage; milliseconds a run.

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
        least = _share(settings(context, self.name, least=0.0)["least"])
        model, seen = self.model, tables(trace)
        owners = [step.agent for step in trace.steps]
        chances, agents = model.chances(seen), model.agents(seen, owners)
        order = ranking(chances, owners, agents)
        fallen = levelled(chances, order)
        method = Method(
            name=self.name,
            version=VERSION,
            model=model.id,
            settings={"least": least} if least else {},
        )
        warnings = _warnings(trace, model, context)
        if (unknown := _unknown(chances, fallen[order[0]], least)) is not None:
            return abstain(trace, method, unknown, *warnings)
        because = evidence(trace, model, seen, order[:EXPLAINED])
        found = verdict(trace, method, fallen, order=order, evidence=because)
        suspects, doubt = _with_modes(found.suspects, trace, seen)
        limits = model.weights.calibration.limits(system_of(trace))
        inside = set(members(chances, limits.steps))
        roster = list(agents)
        near = {roster[k] for k in members(np.array(list(agents.values())), limits.agents)}
        near |= {owners[i] for i in inside}  # whose step is in the set belongs in the other, too
        return msgspec.structs.replace(
            found,
            suspects=suspects,
            agents=agents,
            suspect_set=SuspectSet(tuple(i for i in order if i in inside), limits.coverage),
            agent_set=AgentSet(tuple(a for a in roster if a in near), limits.coverage),
            warnings=warnings + doubt,
        )

    def seen(self) -> frozenset[str]:
        """Fingerprints of the traces the weights were fitted on."""
        return frozenset(self.model.weights.traces)

    def fit(self, traces: Iterable[Trace], context: Context) -> Compact:
        """Refitted on labelled traces, which all count alike; needs the extra `train`.

        Raises `UsageError` when fewer than ten traces have a labelled step that can be blamed.
        """
        return Compact(registry.load(TRAINER, "training compact")(examples(traces), context.seed))

    def draft(self, traces: Iterable[Trace], context: Context) -> Compact:
        """As `fit`, roughly and without calibration, for methods that need many fits of it."""
        return Compact(registry.load(DRAFTER, "training compact")(examples(traces), context.seed))

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


def _share(value: object) -> float:
    """A setting between 0 and 1; raises `UsageError` for anything else."""
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise UsageError(f"compact: least is {value!r}, wanted a probability from 0 to 1")


def _unknown(chances: np.ndarray, top: float, least: float) -> str | None:
    """Why nobody is named, None when somebody is."""
    if top < least:
        return f"the likeliest step has {top:.0%}, less than the {least:.0%} asked for"
    kept = chances[chances > 0]
    if len(kept) > 2 and -float(kept @ np.log(kept)) > FLAT * np.log(len(kept)):
        return f"all {len(kept)} steps look alike: the likeliest has {top:.0%}"
    return None


def _with_modes(
    suspects: tuple[Suspect, ...], trace: Trace, seen: Tables
) -> tuple[tuple[Suspect, ...], tuple[str, ...]]:
    """The first suspects with the modes that their agents show, and how far to trust that."""
    stated = ModeModel.load().stated(trace, seen.by_member["wide"], seen.vectors)
    if not any(stated.values()):
        return suspects, ()
    told = tuple(
        msgspec.structs.replace(suspect, modes=stated[suspect.agent])
        for suspect in suspects[:EXPLAINED]
    )
    return told + suspects[EXPLAINED:], (MODES,)


def _warnings(trace: Trace, model: Model, context: Context) -> tuple[str, ...]:
    """What the reader of the verdict should know."""
    found = []
    if (system := system_of(trace)) not in model.weights.calibration.systems:
        found.append(
            f"no labelled run of {system} was at hand in training: probabilities are less sure "
            "than they look, the suspect set is widened for it"
        )
    if context.with_answer:
        found.append("compact never reads the correct answer: the verdict is the same without it")
    return tuple(found)
