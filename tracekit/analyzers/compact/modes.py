"""Which failure modes an agent shows, from what its turns look like; numpy alone.

    model = ModeModel.load()
    model.probabilities(trace, x, e)        # agent -> mode -> probability

The turns of an agent are a bag: attention picks the few that speak loudest, and what they look like
is compared with one prototype per mode (the contrastive learner of AEGIS, arXiv 2509.14295; fitted
by `tracekit_models.compact.modes`, measured in docs/experiments/modes.md). A mode is stated only
above a threshold that was set on held-out data, which for some modes is out of reach, and only of
runs that look like those it was fitted on: on others the model is no better than chance.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from tracekit.encoder.tensors import Tensors, read
from tracekit.errors import InputError
from tracekit.signals import columns
from tracekit.trace import Trace

FORMAT = "tracekit/modes/1"
EVIDENCE = 3
"""Turns of a bag that count (K of the paper)."""
FARTHEST = 5.0
"""Standard deviations beyond which a feature is cut off, so that strange logs stay in range."""
EPSILON = 1e-5
"""Of the layer norm."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of weights says about itself."""

    modes: tuple[str, ...]
    """Codes, in the order of the outputs."""
    columns: tuple[str, ...]
    """Names of the features, in order."""
    text: int
    """Length of an embedding."""
    thresholds: tuple[float, ...]
    """Probability from which each mode is stated; above 1 = never."""
    familiar: float
    """Cosine to the nearest kind of known runs from which modes are stated at all, -1 to 1."""


class Said(NamedTuple):
    """What the model says of one agent."""

    failed: float
    """Probability that the agent failed in any of the modes, 0 to 1."""
    modes: dict[str, float]
    """Probability of each mode, 0 to 1."""
    evidence: tuple[int, ...]
    """The steps that were looked at, the loudest first."""


