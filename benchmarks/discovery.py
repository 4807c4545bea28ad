"""How well causal discovery finds planted systems: skeleton F1, false edges, drift, cost.

    python benchmarks/discovery.py [--systems 10] [--sizes 100,1000,10000] [--json FILE]

A system has 12 variables in 4 tiers, as behaviour in 4 phases. Each later variable has one or two
causes in earlier tiers (or its own). Linear systems add Gaussian noise; discrete ones have yes-or-no
variables. In drifting systems the level of half of the variables changes over time, each at its own
pace, as when prompts and models change; nothing in the data says so but the order of the runs.
Shuffled data have the same columns and no edges at all. Intervals are bootstraps over systems.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tracekit import stats
from tracekit.analyzers.causal.independence import Variables
from tracekit.analyzers.causal.search import Settings, search

TIERS, WIDE = 4, 3
CURVES = 3
ALPHA = 0.02


class System(NamedTuple):
    """A planted graph."""

    weights: np.ndarray
    """Row = effect, column = cause."""
    drift: np.ndarray
    """How much the level of each variable changes."""
    pace: np.ndarray
    """Half turns of the change over all runs."""

    @property
    def skeleton(self) -> set[frozenset[int]]:
        """Pairs that are joined."""
        return {frozenset((int(i), int(j))) for i, j in zip(*np.nonzero(self.weights), strict=True)}


def system(seed: int, *, drifting: bool) -> System:
    """A random one."""
    rng = np.random.default_rng(seed)
    size = TIERS * WIDE
    weights = np.zeros((size, size))
    for node in range(WIDE, size):
        earlier = np.arange(node - node % WIDE)
        near = earlier[-2 * WIDE :]
        causes = rng.choice(near, size=int(rng.integers(1, 3)), replace=False)
        weights[node, causes] = rng.uniform(0.4, 0.9, len(causes)) * rng.choice(
            [-1, 1], len(causes)
        )
    moved = rng.permutation(size) < size // 2
    drift = np.where(moved, rng.uniform(1.0, 2.0, size), 0.0) * drifting
    return System(weights, drift, rng.uniform(0.5, 1.5, size))


def draw(of: System, n: int, seed: int, *, discrete: bool) -> np.ndarray:
    """Runs of a system in the order of time, (n, variables)."""
    rng = np.random.default_rng([seed, n])
    when = np.linspace(0, 1, n)[:, None]
    level = of.drift * np.cos(np.pi * of.pace * when)
    values = np.zeros((n, len(of.weights)))
    for node in range(len(of.weights)):
        pull = values @ of.weights[node] + level[:, node]
        if discrete:
            values[:, node] = (rng.random(n) < 1 / (1 + np.exp(-2.5 * pull))) * 2 - 1
        else:
            values[:, node] = pull + rng.normal(size=n)
    return values


def variables(values: np.ndarray, settings: Settings) -> tuple[Variables, list[int]]:
    """What the search is given: with the context for CD-NOD."""
    n, size = values.shape
    tiers = [k // WIDE for k in range(size)]
    when = np.linspace(0, 1, n)
    parts = [values[:, [k]] for k in range(size)]
    if settings.algorithm == "cd-nod":
        tiers.append(-1)
        classes = settings.test == "g-squared"
        curves = np.cos(np.pi * np.outer(when, np.arange(1, CURVES + 1)))
        parts.append(np.minimum((when * 6).astype(float) // 1, 5)[:, None] if classes else curves)
    return Variables.of(parts), tiers


def found(values: np.ndarray, settings: Settings) -> set[frozenset[int]]:
    """Pairs that a search joins, context left out."""
    edges = search(*variables(values, settings), settings)
    return {frozenset(edge[:2]) for edge in edges if max(edge[:2]) < values.shape[1]}


def f1(said: set[frozenset[int]], true: set[frozenset[int]]) -> float:
    """Harmonic mean of precision and recall of the skeleton."""
    return 2 * len(said & true) / max(1, len(said) + len(true))


def settings(algorithm: Any, test: Any) -> Settings:
    """A search at the level of this benchmark."""
    return Settings(algorithm, test, ALPHA)


def percent(values: Sequence[float]) -> str:
    """Mean and interval, in percent."""
    one = stats.bootstrap(values)
    return f"{100 * one.value:.1f} ({100 * one.low:.1f}-{100 * one.high:.1f})"


KINDS = {
    "linear": [("pc", "fisher-z"), ("cd-nod", "fisher-z"), ("cd-nod", "covariance"),
               ("fci", "fisher-z"), ("ges", "fisher-z")],
    "discrete": [("pc", "g-squared"), ("cd-nod", "g-squared"), ("cd-nod", "covariance"),
                 ("pc", "covariance")],
}  # fmt: skip


def rows(asked: argparse.Namespace, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Every search on every kind of system."""
    results: list[dict[str, Any]] = []
    for kind, searches in KINDS.items():
        for drifting in (False, True):
            plants = [system(seed, drifting=drifting) for seed in range(asked.systems)]
            for algorithm, test in searches:
                row: dict[str, Any] = {
                    "system": f"{kind}, {'drifting' if drifting else 'stationary'}",
                    "search": f"{algorithm}, {test}",
                }
                for n in sizes:
                    row |= one_size(plants, n, kind == "discrete", settings(algorithm, test))
                show(row, sizes)
                results.append(row)
    return results


