"""Pre-trains the networks of `compact` on injected failures, whose decisive steps are known.

    tracekit inject -o datasets/injected --n 5000
    python -m tracekit_models.compact.pretrain datasets/injected --data $TRACEKIT_DATA

Every feature is scaled by what is usual over the kinds of logs at hand: injected runs and the runs
of the labelled sets other than Who&When, each kind counting alike. Their labels are not read.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from tracekit.analyzers.compact.features import tables
from tracekit.analyzers.compact.graph import Graph
from tracekit.analyzers.compact.networks import Networks
from tracekit.ingest.pipeline import load
from tracekit.inject.modes import MODES
from tracekit.trace import Trace
from tracekit_models.compact import trainer
from tracekit_models.compact.fitting import Recipe, fit

RUNS = 2400
"""Failures that are used, drawn by seed."""
RECIPE = Recipe(epochs=3, rate=3e-3, decay=0.05, runs=64, agents=0.5, modes=0.2)
SETS = ("agentrx", "agenterrorbench-gaia", "trail", "tracertraj-code-test", "mast-masft")
"""Labelled sets whose features are scaled by, not their labels."""
FLOOR = 0.15
"""Least scale of a column: what is seen in a few steps only cannot weigh much."""
CODES = tuple(code for code in MODES if code.startswith("FM"))
OUT = Path(__file__).parent / "pretrained.safetensors"


def failures(folder: Path, runs: int, seed: int) -> list[Trace]:
    """Injected failures whose decisive step is known, drawn by seed from all of a data set."""
    found = [
        trace
        for trace in load(folder)
        if trace.failed and any(label.definition == "decisive" for label in trace.labels)
    ]
    chosen = random.Random(seed).sample(range(len(found)), min(runs, len(found)))  # noqa: S311
    return [found[k] for k in sorted(chosen)]


def example(trace: Trace) -> Graph | None:
    """A failure as an example, None when its decisive step cannot be blamed."""
    graph = tables(trace).graph
    label = next(label for label in trace.labels if label.definition == "decisive")
    struck = {mode for each in trace.labels for mode in each.modes}
    if label.step is None or not graph.blamable[label.step]:
        return None
    return graph._replace(
        step=label.step,
        who=int(graph.agent[label.step]),
        modes=np.array([float(code in struck) for code in CODES]),
    )


def scaling(kinds: Iterable[Sequence[Graph]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of every column over kinds of logs, each counting alike: two (n_features,)."""
    moments = []
    for runs in kinds:
        rows = np.concatenate([run.x[run.blamable] for run in runs if run.blamable.any()])
        moments.append((rows.mean(axis=0), (rows**2).mean(axis=0)))
    mean = np.mean([first for first, _ in moments], axis=0)
    spread = np.sqrt(np.maximum(np.mean([square for _, square in moments], axis=0) - mean**2, 0))
    return mean, np.maximum(spread, FLOOR)


def pretrain(runs: Sequence[Graph], others: Iterable[Sequence[Graph]], seed: int) -> Networks:
    """A bag of networks fitted on injected failures."""
    mean, scale = scaling([runs, *others])
    empty = Networks(mean, scale, ())
    scaled = [empty.scaled(run) for run in runs]
    torch.set_num_threads(1)
    members = [fit(scaled, trainer.shape(), RECIPE, 100 * seed + n) for n in range(trainer.BAG)]
    return Networks(mean, scale, tuple(map(trainer.arrays_of, members)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the weights that tuning starts from."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("injected", type=Path, help="a data set made by tracekit inject")
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--out", type=Path, default=OUT, help="where the weights go")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    drawn = failures(given.injected, RUNS, given.seed)
    runs = [run for trace in drawn if (run := example(trace)) is not None]
    sys.stderr.write(f"{len(runs)} failures\n")
    others = [
        [tables(trace).graph for trace in load(given.data / "labeled" / name) if trace.steps]
        for name in SETS
    ]
    networks = pretrain(runs, others, given.seed)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    networks.save(given.out)
    sys.stderr.write(f"pre-trained on {len(runs)} runs, {networks.id}: {given.out}\n")


if __name__ == "__main__":
    main()
