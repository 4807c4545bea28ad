"""One method over all cases: fitted methods are fitted without the fold that they are asked about.

Or, under the protocol `lodo`, on other benchmarks alone (`tracekit.eval.suite`). The boundary of the evaluation stands here: whatever goes wrong with one method on one trace
becomes a failed case, and so does a method that cannot be fitted on these runs; wrong options and
missing backends pass through.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from tracekit.analyzers.asking import may_ask
from tracekit.analyzers.run import abstain, attribute, in_order
from tracekit.analyzers.together import together
from tracekit.attribution import Attribution, Method, Suspect
from tracekit.context import Context
from tracekit.errors import ContractError, Problem, UsageError, boundary
from tracekit.eval.dataset import Item
from tracekit.eval.extra import Extra, Vocabulary
from tracekit.metrics import Blame, Case, Scores, blame_in, blame_of, chance, distribution, score
from tracekit.protocols import Analyzer, Benchmark, Fitted
from tracekit.trace import Trace

if TYPE_CHECKING:
    from tracekit.llm.client import Client

Fit = Literal["none", "refitted", "transferred", "shipped", "seen", "exact"]

EXPECTED = "uniform"
"""Name of the row that is worked out instead of drawn: every step equally likely."""

FREQUENT = "frequent-modes"
"""Name of the row that says the same modes of every run: the most frequent of the other folds."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A method as it enters the table."""

    name: str
    """What its row is called."""
    analyzer: Analyzer | None
    """None for the row that is worked out."""
    fit: Fit = "none"
    """`refitted` per fold, `transferred` = fitted on other benchmarks alone, `shipped` weights on
    unseen traces, `seen` = trained on traces scored here, `exact` = an expectation, `none` =
    nothing to fit."""
    within_subset: bool = False
    """Fit on the same part of the benchmark only: the constants, at their strongest."""


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What methods that ask or load a model by name are given; the others never see it."""

    llm: Client | None = None
    """The server; whoever evaluates opens and closes it."""
    settings: dict[str, Any] = {}
    """Settings of every such method: `model`, `repeat`, ..."""
    concurrency: int = 1
    """Runs judged at once."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but the method: the cases, the deal of folds, the scorer."""

    items: Sequence[Item]
    """The cases."""
    folds: np.ndarray
    """Fold of each item, int array of shape (n_items,)."""
    context: Context
    """What a method may use; holds the seed."""
    bench: Benchmark
    """Where the cases come from: its scorer, its vocabulary of modes, its scores."""
    official: bool = False
    """Score by the benchmark's own scorer instead of strictly."""
    has_steps: bool = True
    """Whether the labels name steps; if not, no score of a step is given."""
    has_agents: bool = True
    """Whether the labels name agents."""
    outside: Sequence[Trace] = ()
    """Labelled runs of other benchmarks, for methods to be transferred."""
    asking: Asking = Asking()
    """A model server, for methods that ask one."""


def run(entry: Entry, asked: Asked) -> list[Case]:
    """The cases of one method under one seed, in the order of the items."""
    if entry.name == FREQUENT:
        return _frequent(entry, asked)
    if entry.analyzer is None:
        return [_case(entry, asked, i, _expected(asked, item)) for i, item in _each(asked)]
    every = range(len(asked.items))
    if entry.fit == "transferred":
        return _ask_all(entry, asked, every, _fit(entry, asked, asked.outside))
    if entry.fit != "refitted":
        return _ask_all(entry, asked, every, entry.analyzer)
    cases: dict[int, Case] = {}
    for fold, part, train in splits(asked, entry.within_subset):
        fitted = _fit(entry, asked, [asked.items[i].labelled for i in train])
        cases |= zip(part, _ask_all(entry, asked, part, fitted, fold), strict=True)
    return [cases[i] for i in every]


def _ask_all(
    entry: Entry,
    asked: Asked,
    part: Sequence[int],
    analyzer: Analyzer | Problem,
    fold: int | None = None,
) -> list[Case]:
    """The cases at some positions; those of methods that wait for a model several at once."""
    at_once = asked.asking.concurrency if _asks(entry) else 1
    if not isinstance(analyzer, Problem):
        analyzer = together(analyzer, [asked.items[at].trace for at in part])
    return list(in_order(lambda at: _ask(entry, asked, at, analyzer, fold), part, at_once))


def _asks(entry: Entry) -> bool:
    return entry.analyzer is not None and "llm" in entry.analyzer.needs


def _frequent(entry: Entry, asked: Asked) -> list[Case]:
    """As many modes as a run has on average, those that most other runs have."""
    nothing = Scores(step=None, agent=None, joint=None)
    found: dict[int, Case] = {}
    for fold, part, train in splits(asked, within_subset=False):
        counts = Counter(mode for i in train for mode in blame_in(asked.items[i].labels).modes)
        k = round(sum(counts.values()) / max(1, len(train)))
        often = sorted(counts, key=lambda mode: (-counts[mode], mode))[: max(1, k)]
        for i in part:
            case = _case(entry, asked, i, nothing)
            said = Blame(modes=tuple(sorted(often)))
            found[i] = msgspec.structs.replace(case, fold=fold, said=said)
    return [found[i] for i in range(len(asked.items))]


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


