"""One method over all cases: fitted methods are fitted without the fold that they are asked about.

The boundary of the evaluation stands here: whatever goes wrong with one method on one trace
becomes a failed case; wrong options and missing backends pass through.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from tracekit.analyzers.run import abstain, attribute
from tracekit.attribution import Attribution, Method, Suspect
from tracekit.context import Context
from tracekit.errors import ContractError, Problem, boundary
from tracekit.eval.dataset import Item
from tracekit.metrics import Case, Scores, chance, score
from tracekit.protocols import Analyzer, Benchmark, Fitted

Fit = Literal["none", "refitted", "shipped", "seen", "exact"]

EXPECTED = "uniform"
"""Name of the row that is worked out instead of drawn: every step equally likely."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A method as it enters the table."""

    name: str
    """What its row is called."""
    analyzer: Analyzer | None
    """None for the row that is worked out."""
    fit: Fit = "none"
    """`refitted` per fold, `shipped` weights on unseen traces, `seen` = trained on traces scored
    here, `exact` = an expectation, `none` = nothing to fit."""
    within_subset: bool = False
    """Fit on the same part of the benchmark only: the constants, at their strongest."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but the method: the cases, the deal of folds, the scorer."""

    items: Sequence[Item]
    """The cases."""
    folds: np.ndarray
    """Fold of each item, int array of shape (n_items,)."""
    context: Context
    """What a method may use; holds the seed."""
    official: Benchmark | None = None
    """Score by this benchmark's own scorer; None = strictly."""


def run(entry: Entry, asked: Asked) -> list[Case]:
    """The cases of one method under one seed, in the order of the items."""
    if entry.analyzer is None:
        return [_case(entry, asked, i, _expected(asked, item)) for i, item in _each(asked)]
    if entry.fit != "refitted":
        return [_ask(entry, asked, i, entry.analyzer) for i, _ in _each(asked)]
    cases: dict[int, Case] = {}
    for fold, part, train in splits(asked, entry.within_subset):
        fitted = _fit(entry, asked, train)
        for i in part:
            cases[i] = _ask(entry, asked, i, fitted, fold)
    return [cases[i] for i in range(len(asked.items))]


def splits(asked: Asked, within_subset: bool) -> list[tuple[int, list[int], list[int]]]:
    """(fold, positions to score, positions to fit on) of every fold, and subset if asked for."""
    found = []
    parts = sorted({item.subset for item in asked.items}) if within_subset else [None]
    for fold in sorted(set(asked.folds.tolist())):
        for part in parts:
            here = [i for i, x in _each(asked) if part is None or x.subset == part]
            test = [i for i in here if asked.folds[i] == fold]
            train = [i for i in here if asked.folds[i] != fold]
            if test:
                found.append((fold, test, train))
    return found


def _fit(entry: Entry, asked: Asked, train: Sequence[int]) -> Analyzer | Problem:
    analyzer = entry.analyzer
    assert isinstance(analyzer, Fitted)
    if not train:
        return Problem(what="no run outside this fold to fit on", do="use fewer folds")
    with boundary(f"fitting {entry.name!r} failed") as failure:
        return analyzer.fit([asked.items[i].labelled for i in train], asked.context)
    assert failure.problem is not None
    return failure.problem


def _ask(
    entry: Entry, asked: Asked, at: int, analyzer: Analyzer | Problem, fold: int | None = None
) -> Case:
    item = asked.items[at]
    said = analyzer if isinstance(analyzer, Problem) else _verdict(entry, analyzer, item, asked)
    if isinstance(said, Problem):
        silent = abstain(item.trace, Method(name=entry.name), said.what)
        return _case(entry, asked, at, _scores(asked, item, silent), fold=fold, failed=said.what)
    case = _case(entry, asked, at, _scores(asked, item, said), fold=fold)
    if said.abstained is not None or said.top is None:
        return msgspec.structs.replace(case, abstained=said.abstained or "no suspects")
    return msgspec.structs.replace(case, agent=said.top.agent, step=said.top.step)


def _verdict(entry: Entry, analyzer: Analyzer, item: Item, asked: Asked) -> Attribution | Problem:
    path = item.trace.source.path
    with boundary(f"method {entry.name!r} failed", path) as failure:
        try:
            return attribute(item.trace, analyzer, context=asked.context, even_success=True)
        except ContractError as error:
            return Problem(what=str(error), path=path)
    assert failure.problem is not None
    return failure.problem


def _scores(asked: Asked, item: Item, verdict: Attribution) -> Scores:
    if asked.official is None:
        return score(verdict, item.label, len(item.trace.steps))
    agent, step = asked.official.official(item.labelled, verdict)
    return Scores(step=float(step), agent=float(agent), joint=float(step and agent))


def _expected(asked: Asked, item: Item) -> Scores:
    """What naming a step at random, and its speaker, is worth on average."""
    if asked.official is None:
        return chance(item.trace, item.label)
    guesses = [
        Attribution(
            trace_id=item.trace.id,
            method=Method(name=EXPECTED),
            suspects=(Suspect(step.agent, step.index, 1.0),),
        )
        for step in item.trace.steps
    ]
    worth = [_scores(asked, item, guess) for guess in guesses]
    return Scores(
        step=math.fsum(w.step for w in worth) / max(1, len(worth)),
        agent=math.fsum(w.agent for w in worth) / max(1, len(worth)),
        joint=math.fsum(w.joint for w in worth) / max(1, len(worth)),
    )


def _case(
    entry: Entry,
    asked: Asked,
    at: int,
    scores: Scores,
    *,
    fold: int | None = None,
    failed: str | None = None,
) -> Case:
    item = asked.items[at]
    return Case(
        method=entry.name,
        trace_id=item.trace.id,
        subset=item.subset,
        group=hashlib.sha256(item.group.encode("utf-8", "replace")).hexdigest()[:12],
        seed=asked.context.seed,
        fold=fold,
        steps=len(item.trace.steps),
        gold_agent=item.label.agent,
        gold_step=item.label.step,
        scores=scores,
        failed=failed,
    )


def _each(asked: Asked) -> enumerate[Item]:
    return enumerate(asked.items)