def one_size(plants: Sequence[System], n: int, discrete: bool, asked: Settings) -> dict[str, Any]:
    """F1, false edges in shuffled data, and seconds, at one size."""
    scores, false, began = [], [], time.perf_counter()
    for seed, plant in enumerate(plants):
        values = draw(plant, n, seed, discrete=discrete)
        scores.append(f1(found(values, asked), plant.skeleton))
    seconds = (time.perf_counter() - began) / len(plants)
    size = len(plants[0].weights)
    for seed, plant in enumerate(plants):
        rng = np.random.default_rng([seed, n, 1])
        shuffled = rng.permuted(draw(plant, n, seed, discrete=discrete), axis=0)
        false.append(len(found(shuffled, asked)) / (size * (size - 1) / 2))
    return {f"f1 {n}": scores, f"false {n}": false, f"seconds {n}": seconds}


def show(row: dict[str, Any], sizes: Sequence[int]) -> None:
    """One line of the table."""
    cells = [percent(row[f"f1 {n}"]) for n in sizes]
    cells += [percent([x for n in sizes for x in row[f"false {n}"]])]
    cells += [f"{row[f'seconds {sizes[-1]}']:.2f}"]
    print(f"| {row['system']} | {row['search']} | {' | '.join(cells)} |", flush=True)


def kernels(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Kernel tests find what is not linear: y = x squared, on few runs."""
    result = []
    for test in ("kernel", "fisher-z"):
        scores, began = [], time.perf_counter()
        for seed in range(min(5, asked.systems)):
            rng = np.random.default_rng(seed)
            a, b = rng.normal(size=(2, 200))
            c = a**2 + 0.5 * rng.normal(size=200)
            d = np.abs(c - b) + 0.5 * rng.normal(size=200)
            said = search(
                Variables.of([x[:, None] for x in (a, b, c, d)]), [0, 0, 1, 2], settings("pc", test)
            )
            true = {frozenset((0, 2)), frozenset((1, 3)), frozenset((2, 3))}
            scores.append(f1({frozenset(e[:2]) for e in said}, true))
        seconds = (time.perf_counter() - began) / len(scores)
        print(
            f"| not linear, 200 runs | pc, {test} | {percent(scores)} | {seconds:.1f} s |",
            flush=True,
        )
        result.append({"search": test, "f1": scores, "seconds": seconds})
    return result


def main() -> int:
    """Print the tables, and write the figures as JSON if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--systems", type=int, default=10)
    parser.add_argument("--sizes", default="100,1000,10000", help="runs of a corpus")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    sizes = [int(size) for size in asked.sizes.split(",")]
    heads = ["system", "search", *(f"F1 %, {n:,} runs" for n in sizes)]
    heads += ["false edges %, shuffled", "seconds a search"]
    print(f"| {' | '.join(heads)} |\n{'| --- ' * len(heads)}|", flush=True)
    results = rows(asked, sizes) + kernels(asked)
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.encode(results) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