def _fit(entry: Entry, asked: Asked, train: Sequence[Trace]) -> Analyzer | Problem:
    analyzer = entry.analyzer
    assert isinstance(analyzer, Fitted)
    if not train:
        return Problem(what="there is no other run to fit on", do="use fewer folds, or more data")
    with boundary(f"fitting {entry.name!r} failed") as failure:
        try:
            return analyzer.fit(train, asked.context)
        except UsageError as error:  # too few runs with a label that it can use
            return Problem(what=str(error))
    assert failure.problem is not None
    return failure.problem


def _ask(
    entry: Entry, asked: Asked, at: int, analyzer: Analyzer | Problem, fold: int | None = None
) -> Case:
    item = asked.items[at]
    said = analyzer if isinstance(analyzer, Problem) else _verdict(entry, analyzer, item, asked)
    failed = said.what if isinstance(said, Problem) else said.abstained if said.failed else None
    if isinstance(said, Problem):
        said = abstain(item.trace, Method(name=entry.name), said.what)
    said = _worded(said, asked.bench)
    case = msgspec.structs.replace(
        _case(entry, asked, at, _scores(asked, item, said)),
        fold=fold,
        failed=failed,
        cost=msgspec.structs.replace(said.cost, seconds=None),
        also=_also(asked, item, said),
    )
    if failed is not None:
        return case
    if said.abstained is not None or said.top is None:
        return msgspec.structs.replace(case, abstained=said.abstained or "no suspects")
    top, steps = said.top, len(item.trace.steps)
    return msgspec.structs.replace(
        case,
        agent=top.agent,
        step=top.step,
        probability=round(distribution(said, steps)[top.step], 12),
        said=blame_of(said, steps),
    )


def _worded(said: Attribution, bench: Benchmark) -> Attribution:
    """The verdict with its modes in the benchmark's vocabulary; others are left out."""
    if not isinstance(bench, Vocabulary):
        return said
    suspects = tuple(
        msgspec.structs.replace(
            suspect,
            modes=tuple(m for m in dict.fromkeys(map(bench.mode, suspect.modes)) if m is not None),
        )
        for suspect in said.suspects
    )
    return msgspec.structs.replace(said, suspects=suspects)


def _also(asked: Asked, item: Item, said: Attribution) -> dict[str, float]:
    if asked.official or not isinstance(asked.bench, Extra):
        return {}
    return asked.bench.also(item.labelled, said)


def _verdict(entry: Entry, analyzer: Analyzer, item: Item, asked: Asked) -> Attribution | Problem:
    path, context, asking = item.trace.source.path, asked.context, asked.asking
    if entry.analyzer is not None and may_ask(entry.analyzer):
        context = msgspec.structs.replace(context, llm=asking.llm, settings=asking.settings)
    with boundary(f"method {entry.name!r} failed", path) as failure:
        try:
            return attribute(item.trace, analyzer, context=context, even_success=True)
        except ContractError as error:
            return Problem(what=str(error), path=path)
    assert failure.problem is not None
    return failure.problem


def _scores(asked: Asked, item: Item, verdict: Attribution) -> Scores:
    if not asked.official:
        return _known(asked, score(verdict, item.labels, len(item.trace.steps)))
    agent, step = asked.bench.official(item.labelled, verdict)
    return Scores(
        step=None if step is None else float(step),
        agent=None if agent is None else float(agent),
        joint=None if step is None or agent is None else float(step and agent),
    )


def _known(asked: Asked, scores: Scores) -> Scores:
    """The scores without those that the labels of this benchmark cannot give."""
    if not asked.has_steps:
        return Scores(step=None, agent=scores.agent if asked.has_agents else None, joint=None)
    if not asked.has_agents:
        return msgspec.structs.replace(scores, agent=None, joint=None)
    return scores


def _expected(asked: Asked, item: Item) -> Scores:
    """What naming a step at random, and its speaker, is worth on average."""
    if not asked.official:
        return _known(asked, chance(item.trace, item.labels))
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
        step=_mean([w.step for w in worth]),
        agent=_mean([w.agent for w in worth]),
        joint=_mean([w.joint for w in worth]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean, 0 of none; None when there are no such scores."""
    known = [value for value in values if value is not None]
    if values and not known:
        return None
    return math.fsum(known) / max(1, len(known))


def _case(entry: Entry, asked: Asked, at: int, scores: Scores) -> Case:
    item = asked.items[at]
    return Case(
        method=entry.name,
        trace_id=item.trace.id,
        subset=item.subset,
        group=hashlib.sha256(item.group.encode("utf-8", "replace")).hexdigest()[:12],
        seed=asked.context.seed,
        steps=len(item.trace.steps),
        gold_agent=item.label.agent,
        gold_step=item.label.step,
        gold=blame_in(item.labels),
        scores=scores,
    )


def _each(asked: Asked) -> enumerate[Item]:
    return enumerate(asked.items)
