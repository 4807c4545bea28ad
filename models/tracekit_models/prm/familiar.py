"""Which runs a value model knows, whatever it reads them with: the mean features of its systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracekit.encoder.tensors import Tensors, read, write
from tracekit.prm import drift
from tracekit.prm.drift import Detector, Drift
from tracekit.prm.model import COLUMNS, FARTHEST, rows_of
from tracekit.trace import Trace
from tracekit_models.prm.data import Example, scale_of

FILE = "familiar.safetensors"


class Familiar(NamedTuple):
    """The detector that `prm` has, for a model that does not read features itself."""

    mean: np.ndarray
    scale: np.ndarray
    detector: Detector

    def judge(self, trace: Trace) -> Drift:
        """How unlike the training runs a run is."""
        rows = _scaled(rows_of(trace), self.mean, self.scale)
        return self.detector.judge(rows.mean(axis=0), len(trace.steps))

    def save(self, folder: Path) -> None:
        """Write it as safetensors; equal numbers give equal bytes."""
        arrays = {"mean": self.mean, "scale": self.scale, **self.detector.arrays()}
        found = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in arrays.items()}
        write(folder / FILE, found, {"kind": "familiar"})

    @classmethod
    def load(cls, folder: Path, systems: Sequence[str]) -> Familiar:
        """From a folder; raises `InputError` and `ValueError`."""
        return _of(read(folder / FILE), systems)


def familiar(found: Sequence[Example]) -> Familiar:
    """The detector for the systems of these runs."""
    scale = scale_of(found)
    rows = [_scaled(one.rows, *scale) for one in found]
    return Familiar(*scale, drift.fit(rows, [one.system for one in found]))


def _scaled(rows: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip((rows - mean) / scale, -FARTHEST, FARTHEST))


def _of(tensors: Tensors, systems: Sequence[str]) -> Familiar:
    arrays = {name: np.asarray(a, dtype=np.float64) for name, a in tensors.arrays.items()}
    try:
        mean, scale = arrays["mean"], arrays["scale"]
        detector = Detector.of(arrays, systems)
    except KeyError as error:
        raise ValueError(f"the detector of strange runs lacks {error}") from None
    width = (len(COLUMNS),)
    if mean.shape != width or scale.shape != width or detector.centres.shape[2:] != width:
        raise ValueError("the detector of strange runs is of another version: train the model anew")
    if not np.all(scale > 0):
        raise ValueError("the detector of strange runs has columns without a scale")
    return Familiar(mean, scale, detector)
