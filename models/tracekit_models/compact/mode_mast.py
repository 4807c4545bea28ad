"""The mode model on MAST: real runs whose labels are modes of the whole run.

Zero-shot, a run has the mode that any of its agents has. The other rows are fitted on MAST itself,
out of fold by question: ridge logistic regression of each mode on the run's mean and greatest turn,
which states a mode that is likelier than among the runs it was fitted on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracekit.eval.set_scores import Sets, accuracy, macro_f1, mean_kappa, micro_f1, pooled, table
from tracekit.folds import dealt
from tracekit.optional import require
from tracekit_models.compact.contrastive import Recipe
from tracekit_models.compact.mode_data import MODES, Annotated, Seen
from tracekit_models.compact.modes import Fitted, chances, failures, inputs, split, train

FOLDS = 10
SEEDS = 5
PENALTY = 0.01
"""Inverse strength of the ridge, fixed beforehand: thirty runs cannot choose it."""
RARE = 3
"""Modes of fewer runs than this have no row of their own."""


def scores(fitted: Fitted, runs: Sequence[Seen]) -> np.ndarray:
    """Probability that any agent of a run shows a mode: that of the likeliest, (runs, modes)."""
    return np.stack([said.mode.max(axis=0) for said in chances(fitted, runs)])


def limits(fitted: Fitted, held: Sequence[Seen]) -> np.ndarray:
    """For each mode the threshold of best F1 on injected runs that were not fitted on, (modes,)."""
    p, right = scores(fitted, held), np.stack([run.modes.max(axis=0) for run in held])
    found = []
    for m in range(p.shape[1]):
        order = np.argsort(-p[:, m], kind="stable")
        hits = np.cumsum(right[order, m])
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + right[:, m].sum())
        found.append(p[order[int(np.argmax(f1))], m])
    return np.array(found)


def zero_shot(fitted: Fitted, held: Sequence[Seen], data: Annotated) -> np.ndarray:
    """What the model says of MAST that has seen none of it, bool (runs, modes)."""
    return np.asarray(scores(fitted, data.runs) >= limits(fitted, held))


def frequent(data: Annotated, seed: int) -> np.ndarray:
    """The modes that most of the other folds' runs have, as many as a run has on average."""
    said = np.zeros(data.modes.shape, dtype=bool)
    for test in _folds(data, seed):
        known = np.delete(data.modes, test, axis=0)
        k = max(1, round(known.sum() / len(known)))
        often = np.argsort(-known.sum(axis=0), kind="stable")[:k]
        said[np.ix_(test, often)] = True
    return said


def fitted_on_mast(data: Annotated, x: np.ndarray, seed: int) -> np.ndarray:
    """Out-of-fold statements of ridge logistic regression on `x`, bool (runs, modes)."""
    linear = require("sklearn.linear_model", extra="train")
    said = np.zeros(data.modes.shape, dtype=bool)
    for test in _folds(data, seed):
        rest = np.delete(np.arange(len(x)), test)
        for m in range(len(MODES)):
            y = data.modes[rest, m]
            if 0 < y.sum() < len(y):
                model = linear.LogisticRegression(C=PENALTY, max_iter=500).fit(x[rest], y)
                said[test, m] = model.predict_proba(x[test])[:, 1] > y.mean()
    return said


def looks(fitted: Fitted, runs: Sequence[Seen]) -> np.ndarray:
    """Mean and greatest turn of each run, standardised over the runs, (runs, 2 * inputs)."""
    tables = [inputs(run, fitted.scale) for run in runs]
    return standard(np.stack([np.concatenate([t.mean(axis=0), t.max(axis=0)]) for t in tables]))


def standard(x: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and spread 1; constant ones 0."""
    spread = x.std(axis=0)
    return np.asarray((x - x.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0))


def rows(runs: Sequence[Seen], data: Annotated) -> dict[str, list[np.ndarray]]:
    """Statements of every method about MAST, one array for each seed."""
    known, held = split(runs, (0.8, 0.2))
    models = [train(known, Recipe(), seed=seed) for seed in range(SEEDS)]
    x = looks(models[0], data.runs)
    p = scores(models[0], data.runs).clip(1e-6, 1 - 1e-6)
    also = standard(np.log(p / (1 - p))) * (x.shape[1] / p.shape[1]) ** 0.5  # both weigh alike
    systems = sorted(set(data.systems))
    alone = np.array([[system == name for name in systems] for system in data.systems], float)
    views = {
        "fitted on MAST: system alone": standard(alone) * (x.shape[1] / len(systems)) ** 0.5,
        "fitted on MAST: turns": x,
        "fitted on MAST: zero-shot scores": also,
        "fitted on MAST: both": np.concatenate([x, also], axis=1),
    }
    return {
        "frequent modes": [frequent(data, seed) for seed in range(SEEDS)],
        "zero-shot from injected": [zero_shot(each, failures(held), data) for each in models],
    } | {
        name: [fitted_on_mast(data, view, seed) for seed in range(SEEDS)]
        for name, view in views.items()
    }


def report(runs: Sequence[Seen], data: Annotated, write: Callable[[str], Any]) -> None:
    """Two tables: all modes together, within each system too, and the kappa of each mode."""
    found = rows(runs, data)
    counts = Counter(MODES[m] for m in np.nonzero(data.modes)[1])
    common = [mode for mode in MODES if counts[mode] >= RARE]
    systems = [name for name, n in Counter(data.systems).most_common() if n >= FOLDS]
    write(f"\n{len(data.runs)} runs of MAST, {FOLDS} folds by question, {SEEDS} seeds\n\n")
    heads = ["mean kappa", "accuracy", "micro F1", "macro F1", *(f"kappa, {s}" for s in systems)]
    write(f"| method | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}\n")
    for name, said in found.items():
        cells = [_cell(said, data, figure) for figure in (mean_kappa, accuracy, micro_f1, macro_f1)]
        cells += [_cell(*_within(said, data, system), mean_kappa) for system in systems]
        write(f"| {name} | {' | '.join(cells)} |\n")
    heads = [f"{mode} ({counts[mode]})" for mode in common]
    write(f"\n| kappa | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}\n")
    for name, said in found.items():
        cells = [_cell(said, data, mean_kappa, [mode]) for mode in common]
        write(f"| {name} | {' | '.join(cells)} |\n")


def sets(said: Sequence[np.ndarray], data: Annotated) -> Sets:
    """(labelled, said) of each run, under one seed after the other."""
    return [
        (frozenset(_codes(told)), frozenset(_codes(mine)))
        for each in said
        for told, mine in zip(data.modes, each, strict=True)
    ]


def _codes(row: np.ndarray) -> list[str]:
    return [MODES[m] for m in np.flatnonzero(row)]


def _cell(
    said: Sequence[np.ndarray], data: Annotated, figure: Any, modes: Sequence[str] = MODES
) -> str:
    found = pooled(table(sets(said, data), modes), data.groups * len(said), figure)
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _within(
    said: Sequence[np.ndarray], data: Annotated, system: str
) -> tuple[list[np.ndarray], Annotated]:
    at = [k for k, name in enumerate(data.systems) if name == system]
    part = Annotated(
        [data.traces[k] for k in at],
        [data.runs[k] for k in at],
        [data.groups[k] for k in at],
        [system] * len(at),
        data.modes[at],
    )
    return [each[at] for each in said], part


def _folds(data: Annotated, seed: int) -> list[np.ndarray]:
    at = dealt(data.groups, FOLDS, seed)
    return [np.flatnonzero(at == k) for k in range(FOLDS) if (at == k).any()]
