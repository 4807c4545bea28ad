"""The weights of `compact`: a few linear members whose log-probabilities are averaged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
import numpy as np

from tracekit.analyzers.compact.features import NAMES
from tracekit.analyzers.conditional_logit import softmax


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


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `compact` needs to score a trace, as it lies on disk."""

    members: tuple[Member, ...]
    """Their log-probabilities count alike."""
    seed: int
    """Seed given to the fit, which draws nothing at random."""
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
        return None if self.members else "no members"

    def chances(self, by_member: Mapping[str, np.ndarray], blamable: np.ndarray) -> np.ndarray:
        """Probability of every step, float64 (n_steps,), sum 1; 0 where nobody can be blamed."""
        logs = np.zeros(int(blamable.sum()))
        for member in self.members:
            scores = member.parts(by_member[member.name], blamable)[blamable].sum(axis=1)
            logs += _log_softmax(scores) / len(self.members)
        found = np.zeros(len(blamable))
        found[blamable] = softmax(logs)
        return found


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
    ranked = sorted(norms.items(), key=lambda item: (-item[1], item[0]))
    return {owner: round(norm / total, 12) for owner, norm in ranked}


def ranking(chances: np.ndarray, owners: list[str]) -> list[int]:
    """Steps, most suspect first: the best step of the likeliest agent, then all by probability."""
    by_chance = sorted(range(len(chances)), key=lambda i: (-chances[i], i))
    likeliest = next(iter(agent_chances(chances, owners)))
    lead = next(i for i in by_chance if owners[i] == likeliest)
    return [lead, *(i for i in by_chance if i != lead)]


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    shifted = scores - scores.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))