class ModeModel:
    """The mode model; `settings` says which modes, features and thresholds it has."""

    def __init__(self, settings: Settings, arrays: dict[str, np.ndarray]) -> None:
        self.settings = settings
        self._w = {name: np.asarray(array, dtype=np.float64) for name, array in arrays.items()}
        known = {name: n for n, name in enumerate(columns.names())}
        missing = [name for name in settings.columns if name not in known]
        if missing:
            raise ValueError(f"features are unknown: {', '.join(missing[:3])}")
        self._kept = [known[name] for name in settings.columns]
        self._check()

    @classmethod
    def load(cls, path: str | Path | None = None) -> ModeModel:
        """The shipped model, or one from a `.safetensors` file; read once.

        Raises `InputError` when the file is missing, damaged, or no mode model.
        """
        return _loaded(str(path or shipped()))

    def probabilities(
        self, trace: Trace, x: np.ndarray, e: np.ndarray
    ) -> dict[str, dict[str, float]]:
        """Probability of each mode for each agent that acts, in order of appearance.

        `x` holds the features of `signals.columns.matrix`, float (n_steps, n_columns), `e` the
        embeddings of the steps, float (n_steps, text).
        """
        return {agent: said.modes for agent, said in self.verdicts(trace, x, e).items()}

    def stated(self, trace: Trace, x: np.ndarray, e: np.ndarray) -> dict[str, tuple[str, ...]]:
        """The modes of each agent that reach their thresholds, most probable first.

        None of any agent, if the run looks unlike all that the model knows.
        """
        if not trace.steps or self.familiarity(e) < self.settings.familiar:
            return dict.fromkeys(turns(trace), ())
        limits = dict(zip(self.settings.modes, self.settings.thresholds, strict=True))
        return {
            agent: tuple(
                mode
                for mode, p in sorted(given.items(), key=lambda it: -it[1])
                if p >= limits[mode]
            )
            for agent, given in self.probabilities(trace, x, e).items()
        }

    def familiarity(self, e: np.ndarray) -> float:
        """Cosine of the run's mean embedding to the nearest kind of known runs, -1 to 1."""
        mean = np.asarray(e, dtype=np.float64).mean(axis=0)
        return float((self._w["known"] @ mean).max() / max(float(np.linalg.norm(mean)), 1e-12))

    def verdicts(self, trace: Trace, x: np.ndarray, e: np.ndarray) -> dict[str, Said]:
        """All that the model says of each agent, with the steps that it looked at."""
        z = self._states(self._inputs(x, e))
        loud = z @ self._w["look.weight"][0] + self._w["look.bias"][0]
        found: dict[str, Said] = {}
        for agent, steps in turns(trace).items():
            top = steps[np.argsort(-loud[steps], kind="stable")[:EVIDENCE]]
            weight = np.exp(loud[top] - loud[top[0]])
            found[agent] = self._said((weight / weight.sum()) @ z[top], top)
        return found

    def _inputs(self, x: np.ndarray, e: np.ndarray) -> np.ndarray:
        x = (np.asarray(x, dtype=np.float64)[:, self._kept] - self._w["mean"]) / self._w["spread"]
        text = np.asarray(e, dtype=np.float64) * self.settings.text**0.5
        return np.concatenate([x.clip(-FARTHEST, FARTHEST), text], axis=1)

    def _states(self, inputs: np.ndarray) -> np.ndarray:
        """States of the turns, (n, width): linear, layer norm, ReLU, linear."""
        w = self._w
        h = inputs @ w["enter.0.weight"].T + w["enter.0.bias"]
        h = h - h.mean(axis=1, keepdims=True)
        h = h / np.sqrt(np.square(h).mean(axis=1, keepdims=True) + EPSILON)
        h = np.maximum(h * w["enter.1.weight"] + w["enter.1.bias"], 0.0)
        return np.asarray(h @ w["enter.3.weight"].T + w["enter.3.bias"])

    def _said(self, pooled: np.ndarray, top: np.ndarray) -> Said:
        w = self._w
        near = w["prototypes"] @ (pooled / max(float(np.linalg.norm(pooled)), 1e-12))
        agent = pooled @ w["agent.weight"][0] + w["agent.bias"][0]
        mode = w["scale"] * near + w["shift"]
        pair = _sigmoid(
            w["gate.weight"][0, 0] * agent + w["gate.weight"][0, 1] * mode + w["gate.bias"][0]
        )
        given = dict(zip(self.settings.modes, pair.tolist(), strict=True))
        return Said(float(_sigmoid(agent)), given, tuple(top.tolist()))

    def _check(self) -> None:
        """One forward pass over zeros; raises `ValueError` unless every array fits."""
        modes, width = len(self.settings.modes), len(self._w["look.weight"][0])
        if self._w["prototypes"].shape != (modes, width):
            raise ValueError("the prototypes do not fit the modes")
        if len(self.settings.thresholds) != modes:
            raise ValueError("modes and thresholds differ in number")
        zeros = np.zeros((1, len(columns.names()))), np.zeros((1, self.settings.text))
        self._said(self._states(self._inputs(*zeros))[0], np.zeros(1, dtype=int))
        self.familiarity(zeros[1])


def turns(trace: Trace) -> dict[str, np.ndarray]:
    """The steps of each agent, int, agents in order of appearance."""
    found: dict[str, list[int]] = {}
    for at, step in enumerate(trace.steps):
        found.setdefault(step.agent, []).append(at)
    return {agent: np.array(steps) for agent, steps in found.items()}


@cache
def shipped() -> Path:
    """The file of the mode model that ships with tracekit."""
    return Path(str(files("tracekit.analyzers").joinpath("weights", "modes.safetensors")))


@cache
def _loaded(path: str) -> ModeModel:
    tensors = read(path)
    try:
        return ModeModel(_settings(tensors), tensors.arrays)
    except (LookupError, ValueError, ArithmeticError) as error:
        raise InputError(f"{path}: not a mode model: {error}; export it again") from None


def _settings(tensors: Tensors) -> Settings:
    found = tensors.metadata.get("format")
    if found != FORMAT:
        raise ValueError(f"its format is {found!r}, wanted {FORMAT!r}")
    return msgspec.json.decode(tensors.metadata["settings"], type=Settings)


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -60.0, 60.0))))
