"""What a shortlist saves, and what it loses: tokens of prompts, and runs whose decisive step is left out.

    OMP_NUM_THREADS=1 python benchmarks/shortlist.py --data $TRACEKIT_DATA [--folds 10] [--seed 0]

Over all benchmarks with labelled steps at once, `compact` is fitted out of fold (by question and
history), its linear members alone unless `--networks`, which takes minutes a fold. `judge:shortlist` lays out its prompt at several shares of the whole log. No model is asked: tokens are
those of the log in the prompt by `tracekit.llm.tokens`, and recall is the share of runs in which a
labelled step is among those that the judge may name. A judge on the shortlist can be right in no
other run. Beside it stand sets of the same size: the places most often labelled in the training
folds, and steps drawn at random (an expectation). Coverage is a share of uncalibrated probability here.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.compact.analyzer import Compact
from tracekit.analyzers.compact.features import tables
from tracekit.analyzers.compact.fit import Example, example, fit_weights
from tracekit.analyzers.conditional_logit import softmax
from tracekit.analyzers.judges.priors import Prior
from tracekit.analyzers.judges.shortlist import shortened, suspects
from tracekit.analyzers.judges.shown import Shown
from tracekit.context import Context
from tracekit.eval.dataset import Item
from tracekit.eval.pool import read_all
from tracekit.folds import grouped_folds, question_key
from tracekit.llm.tokens import estimate
from tracekit.metrics import blamed
from tracekit.stats import wilson
from tracekit.trace import Trace

SETTINGS = ((0.8, 0.1), (0.9, 0.05), (0.9, 0.1), (0.9, 0.2), (0.9, 0.5), (1.0, 0.1), (1.0, 0.2))
"""(coverage, share)."""


class Row(NamedTuple):
    """One run at one setting."""

    tokens: int
    whole: int
    shown: int
    steps: int
    recall: bool
    legible: float
    position: bool
    random: float


def rows(
    item: Item, chances: np.ndarray, places: Sequence[int], coverage: float, share: float
) -> Row:
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
        legible=max(
            (min(1.0, part.longest / max(1, len(shown.text(i)))) for i in gold & {*part.suspects}),
            default=0.0,
        ),
        position=not gold.isdisjoint(usual),
        random=1 - missed,
    )


Chances = Callable[[Trace], np.ndarray]
Train = Sequence[tuple[Trace, Example | None]]


def linear(train: Train, seed: int) -> Chances:
    """The linear members of `compact`, fitted."""
    weights = fit_weights([one for _, one in train if one is not None], seed)

    def chances(trace: Trace) -> np.ndarray:
        seen = tables(trace)
        found = np.zeros(len(seen.blamable))
        logs = weights.logs(seen.by_member, seen.blamable)
        found[seen.blamable] = softmax(np.mean(logs, axis=0))
        return found

    return chances


def networks(train: Train, seed: int) -> Chances:
    """All of `compact`, fitted."""
    return Prior(Compact().fit([trace for trace, _ in train], Context(seed=seed))).chances


class Known(NamedTuple):
    """A run with what is thought of it before it is read."""

    part: str
    item: Item
    chances: np.ndarray
    places: list[int]


def predicted(items: Sequence[tuple[str, Item]], options: argparse.Namespace) -> Iterator[Known]:
    """Every run with its out-of-fold probabilities and the places usual in its set."""
    traces = [item.trace for _, item in items]
    deal = grouped_folds(traces, question_key, options.folds, options.seed).tolist()
    fit = networks if options.networks else linear
    seen = {id(item): example(item.labelled) for _, item in items}
    for fold in sorted(set(deal)):
        train = [pair for pair, at in zip(items, deal, strict=True) if at != fold]
        chances = fit([(item.labelled, seen[id(item)]) for _, item in train], options.seed)
        for (part, item), at in zip(items, deal, strict=True):
            if at == fold:
                counts = Counter(own.label.step for other, own in train if other == part)
                places = sorted(counts, key=lambda step: (-counts[step], step))
                yield Known(part, item, chances(item.trace), places)


def line(name: str, n: int, coverage: float, share: float, found: Sequence[Row]) -> str:
    """A row of the table."""
    right = wilson(sum(row.recall for row in found), n)
    saved = 1 - sum(row.tokens for row in found) / sum(row.whole for row in found)
    size = sum(row.shown for row in found) / n
    usual = sum(row.position for row in found) / n
    random = sum(row.random for row in found) / n
    hits = [row.legible for row in found if row.recall]
    legible = sum(hits) / max(1, len(hits))
    return (
        f"| {name} | {n} | {coverage:g} | {share:g} | {100 * saved:.1f} | "
        f"{size:.1f} of {sum(row.steps for row in found) / n:.1f} | {100 * right.value:.1f} "
        f"({100 * right.low:.1f}-{100 * right.high:.1f}) | {100 * legible:.0f} | {100 * usual:.1f} | {100 * random:.1f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--networks", action="store_true")
    options = parser.parse_args()
    print(
        "| benchmark | n | coverage | share | tokens saved % | steps that can be blamed | recall %"
        " | of its text % | usual places % | random % |\n" + "| --- " * 10 + "|"
    )
    items = [
        (item.subset if name == "who-and-when" else name, item)
        for name, dataset in read_all(options.data).items()
        for item in dataset.items
        if dataset.has_steps and item.label.step is not None
    ]
    known = list(predicted(items, options))
    for part in dict.fromkeys(part for part, _ in items):
        own = [one for one in known if one.part == part]
        for coverage, share in SETTINGS:
            found = [rows(one.item, one.chances, one.places, coverage, share) for one in own]
            print(line(part, len(own), coverage, share, found), flush=True)


if __name__ == "__main__":
    main()
