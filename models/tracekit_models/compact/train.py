"""Fits the weights of `compact` that ship, and measures the very same recipe out of fold.

    python -m tracekit_models.compact.train --data $TRACEKIT_DATA            # writes the weights
    python -m tracekit_models.compact.train --data $TRACEKIT_DATA --check    # cross-validation

Who&When counts fully; AgentErrorBench, TRAIL and the tau-bench part of AgentRx count three tenths,
because their labels mean something else. AgentRx also labels some of the hand-crafted runs of
Who&When: where it does, its root cause takes three tenths of that run's label. Runs with injected
errors (TracerTraj) stay out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.compact import analyzer
from tracekit.analyzers.compact.features import Tables, tables
from tracekit.analyzers.compact.fit import Example, example, fit_weights
from tracekit.analyzers.compact.weights import Weights, as_json, ranking
from tracekit.folds import fingerprint, grouped_folds, question_key
from tracekit.ingest.pipeline import load
from tracekit.stats import wilson
from tracekit.trace import Trace

AUXILIARY = {"agenterrorbench-gaia": 0.3, "trail": 0.3, "agentrx": 0.3}
"""Folders under `labeled/` and how much a run of each counts."""
SHIPPED = Path(analyzer.__file__).parents[1] / "weights" / "compact.json"
"""The weights in the source tree."""


class Data(NamedTuple):
    """The development halves."""

    traces: list[Trace]
    """Who&When."""
    seen: list[Tables]
    """Their features."""
    own: list[Example | None]
    """Its runs as examples, None for a run without a usable label."""
    others: list[tuple[str, Example]]
    """Runs of other benchmarks, each with the key of its question."""


def read(labeled: Path) -> Data:
    """Everything that `compact` is fitted on."""
    traces = list(load(labeled / "who-and-when", format="who-and-when"))
    prints = {fingerprint(trace) for trace in traces}
    second: dict[str, int] = {}
    others: list[tuple[str, Example]] = []
    for folder, weight in AUXILIARY.items():
        for trace in load(labeled / folder):
            blamed = [label.step for label in trace.labels if label.step is not None]
            if not blamed:
                continue
            if (mark := fingerprint(trace)) in prints:
                second[mark] = min(blamed)
            elif (found := example(trace, weight)) is not None:
                others.append((question_key(trace), found))
    own = [example(trace, second=second.get(fingerprint(trace))) for trace in traces]
    return Data(traces, [tables(trace) for trace in traces], own, others)


def shipped_weights(data: Data) -> Weights:
    """Fitted on all of it."""
    return fit_weights([*(x for x in data.own if x is not None), *(x for _, x in data.others)])


def held_out(data: Data, seed: int, folds: int = 10) -> np.ndarray:
    """Step right, agent right, top 3, log loss of every Who&When run, fitted without its fold.

    Runs of other benchmarks with a question of the fold are left out with it. Float64 (n_runs, 4).
    """
    fold = grouped_folds(data.traces, question_key, folds, seed)
    scores = np.zeros((len(data.traces), 4))
    for k in range(folds):
        asked = {question_key(t) for t, f in zip(data.traces, fold, strict=True) if f == k}
        own = [x for x, f in zip(data.own, fold, strict=True) if f != k and x is not None]
        weights = fit_weights([*own, *(x for q, x in data.others if q not in asked)])
        for i in np.flatnonzero(fold == k):
            scores[i] = _score(weights, data.traces[i], data.seen[i])
    return scores


def _score(weights: Weights, trace: Trace, seen: Tables) -> tuple[float, float, float, float]:
    chances, label = weights.chances(seen.by_member, seen.blamable), trace.labels[0]
    owners = [step.agent for step in trace.steps]
    order = ranking(chances, owners)
    assert label.step is not None
    return (
        order[0] == label.step,
        owners[order[0]] == label.agent,
        label.step in order[:3],
        -float(np.log(max(chances[label.step], 1e-3))),
    )


def report(data: Data, seeds: Sequence[int]) -> str:
    """A table of both parts of Who&When: mean over seeds, Wilson interval, spread over seeds."""
    runs = np.stack([held_out(data, seed) for seed in seeds])
    generated = np.array([trace.source.framework == "ag2" for trace in data.traces])
    lines = []
    for part, rows in (("algorithm-generated", generated), ("hand-crafted", ~generated)):
        by_seed = runs[:, rows].mean(axis=1)
        cells = []
        for name, values in zip(("step", "agent", "top 3"), by_seed.T, strict=False):
            found = wilson(float(values.sum()) / len(seeds) * int(rows.sum()), int(rows.sum()))
            interval = f"{found.low:.0%}-{found.high:.0%}, sd {values.std():.1%}"
            cells.append(f"{name} {values.mean():.1%} ({interval})")
        lines.append(f"{part} ({rows.sum()}): {', '.join(cells)}, loss {by_seed[:, 3].mean():.3f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit what ships, or check it out of fold."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where the weights go")
    parser.add_argument("--check", action="store_true", help="cross-validate instead of writing")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of the folds, with --check")
    given = parser.parse_args(arguments)
    data = read(given.data / "labeled")
    if given.check:
        sys.stdout.write(report(data, range(given.seeds)) + "\n")
        return
    weights = shipped_weights(data)
    given.out.write_bytes(as_json(weights))
    sys.stderr.write(f"fitted on {len(weights.traces)} traces, {weights.id}: {given.out}\n")


if __name__ == "__main__":
    main()
