"""How unlike the training runs a run is: the distance of its mean features from the nearest system.

Values are conditional on the systems that made the training runs. A distance beyond what nearly
all of those runs showed at that length says that nothing is known about this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

COVERED = 0.99
"""Share of training prefixes, and of whole training runs, within the limit."""
CUT = 6.0
"""A column counts as that many deviations at most."""
STEPS = (2, 4, 8, 16, 32)
"""Lengths at which the limit changes: a mean of few steps strays further."""
FLOOR = 0.1
"""Least deviation of a scaled column."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What the detector says of a run."""

    distance: float
    """Root mean square over columns, in deviations within a system; 0 and up."""
    limit: float
    """What 99 of 100 training prefixes of that length stay below."""
    nearest: str
    """The training system that is nearest."""

    @property
    def drifted(self) -> bool:
        """Whether the run is unlike every training system."""
        return self.distance > self.limit

    def doubts(self, model: str) -> tuple[str, ...]:
        """That the run is unlike what a model was trained on, in a sentence; empty when it is not."""
        if not self.drifted:
            return ()
        return (
            (
                f"unlike the runs that {model} was trained on (nearest: {self.nearest}, distance "
                f"{self.distance:.2f}, limit {self.limit:.2f}): its values mean little here"
            ),
        )


class Detector(NamedTuple):
    """Mean features of the training systems."""

    systems: tuple[str, ...]
    centres: np.ndarray
    """(systems, lengths, columns)"""
    deviations: np.ndarray
    """(systems, lengths, columns)"""
    limits: np.ndarray
    """(systems, lengths)"""

    def judge(self, mean: np.ndarray, steps: int) -> Drift:
        """A run whose scaled rows have that mean after so many steps."""
        bucket = _bucket(steps)
        far = (mean - self.centres[:, bucket]) / self.deviations[:, bucket]
        distance = np.sqrt(np.square(np.clip(far, -CUT, CUT)).mean(axis=1))
        near = int(np.argmin(distance / self.limits[:, bucket]))
        return Drift(
            distance=float(distance[near]),
            limit=float(self.limits[near, bucket]),
            nearest=self.systems[near],
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The numbers by name, as they lie on disk."""
        return {
            "drift.centres": self.centres,
            "drift.deviations": self.deviations,
            "drift.limits": self.limits,
        }

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], systems: Sequence[str]) -> Detector:
        """From `arrays`; raises `KeyError` and `ValueError`."""
        centres, deviations, limits = (
            arrays[f"drift.{name}"] for name in ("centres", "deviations", "limits")
        )
        kinds = len(STEPS) + 1
        fits = centres.ndim == 3 and centres.shape == deviations.shape
        if not (fits and centres.shape[:2] == (len(systems), kinds) == limits.shape):
            raise ValueError("the drift detector does not fit its systems")
        if not (np.all(deviations > 0) and np.all(limits > 0)):
            raise ValueError("the drift detector has deviations or limits of 0")
        return cls(tuple(systems), centres, deviations, limits)


def fit(rows: Sequence[np.ndarray], systems: Sequence[str]) -> Detector:
    """From scaled rows of training runs, (steps, columns) each, and the system of each run."""
    names = tuple(sorted(set(systems)))
    kinds, width = len(STEPS) + 1, rows[0].shape[1]
    centres, deviations = np.zeros((len(names), kinds, width)), np.ones((len(names), kinds, width))
    limits = np.zeros((len(names), kinds))
    for s, name in enumerate(names):
        means = _means([run for run, owner in zip(rows, systems, strict=True) if owner == name])
        for b in range(kinds):
            near = b if len(means[b].rows) else _nearest(means, b)
            found, ends = means[near]
            centres[s, b] = found.mean(axis=0)
            deviations[s, b] = np.maximum(found.std(axis=0), FLOOR)
            far = np.clip((found - centres[s, b]) / deviations[s, b], -CUT, CUT)
            distance = np.sqrt(np.square(far).mean(axis=1))
            whole = distance[ends] if ends.any() else distance
            limits[s, b] = max(1.0, np.quantile(distance, COVERED), np.quantile(whole, COVERED))
    return Detector(names, centres, deviations, limits)


class Means(NamedTuple):
    """Mean rows of prefixes of about one length."""

    rows: np.ndarray
    """(prefixes, columns)"""
    ends: np.ndarray
    """Whether a prefix is the whole run, (prefixes,)."""


def _means(runs: Sequence[np.ndarray]) -> list[Means]:
    """Those of all prefixes of at least one step, by bucket of length."""
    found: list[list[np.ndarray]] = [[] for _ in range(len(STEPS) + 1)]
    ends: list[list[bool]] = [[] for _ in range(len(STEPS) + 1)]
    for run in runs:
        means = np.cumsum(run, axis=0) / np.arange(1, len(run) + 1)[:, None]
        for n in range(1, len(run)):
            found[_bucket(n)].append(means[n])
            ends[_bucket(n)].append(n == len(run) - 1)
    return [
        Means(np.array(rows), np.array(is_end)) for rows, is_end in zip(found, ends, strict=True)
    ]


def _bucket(steps: int) -> int:
    return int(np.searchsorted(STEPS, steps))


def _nearest(means: Sequence[Means], bucket: int) -> int:
    """The filled bucket nearest to an empty one, the shorter of two."""
    filled = [b for b in range(len(means)) if len(means[b].rows)]
    return min(filled, key=lambda b: (abs(b - bucket), b))
