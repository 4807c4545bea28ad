"""What the mode model is worth: the tables of docs/experiments/modes.md.

    python -m tracekit_models.compact.mode_check --injected DIR --data $TRACEKIT_DATA

Sets of agents, modes and (agent, mode) pairs of each run against the labels, by the micro and macro
F1 of AEGIS (arXiv 2509.14295, section 4); one threshold for each of the three, the best on the
validation part. Then MAST, whose labels are modes of whole runs, by the kappa of each mode.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tracekit.eval.set_scores import Sets, macro_f1, micro_f1, pooled, table
from tracekit.optional import require
from tracekit.stats import wilson
from tracekit_models.compact.contrastive import Recipe
from tracekit_models.compact.mode_data import MODES, Blamed, Seen, injected, mast, who_and_when
from tracekit_models.compact.mode_mast import SEEDS
from tracekit_models.compact.mode_mast import report as mast_report
from tracekit_models.compact.modes import (
    Chances,
    View,
    chances,
    failures,
    inputs,
    scale,
    split,
    train,
)

GRID = np.concatenate([np.linspace(0.01, 0.2, 20), np.linspace(0.225, 0.95, 30)])
"""Thresholds that are tried on the validation part."""
SHARES = (0.6, 0.2, 0.2)
"""Training, validation and test part, by task."""
VIEWS: tuple[View, ...] = ("features", "text", "position", "agent", "style")
PARTS = ("agent", "mode", "pair")
Method = Callable[[Sequence[Seen], Sequence[Seen]], list[Chances]]
"""Training runs and runs to judge to what is said of the latter."""


class Parts(NamedTuple):
    """Runs to fit on, to set thresholds on, and to score."""

    fit: list[Seen]
    tune: list[Seen]
    test: list[Seen]


def line(name: str, method: Method, parts: Parts) -> str:
    """A row of the table: micro F1 with interval and macro F1 of agents, modes and pairs."""
    said = method(parts.fit, [*parts.tune, *parts.test])
    tune, test = said[: len(parts.tune)], said[len(parts.tune) :]
    cells = [name]
    for part in PARTS:
        limit = max(GRID, key=lambda at: _micro(sets(tune, parts.tune, part, float(at))))
        found = sets(test, parts.test, part, float(limit))
        groups = [run.group for run in parts.test]
        f1 = pooled(table(found), groups, micro_f1)
        macro = pooled(table(found), groups, macro_f1, repeats=1)
        cells.append(
            f"{100 * f1.value:.1f} ({100 * f1.low:.0f}-{100 * f1.high:.0f}) / {100 * macro.value:.1f}"
        )
    return "| " + " | ".join(cells) + " |"


def sets(said: Sequence[Chances], runs: Sequence[Seen], part: str, limit: float) -> Sets:
    """(labelled, said) of each run: names of agents, codes of modes, or pairs of both."""
    return [
        (_named(run, run.modes, part, 0.5), _named(run, _of(part, each), part, limit))
        for each, run in zip(said, runs, strict=True)
    ]


def contrastive(view: View = "all", seed: int = 0, twins: bool = True, **recipe: Any) -> Method:
    """The model itself, or a variant of it."""

    def method(known: Sequence[Seen], runs: Sequence[Seen]) -> list[Chances]:
        used = known if twins else failures(known)
        return chances(train(used, Recipe(**recipe), seed, view), runs)

    return method


def at_random(_: Sequence[Seen], runs: Sequence[Seen]) -> list[Chances]:
    """Every agent, mode and pair by chance, as often as the threshold makes best."""
    rng = np.random.default_rng(0)
    drawn = [(rng.random(len(run.agents)), rng.random(run.modes.shape)) for run in runs]
    return [Chances(failed, pair, pair) for failed, pair in drawn]


def frequent(known: Sequence[Seen], runs: Sequence[Seen]) -> list[Chances]:
    """How often an agent by that name failed in training, and how, whatever the run shows."""
    faulty: dict[str, list[np.ndarray]] = {}
    for run in failures(known):
        for agent, modes in zip(run.agents, run.modes, strict=True):
            faulty.setdefault(agent, []).append(modes)
    every = np.asarray(np.mean([modes for rows in faulty.values() for modes in rows], axis=0))
    rates = {agent: np.asarray(np.mean(rows, axis=0)) for agent, rows in faulty.items()}
    said = [np.stack([rates.get(agent, every) for agent in run.agents]) for run in runs]
    return [Chances(pair.sum(axis=1), np.broadcast_to(every, pair.shape), pair) for pair in said]


def logistic(known: Sequence[Seen], runs: Sequence[Seen]) -> list[Chances]:
    """Logistic regression on the mean turn of each agent, one for each mode."""
    linear = require("sklearn.linear_model", extra="train")
    how = scale(known)

    def rows(some: Sequence[Seen]) -> np.ndarray:
        tables = [inputs(run, how) for run in some]
        means = [
            x[at].mean(axis=0) for x, run in zip(tables, some, strict=True) for at in run.turns
        ]
        return np.stack(means).astype(np.float32)

    seen, asked = rows(known), rows(runs)
    told = np.concatenate([run.modes for run in known])
    answers = [told.max(axis=1), *told.T]
    found = np.zeros((len(asked), len(answers)))
    for k, y in enumerate(answers):
        model = linear.LogisticRegression(C=0.01, max_iter=200, tol=1e-3)
        found[:, k] = model.fit(seen, y).predict_proba(asked)[:, 1]
    ends = np.cumsum([len(run.agents) for run in runs])[:-1]
    return [Chances(part[:, 0], part[:, 1:], part[:, 1:]) for part in np.split(found, ends)]


def methods() -> Iterator[tuple[str, Method]]:
    """The rows of the first table."""
    yield "random", at_random
    yield "frequency by agent name", frequent
    yield "logistic, mean turn", logistic
    yield "contrastive", contrastive()
    yield "without contrast", contrastive(contrast=0.0)
    yield "without hierarchy", contrastive(hierarchy=0.0)
    yield "without twins", contrastive(twins=False)
    for view in VIEWS:
        yield f"{view} only", contrastive(view)


def transfers(runs: Sequence[Seen], kind: str) -> Iterator[tuple[str, Parts]]:
    """Each `family` or `topology` held out: fitted and tuned on the others, scored on it."""
    for held in sorted({str(getattr(run, kind)) for run in runs}):
        rest = [run for run in runs if getattr(run, kind) != held]
        known, tune = split(rest, (0.8, 0.2))
        test = [run for run in failures(runs) if getattr(run, kind) == held]
        yield held, Parts(known, failures(tune), test)


def report(runs: Sequence[Seen], write: Callable[[str], Any]) -> None:
    """The tables on injected failures, row by row."""
    known, tune, test = split(runs, SHARES)
    parts = Parts(known, failures(tune), failures(test))
    write(f"{len(parts.fit)} runs to fit, {len(parts.tune)} to tune, {len(parts.test)} to score\n")
    write("| method | agent micro / macro F1 | mode | pair |\n|---|---|---|---|\n")
    for name, method in methods():
        write(line(name, method, parts) + "\n")
    for kind in ("topology", "family"):
        for held, other in transfers(runs, kind):
            for name, method in (("contrastive", contrastive()), ("logistic", logistic)):
                write(line(f"{kind} {held}: {name}", method, other) + "\n")


def who_report(runs: Sequence[Seen], data: Blamed, write: Callable[[str], Any]) -> None:
    """Who&When with none of its runs in training: is the agent likeliest to have failed to blame?"""
    known, _ = split(runs, (0.8, 0.2))
    right = np.zeros((SEEDS, len(data.runs)))
    for seed in range(SEEDS):
        said = chances(train(known, Recipe(), seed), data.runs)
        for k, (each, suspects) in enumerate(zip(said, data.suspects, strict=True)):
            best = suspects[int(np.argmax(each.failed[suspects]))]
            right[seed, k] = data.runs[k].agents[best] == data.guilty[k]
    lucky = np.array([1 / len(suspects) for suspects in data.suspects])
    write("\n| Who&When, unseen | runs | agent % | by chance |\n|---|---|---|---|\n")
    for system in sorted(set(data.systems)):
        at = np.array([name == system for name in data.systems])
        share = wilson(float(right[:, at].mean() * at.sum()), int(at.sum()))
        cells = f"{share.value:.0%} ({share.low:.0%}-{share.high:.0%}) | {lucky[at].mean():.0%}"
        write(f"| {system} | {at.sum()} | {cells} |\n")


def _of(part: str, each: Chances) -> np.ndarray:
    return {"agent": each.failed, "mode": each.mode, "pair": each.pair}[part]


def _named(run: Seen, said: np.ndarray, part: str, limit: float) -> frozenset[Any]:
    if part == "agent":
        failed = said.max(axis=1) if said.ndim == 2 else said
        return frozenset(run.agents[a] for a in np.flatnonzero(failed >= limit))
    if part == "mode":
        return frozenset(MODES[m] for m in np.flatnonzero(said.max(axis=0) >= limit))
    return frozenset((run.agents[a], MODES[m]) for a, m in np.argwhere(said >= limit))


def _micro(found: Sets) -> float:
    both = sum(len(labelled & said) for labelled, said in found)
    return 2 * both / max(1, sum(len(labelled) + len(said) for labelled, said in found))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables; half an hour on one core."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--injected", type=Path, required=True, help="a data set of `inject`")
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    given = parser.parse_args(arguments)
    runs = injected(given.injected)
    report(runs, sys.stdout.write)
    mast_report(runs, mast(given.data), sys.stdout.write)
    who_report(runs, who_and_when(given.data), sys.stdout.write)


if __name__ == "__main__":
    main()
