"""Fitting the weights of `linear`, and the one command that refits what ships.

    python -m tracekit.analyzers.linear_fit --data $TRACEKIT_DATA

The penalty is chosen by cross-validation within the training traces, grouped by question, so that
a caller who cross-validates `fit` never tunes on what is held out.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from tracekit.analyzers.conditional_logit import Choices, fit
from tracekit.errors import UsageError
from tracekit.folds import fingerprint, grouped_folds
from tracekit.signals.features import NAMES, matrix
from tracekit.signals.reading import read
from tracekit.trace import Trace

RIDGES = (3.0, 10.0, 30.0)
"""Penalties tried, on weights of standardised features."""
FOLDS = 5
"""Folds of the inner cross-validation."""
FEWEST = 10
"""Traces with a usable label below which nothing is fitted."""
SHIPPED = Path(__file__).with_name("weights") / "linear.json"
"""The weights in the source tree."""


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `linear` needs to score a trace, as it lies on disk."""

    features: tuple[str, ...]
    """Columns, in order."""
    mean: tuple[float, ...]
    """Of each column over the blamable training steps."""
    scale: tuple[float, ...]
    """Standard deviation likewise, 1 for a constant column."""
    weight: tuple[float, ...]
    """Log-odds per standard deviation."""
    ridge: float
    """The penalty chosen."""
    seed: int
    """Seed of the inner folds."""
    traces: tuple[str, ...]
    """Fingerprints of the training traces, sorted."""

    @property
    def id(self) -> str:
        """Short hash of the weights, 12 hex digits."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]

    def parts(self, x: np.ndarray, blamable: np.ndarray) -> np.ndarray:
        """What each feature adds to each step's score, log-odds against the trace's average step."""
        z = (x - np.array(self.mean)) / np.array(self.scale)
        return np.asarray((z - z[blamable].mean(axis=0)) * np.array(self.weight))


def as_json(weights: Weights) -> bytes:
    """The weights as they lie on disk."""
    return msgspec.json.format(msgspec.json.encode(weights), indent=1) + b"\n"


class Case(NamedTuple):
    """One training trace, reduced to its blamable steps."""

    trace: Trace
    x: np.ndarray
    chosen: int


def fit_weights(traces: Iterable[Trace], seed: int = 0) -> Weights:
    """Weights for labelled traces; raises `UsageError` when fewer than ten are usable."""
    cases = [case for trace in traces if (case := _case(trace)) is not None]
    if len(cases) < FEWEST:
        raise UsageError(
            f"linear: {len(cases)} traces have a labelled step that can be blamed, {FEWEST} needed"
        )
    folds = grouped_folds([case.trace for case in cases], question, FOLDS, seed)
    ridge = max(RIDGES, key=lambda ridge: _held_out(cases, folds, ridge))
    mean, scale, weight = _fit(cases, ridge)
    return Weights(
        features=NAMES,
        mean=_rounded(mean),
        scale=_rounded(scale),
        weight=_rounded(weight),
        ridge=ridge,
        seed=seed,
        traces=tuple(sorted(fingerprint(case.trace) for case in cases)),
    )


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    """Six decimals: the same file from every build of numpy."""
    return tuple(values.round(6).tolist())


def question(trace: Trace) -> str:
    """What the run was asked: runs of one question never lie on both sides of a split."""
    return trace.task.id or trace.task.question or trace.id


def _case(trace: Trace) -> Case | None:
    reading = read(trace)
    rows = np.flatnonzero(reading.blamable).tolist()
    labelled = [label.step for label in trace.labels if label.step in rows]
    if not labelled:
        return None
    return Case(trace, matrix(reading)[rows], rows.index(min(labelled)))


def _fit(cases: Sequence[Case], ridge: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and scale of the columns, and the weights."""
    rows = np.concatenate([case.x for case in cases])
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale < 1e-9] = 1.0
    z = [(case.x - mean) / scale for case in cases]
    choices = Choices(z, [case.chosen for case in cases])
    weight = fit(choices, np.full(len(NAMES), ridge))
    return mean, scale, weight


def _held_out(cases: Sequence[Case], folds: np.ndarray, ridge: float) -> float:
    """Log-likelihood of the labels out of fold."""
    total = 0.0
    for fold in sorted(set(folds.tolist())):
        train = [case for case, f in zip(cases, folds, strict=True) if f != fold]
        mean, scale, weight = _fit(train, ridge)
        test = [case for case, f in zip(cases, folds, strict=True) if f == fold]
        choices = Choices([(case.x - mean) / scale for case in test], [c.chosen for c in test])
        total += float(choices.log_chances(weight)[choices.labelled].sum())
    return total


def _training(data: Path) -> Iterator[Trace]:
    """The development half of Who&When."""
    from tracekit.ingest.pipeline import load  # only the command reads files

    return load(data / "labeled" / "who-and-when", format="who-and-when")


def main(arguments: Sequence[str] | None = None) -> None:
    """Refit on the development half of Who&When and write the weights."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where the weights go")
    parser.add_argument("--seed", type=int, default=0, help="seed of the inner folds")
    given = parser.parse_args(arguments)
    weights = fit_weights(_training(given.data), given.seed)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_bytes(as_json(weights))
    sys.stderr.write(
        f"fitted on {len(weights.traces)} traces, ridge {weights.ridge:g}: {given.out}\n"
    )


if __name__ == "__main__":
    main()
