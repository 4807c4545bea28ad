"""`prm`: the process reward model, the value of every prefix of a run as a chance of success.

Values are conditional on the systems that made the training runs (`Prm.drift` says when a run is
unlike them); models/cards/prm.md says which those are and how good the values are. Runs on numpy
alone; training is `tracekit_models.prm`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgspec
import numpy as np

from tracekit import registry
from tracekit.context import Context
from tracekit.encoder.encoder import Encoder
from tracekit.encoder.tensors import Tensors, read, write
from tracekit.prm import features
from tracekit.prm.drift import Detector, Drift
from tracekit.prm.features import Story, said
from tracekit.prm.network import Shape, Weights, advance, start
from tracekit.trace import Step, Trace

FARTHEST = 6.0
"""Scaled features are cut off there: a run unlike all others must not shout the others down."""
TEXT = 16
"""Leading numbers of a text's vector that are used; the encoder's are principal components."""
COLUMNS: tuple[str, ...] = (*features.COLUMNS, *(f"text_{n}" for n in range(TEXT)))
"""What a network reads of a step."""
FINAL = COLUMNS.index("kind_final")
"""The column that marks a step that ends a run."""
FILE = "prm.safetensors"
TRAINER = "tracekit_models.prm.train:fit"
"""What fits a model; needs the extra `train`."""


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Log-odds are slope * logit + shift (Platt 1999)."""

    slope: float
    shift: float


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not an array: the metadata of the file of weights."""

    shape: Shape
    columns: tuple[str, ...]
    """Names of the features, in order."""
    encoder: str
    """Id of the text encoder that the vectors come from."""
    systems: tuple[str, ...]
    """Systems that the training runs came from."""
    slope: float = 1.0
    """Of the calibration: log-odds are slope * logit + shift."""
    shift: float = 0.0
    final: Curve | None = None
    """The calibration of `final` steps, where they have one of their own."""
    outcome_only: bool = False
    """Whether only the value after the last step was trained: an outcome reward model."""
    seed: int = 0
    traces: tuple[str, ...] = ()
    """Fingerprints of the runs that it was fitted on."""


class Model(NamedTuple):
    """Everything that `Prm` knows."""

    settings: Settings
    mean: np.ndarray
    """Of each column over the training steps."""
    scale: np.ndarray
    """What counts as one unit of it."""
    members: tuple[Weights, ...]
    """Networks alike but for their seeds; their logits are averaged."""
    detector: Detector

    @property
    def id(self) -> str:
        """Short hash of the weights, 12 hex digits."""
        digest = hashlib.sha256(msgspec.json.encode(self.settings))
        for name, array in sorted(self.arrays().items()):
            digest.update(name.encode() + b"\0" + array.tobytes())
        return digest.hexdigest()[:12]

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name, float32, as it lies on disk."""
        found = {"mean": self.mean, "scale": self.scale, **self.detector.arrays()}
        for number, member in enumerate(self.members):
            found |= {f"{number}.{name}": array for name, array in member.items()}
        return {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in found.items()}

    def chance(self, logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Calibrated probabilities of success, 0 to 1; `rows` as `rows_of` makes them."""
        settings = self.settings
        odds = settings.slope * logits + settings.shift
        if settings.final is not None:
            ended = settings.final.slope * logits + settings.final.shift
            odds = np.where(rows[:, FINAL] > 0, ended, odds)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0))))

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Rows as the networks want them."""
        return np.asarray(np.clip((rows - self.mean) / self.scale, -FARTHEST, FARTHEST))


class Prm:
    """See the module. A `ValueFunction`, and `Fitted` and `Storable` as analyzers are."""

    name: ClassVar[str] = "prm"
    version: ClassVar[str] = "1"

    def __init__(self, model: Model | None = None) -> None:
        self._model = model

    @property
    def model(self) -> Model:
        """The weights; those that ship are read when they are first needed."""
        return shipped() if self._model is None else self._model

    def values(self, trace: Trace) -> Sequence[float]:
        """Probability of success after each step, 0 to 1, in one pass over the run."""
        model, rows = self.model, rows_of(trace)
        x, shape = model.scaled(rows), model.settings.shape
        each = [advance(w, shape, start(shape), x)[0] for w in model.members]
        found: list[float] = model.chance(np.mean(each, axis=0), rows)[1:].tolist()
        return found

    def begin(self, trace: Trace) -> Running:
        """The value of a run that is still going on; its steps are left out."""
        return Running(self.model, trace)

    def drift(self, trace: Trace) -> Drift:
        """How unlike the training runs a run is; `drifted` when its values mean little."""
        rows = self.model.scaled(rows_of(trace))
        return self.model.detector.judge(rows.mean(axis=0), len(trace.steps))

    def doubts(self, trace: Trace) -> tuple[str, ...]:
        """That the run is unlike every training system, in a sentence; empty when it is not.

        A run without steps is like nothing and unlike nothing.
        """
        return self.drift(trace).doubts("prm") if trace.steps else ()

    def seen(self) -> frozenset[str]:
        """Content hashes of the runs it was fitted on."""
        return frozenset(self.model.settings.traces)

    def fit(self, traces: Iterable[Trace], context: Context) -> Prm:
        """A model fitted on runs with known outcomes; needs the extra `train`."""
        fitter = registry.load(TRAINER, "the trainer of prm")
        found: Prm = fitter(list(traces), seed=context.seed)
        return found

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors; equal weights give equal bytes."""
        save(self.model, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Prm:
        """The model in a folder; raises `InputError` for a broken file, `ValueError` for another's."""
        return cls(of(read(folder / FILE)))


class Running:
    """The value of a run that goes on; a new step costs only itself."""

    def __init__(self, model: Model, trace: Trace) -> None:
        self._model = model
        self._story = Story(trace)
        self._states = tuple(start(model.settings.shape) for _ in model.members)
        self._mean, self._steps = np.zeros(len(COLUMNS)), -1
        self.value = self._take(self._story.opening(), trace.task.question)

    def push(self, step: Step) -> float:
        """The value after one more step, 0 to 1."""
        self.value = self._take(self._story.read(step), said(step))
        return self.value

    def fork(self) -> Running:
        """An independent copy, at a cost that does not depend on the length of the run."""
        twin = object.__new__(Running)
        twin.__dict__.update(self.__dict__)
        twin._story = self._story.copy()
        return twin

    def drift(self) -> Drift:
        """How unlike the training runs this one is so far."""
        return self._model.detector.judge(self._mean, max(1, self._steps))

    def _take(self, row: np.ndarray, text: str) -> float:
        model = self._model
        rows = _joined(row[None], [text])
        x = model.scaled(rows)
        found = [
            advance(weights, model.settings.shape, state, x)
            for weights, state in zip(model.members, self._states, strict=True)
        ]
        self._states = tuple(state for _, state in found)
        self._steps += 1
        self._mean = self._states[0].total / self._states[0].rows
        return float(model.chance(np.mean([logits for logits, _ in found], axis=0), rows)[0])


def rows_of(trace: Trace) -> np.ndarray:
    """Rows before the first step and after each, not scaled, float64 (n_steps + 1, columns)."""
    story = Story(trace)
    rows = np.stack([story.opening(), *(story.read(step) for step in trace.steps)])
    return _joined(rows, [trace.task.question, *(said(step) for step in trace.steps)])


def _joined(rows: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Features beside the vectors of their texts."""
    vectors = Encoder.load().encode(texts)[:, :TEXT].astype(np.float64)
    return np.concatenate([rows, vectors], axis=1)


def save(model: Model, path: Path) -> None:
    """Write a model as a safetensors file."""
    settings = msgspec.json.encode(model.settings).decode()
    write(path, model.arrays(), {"kind": "prm", "settings": settings})


def of(tensors: Tensors) -> Model:
    """A model from the arrays of a file; raises `ValueError` when they are not one."""
    if tensors.metadata.get("kind") != "prm":
        raise ValueError("not the weights of a process reward model")
    settings = msgspec.json.decode(tensors.metadata["settings"], type=Settings)
    arrays = {name: np.asarray(a, dtype=np.float64) for name, a in tensors.arrays.items()}
    members: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        number, dot, rest = name.partition(".")
        if dot and number.isdigit():
            members.setdefault(number, {})[rest] = array
    try:
        detector = Detector.of(arrays, settings.systems)
        found = Model(
            settings, arrays["mean"], arrays["scale"],
            tuple(members[k] for k in sorted(members, key=int)), detector,
        )  # fmt: skip
        _check(found)
    except (KeyError, IndexError) as error:
        raise ValueError(f"weights without {error}; train them anew") from None
    return found


def _check(model: Model) -> None:
    """Raises `ValueError` for weights that make no sense, before anything is scored with them."""
    settings, shape = model.settings, model.settings.shape
    if settings.columns != COLUMNS or settings.encoder != Encoder.load().id:
        raise ValueError("weights for other features or another encoder; train them anew")
    sizes = (shape.width, shape.layers, shape.heads, shape.voices, shape.window)
    if min(sizes) < 1 or max(sizes) > 4096 or shape.width % shape.heads:
        raise ValueError(f"sizes that make no sense: {shape}")
    curves = [settings.slope, *([settings.final.slope] if settings.final else [])]
    if min(curves) <= 0:
        raise ValueError("a calibration that turns the order of values around")
    if not model.members or model.scale.shape != (len(COLUMNS),) or not np.all(model.scale > 0):
        raise ValueError("no networks, or columns without a scale")
    if not all(np.isfinite(array).all() for array in model.arrays().values()):
        raise ValueError("weights that are not finite")
    for weights in model.members:
        advance(weights, shape, start(shape), np.zeros((1, len(COLUMNS))))


@cache
def shipped() -> Model:
    """The weights that ship with tracekit."""
    return of(read(Path(str(files("tracekit.prm").joinpath("weights", FILE)))))


def settings_of(shape: Shape, **more: Any) -> Settings:
    """Settings for the columns and the encoder of this version."""
    return Settings(shape=shape, columns=COLUMNS, encoder=Encoder.load().id, **more)


def member_of(state: Mapping[str, np.ndarray]) -> Weights:
    """The weights of one network, float64, exactly as float32 holds them."""
    return {k: np.asarray(v, dtype=np.float32).astype(np.float64) for k, v in state.items()}
