"""What a shortlist saves, and what it loses: tokens of prompts, and runs whose decisive step is left out.

    OMP_NUM_THREADS=1 python benchmarks/shortlist.py --data $TRACEKIT_DATA [--folds 5] [--seed 0]

For every benchmark with labelled steps, `compact` is fitted out of fold (by question and history) and
`judge:shortlist` lays out its prompt at several shares of the whole log. No model is asked: tokens are
those of the log in the prompt by `tracekit.llm.tokens`, and recall is the share of runs in which a
labelled step is among those that the judge may name. A judge on the shortlist can be right in no
other run. Beside it stand sets of the same size: the places most often labelled in the training
folds, and steps drawn at random (an expectation). `--shipped` takes the shipped weights instead, which
have seen these runs: for trying out only.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tracekit.analyzers.compact.analyzer import Compact
from tracekit.analyzers.judges.priors import Prior
from tracekit.analyzers.judges.shortlist import shortened, suspects
from tracekit.analyzers.judges.shown import Shown
from tracekit.context import Context
from tracekit.eval.dataset import Dataset, Item
from tracekit.eval.pool import read_all
from tracekit.folds import grouped_folds
from tracekit.llm.tokens import estimate
from tracekit.metrics import blamed
from tracekit.stats import wilson

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
COVERAGES = (0.8, 0.9, 0.95, 1.0)


class Row(NamedTuple):
    """One run at one setting."""

    tokens: int
    whole: int
    shown: int
    steps: int
    recall: bool
    position: bool
    random: float


def rows(item: Item, chances, places: Sequence[int], coverage: float, share: float) -> Row:
    """What the prompt for one run holds."""
    shown, gold, steps = Shown(item.trace), blamed(item.labels), len(item.trace.steps)
    part = shortened(shown, suspects(chances, coverage), share)
    size = len(part.suspects)
    usual = [*places, *(i for i in range(steps) if i not in places)]
    usual = [i for i in usual if i < steps][:size]
    missed = 1.0
    for drawn in range(size):  # none of the labelled steps among `size` drawn at random
        missed *= max(0, steps - len(gold) - drawn) / (steps - drawn)
    return Row(
        tokens=estimate(part.log),
        whole=estimate(shown.log()),
        shown=size,
        steps=steps,
        recall=not gold.isdisjoint(part.suspects),
        position=not gold.isdisjoint(usual),
        random=1 - missed,
    )


def priors(dataset: Dataset, folds: int, seed: int, *, shipped: bool):
    """(item, out-of-fold probabilities, usual places) of every run."""
    group = {id(item.trace): item.group for item in dataset.items}
    traces = [item.trace for item in dataset.items]
    deal = grouped_folds(traces, lambda trace: group[id(trace)], folds, seed)
    for fold in sorted(set(deal.tolist())):
        train = [item for item, at in zip(dataset.items, deal, strict=True) if at != fold]
        counts = Counter(item.label.step for item in train if item.label.step is not None)
        places = [step for step, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
        prior = Prior()
        if not shipped:
            prior = Prior(Compact().fit([item.labelled for item in train], Context(seed=seed)))
        for item, at in zip(dataset.items, deal, strict=True):
            if at == fold and item.label.step is not None:
                yield item, prior.chances(item.trace), places


def line(name: str, n: int, coverage: float, share: float, found: Sequence[Row]) -> str:
    """A row of the table."""
    right = wilson(sum(row.recall for row in found), n)
    saved = 1 - sum(row.tokens for row in found) / sum(row.whole for row in found)
    size = sum(row.shown for row in found) / n
    usual = sum(row.position for row in found) / n
    random = sum(row.random for row in found) / n
    return (
        f"| {name} | {n} | {coverage:g} | {share:g} | {100 * saved:.1f} | "
        f"{size:.1f} of {sum(row.steps for row in found) / n:.1f} | {100 * right.value:.1f} "
        f"({100 * right.low:.1f}-{100 * right.high:.1f}) | {100 * usual:.1f} | {100 * random:.1f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shipped", action="store_true")
    parser.add_argument("--only", metavar="A,B", default="", help="benchmarks; all by default")
    options = parser.parse_args()
    print(
        "| benchmark | n | coverage | share | tokens saved % | steps that can be blamed | recall %"
        " | usual places % | random % |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for name, dataset in read_all(options.data).items():
        if not dataset.has_steps or (options.only and name not in options.only.split(",")):
            continue
        known = list(priors(dataset, options.folds, options.seed, shipped=options.shipped))
        parts = dataset.subsets if len(dataset.subsets) > 1 and name == "who-and-when" else [None]
        for subset in parts:
            own = [one for one in known if subset in (None, one[0].subset)]
            for coverage, share in [*((0.9, s) for s in SHARES), *((c, 1.0) for c in COVERAGES)]:
                found = [rows(i, p, places, coverage, share) for i, p, places in own]
                print(line(subset or name, len(own), coverage, share, found), flush=True)


if __name__ == "__main__":
    main()
