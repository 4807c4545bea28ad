"""The weights of `compact`: members whose log-probabilities are averaged, and how sure that is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from tracekit.analyzers.compact.features import NAMES, Tables
from tracekit.analyzers.compact.networks import Networks
from tracekit.analyzers.compact.sets import tempered
from tracekit.analyzers.conditional_logit import softmax
from tracekit.trace import Trace


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One conditional logit."""

    name: str
    """Which table it reads, of `features.NAMES`."""
    features: tuple[str, ...]
    """Columns, in order."""
    mean: tuple[float, ...]
    """Of each column over the training steps."""
    scale: tuple[float, ...]
    """What counts as one unit of it: its standard deviation, but never less than the floor."""
    weight: tuple[float, ...]
    """Log-odds per unit."""
    ridge: float
    """Penalty it was fitted with."""

    def parts(self, x: np.ndarray, blamable: np.ndarray) -> np.ndarray:
        """What each feature adds to each step's score, log-odds against the run's average step."""
        z = (x - np.array(self.mean)) / np.array(self.scale)
        return np.asarray((z - z[blamable].mean(axis=0)) * np.array(self.weight))


class Limits(NamedTuple):
    """Conformal limits for one kind of system, 0 to 1, and the coverage that they keep."""

    steps: float
    agents: float
    coverage: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How sure the model is, as measured on runs that it was not fitted on."""

    temperature: float = 1.0
    """Of the step probabilities, above 0."""
    coverage: float = 0.9
    """Share of runs in which a set is to contain the step, or the agent."""
    steps: float = 1.0
    """Conformal limit of step sets for systems like those of training, 0 to 1 (`sets.members`)."""
    agents: float = 1.0
    """The same for sets of agents."""
    unseen_steps: float = 1.0
    """Limit of step sets for systems of other kinds, from leaving out one system at a time."""
    unseen_agents: float = 1.0
    """The same for sets of agents."""
    systems: tuple[str, ...] = ()
    """Systems of training (`system_of`)."""
    runs: int = 0
    """Runs that it was measured on."""

    def limits(self, system: str) -> Limits:
        """The limits for runs of a system."""
        if system in self.systems:
            return Limits(self.steps, self.agents, self.coverage)
        return Limits(self.unseen_steps, self.unseen_agents, self.coverage)


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The linear members and everything else that is not a network, as it lies on disk."""

    members: tuple[Member, ...]
    """Their log-probabilities count alike."""
    networks: str = ""
    """Id of the networks that belong to them."""
    calibration: Calibration = Calibration()
    """How sure the verdicts are."""
    seed: int
    """Seed given to the fit."""
    traces: tuple[str, ...]
    """Fingerprints of the training traces, sorted."""

    @property
    def id(self) -> str:
        """Short hash of the weights, 12 hex digits."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]

    def faults(self) -> str | None:
        """Why these weights cannot be used with this tracekit, None when they can."""
        for member in self.members:
            table = (member.mean, member.scale, member.weight)
            if NAMES.get(member.name) != member.features:
                return f"{member.name}: fitted on other features than this tracekit has"
            if any(len(column) != len(member.features) for column in table):
                return f"{member.name}: not one number for every feature"
            if not np.isfinite(table).all() or min(member.scale) <= 0:
                return f"{member.name}: a weight is not finite, or a scale not positive"
        known = self.calibration
        if not (known.temperature > 0 and 0 < known.coverage < 1):
            return "a calibration that makes no sense"
        return None if self.members else "no members"

    def logs(self, by_member: Mapping[str, np.ndarray], blamable: np.ndarray) -> list[np.ndarray]:
        """Log-probabilities of the steps that can be blamed, by member."""
        return [
            _log_softmax(member.parts(by_member[member.name], blamable)[blamable].sum(axis=1))
            for member in self.members
        ]


class Model(NamedTuple):
    """All members together."""

    weights: Weights
    networks: Networks

    @property
    def id(self) -> str:
        """Short hash of everything, 12 hex digits."""
        return self.weights.id

    def chances(self, seen: Tables) -> np.ndarray:
        """Probability of every step, float64 (n_steps,), sum 1; 0 where nobody can be blamed."""
        return tempered(self.raw(seen), self.weights.calibration.temperature)

    def raw(self, seen: Tables) -> np.ndarray:
        """The same before calibration."""
        logs = self.weights.logs(seen.by_member, seen.blamable)
        return _averaged([*logs, self.networks.log_chances(seen.graph)[seen.blamable]], seen)

    def agents(self, seen: Tables, owners: list[str]) -> dict[str, float]:
        """Probability of each agent, most likely first, by the linear members alone.

        The networks tell steps better than agents: they follow what the words are about.
        """
        logs = self.weights.logs(seen.by_member, seen.blamable)
        return agent_chances(_averaged(logs, seen), owners)


def _averaged(logs: list[np.ndarray], seen: Tables) -> np.ndarray:
    found = np.zeros(len(seen.blamable))
    found[seen.blamable] = softmax(np.mean(logs, axis=0))
    return found


def system_of(trace: Trace) -> str:
    """What kind of system a run is of: its framework, else the format of its log."""
    return trace.source.framework or trace.source.format


def as_json(weights: Weights) -> bytes:
    """The weights as they lie on disk."""
    return msgspec.json.format(msgspec.json.encode(weights), indent=1) + b"\n"


def agent_chances(chances: np.ndarray, owners: list[str]) -> dict[str, float]:
    """Probability of each agent, most likely first: the norms of their step probabilities, scaled.

    By sums, an agent of many improbable steps beats one of a few probable ones; by maxima, only
    its best step counts. The Euclidean norm lies in between, and is as well calibrated as the sum.

    >>> agent_chances(np.array([0.3, 0.3, 0.4]), ["a", "a", "b"])
    {'a': 0.514718625761, 'b': 0.485281374239}
    >>> next(iter(agent_chances(np.array([0.1, 0.1, 0.1, 0.3, 0.4]), ["a", "a", "a", "a", "b"])))
    'b'
    """
    squares: dict[str, float] = {}
    for owner, chance in zip(owners, chances.tolist(), strict=True):
        squares[owner] = squares.get(owner, 0.0) + chance**2
    norms = {owner: square**0.5 for owner, square in squares.items()}
    total = sum(norms.values())
    ranked = sorted(norms.items(), key=lambda item: -item[1])  # ties: who speaks first
    return {owner: round(norm / total, 12) for owner, norm in ranked}


def ranking(chances: np.ndarray, owners: list[str], agents: Mapping[str, float]) -> list[int]:
    """Steps, most suspect first: the best step of the likeliest agent, then all by probability.

    >>> ranking(np.array([0.3, 0.3, 0.4]), ["a", "a", "b"], {"a": 0.6, "b": 0.4})
    [0, 2, 1]
    """
    by_chance = sorted(range(len(chances)), key=lambda i: (-chances[i], i))
    likeliest = max(agents, key=lambda agent: agents[agent])
    lead = next(i for i in by_chance if owners[i] == likeliest)
    return [lead, *(i for i in by_chance if i != lead)]


def levelled(chances: np.ndarray, order: list[int]) -> np.ndarray:
    """The nearest probabilities that fall along a ranking, in least squares; the sum stays.

    The first step is put before more probable ones because of its agent, which is evidence for it
    and against them: they share what they have (pooled adjacent violators, Barlow et al. 1972).

    >>> levelled(np.array([0.3, 0.3, 0.4]), [0, 2, 1]).round(3).tolist()
    [0.35, 0.3, 0.35]
    """
    blocks: list[list[float]] = []  # sum and number of probabilities that share
    for i in order:
        total, count = float(chances[i]), 1.0
        while blocks and blocks[-1][0] / blocks[-1][1] < total / count:
            more, others = blocks.pop()
            total, count = total + more, count + others
        blocks.append([total, count])
    found = np.zeros(len(chances))
    found[order] = np.concatenate([[total / count] * int(count) for total, count in blocks])
    return found


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))
