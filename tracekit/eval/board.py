"""From cases to the figures of a table: rows with intervals and paired comparisons. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tracekit.attribution import Cost
from tracekit.errors import Problem
from tracekit.eval.config import Protocol, Scorer
from tracekit.eval.crossfit import EXPECTED, FREQUENT, Entry, Fit
from tracekit.eval.set_scores import ModeRow
from tracekit.eval.sets import figures
from tracekit.metrics import Case
from tracekit.stats import Calibration, bootstrap, calibration, mcnemar, wilson
from tracekit.trace import Definition

SCHEMA = "tracekit/leaderboard/1"
"""Name and version of the JSON document."""

METRICS: dict[Scorer, tuple[str, ...]] = {
    "strict": ("step", "agent", "joint", "near", "top3", "top5", "mrr", "in_set", "set_size", "log_loss",
               "brier", "recall", "precision"),
    "official": ("step", "agent", "joint"),
}  # fmt: skip
"""What each scorer gives, in the order of the table (`tracekit.metrics.Scores`)."""

MEANS = frozenset({"mrr", "set_size", "log_loss", "brier", "mode_kappa"})
"""Metrics that are not shares: tables show them as they are, not in percent."""

DRAWN = MEANS | {"recall", "precision"}
"""Metrics that are not shares of cases: their interval is the bootstrap's."""

POOLED = "all"
"""Name of the rows over the whole benchmark."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one method."""

    value: float
    """Share of cases, 0 to 1, or a mean in the units of the metric; a mean over seeds."""
    low: float
    """95 % interval: Wilson's for shares, the bootstrap over groups for means."""
    high: float
    """Upper end of the same interval."""
    group_low: float
    """95 % interval of the bootstrap over groups: cases of one question are not independent."""
    group_high: float
    """Upper end of the same interval."""
    least: float
    """Lowest value of any one seed; equal to `value` for one seed."""
    most: float
    """Highest value of any one seed."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one part of the benchmark."""

    method: str
    """Name of the method, or `uniform`."""
    subset: str
    """Name of the part, `all` for the whole benchmark."""
    fit: Fit
    """Where the weights come from (`tracekit.eval.crossfit.Entry`)."""
    with_answer: bool
    """Whether the method was shown the correct answer of the task."""
    n: int
    """Cases: every labelled trace that was read, whatever became of the verdict."""
    cells: dict[str, Cell]
    """Figures by metric; one that the method does not state is not there."""
    abstained: float
    """Cases without an answer, counted as wrong; a mean over seeds."""
    failed: float
    """Cases on which the method broke, counted as wrong; a mean over seeds."""
    calibration: Calibration | None = None
    """Calibration error of the first suspect's step, over runs with one labelled step; None when
    the method states no probabilities there. The first seed's."""
    cost: Cost | None = None
    """What all its verdicts cost together, over the seeds; None = no model was called."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two methods on the same cases under the first seed (McNemar)."""

    subset: str
    """Name of the part, `all` for the whole benchmark."""
    metric: str
    """What is compared: `step` or `agent`."""
    first: str
    """The method named first in the evaluation."""
    second: str
    """The method it is compared with."""
    only_first: int
    """Cases that only the first method has right."""
    only_second: int
    """Cases that only the second method has right."""
    exact: float
    """Two-sided exact p."""
    mid_p: float
    """Two-sided mid-p, the one the tables print. Not corrected for the number of pairs."""


class Leaderboard(msgspec.Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """The result of an evaluation. Holds no clock: the same input gives the same bytes."""

    benchmark: str
    """Name of the benchmark."""
    definition: Definition
    """What the labels mean."""
    base: int
    """What the source counts its first step as; verdicts and labels count from 0 here."""
    data: str
    """SHA-256 over the runs that were scored and their labels, whatever their order and paths."""
    scorer: Scorer
    """`strict` or `official`."""
    lenient: bool
    """True when the scorer is the benchmark's own."""
    with_answer: bool
    """Whether methods were shown the correct answer of the task."""
    answers: int = 0
    """Runs whose correct answer is known, shown or not."""
    spoken: int = 0
    """Those in whose log it stands, word for word: hidden or not, every method reads it there."""
    protocol: Protocol = "folds"
    """`folds`: fitted out of fold; `lodo`: fitted on other benchmarks alone."""
    outside: tuple[str, ...] = ()
    """Under `lodo`, the benchmarks that methods were fitted on."""
    idle: tuple[str, ...] = ()
    """Rows left out because the labels name no step, or no agent either."""
    notes: tuple[str, ...] = ()
    """What the benchmark itself has to say about its labels, in sentences."""
    columns: dict[str, str] = {}
    """Titles of the benchmark's own scores, by key."""
    refit: bool
    """Whether fitted methods were fitted anew per fold; constants always are."""
    folds: int
    """Folds of the cross-validation."""
    seeds: tuple[int, ...]
    """One deal of the folds each."""
    n: int
    """Labelled traces."""
    groups: int
    """Distinct questions among them."""
    unlabelled: int
    """Traces read that carry no label of the definition; they are not scored."""
    subsets: dict[str, int]
    """Labelled traces by part of the benchmark."""
    rows: tuple[Row, ...]
    """Figures by part and method."""
    pairs: tuple[Pair, ...]
    """The first method against each other one, by part and metric."""
    modes: tuple[ModeRow, ...] = ()
    """Each failure mode, for the methods that name any; over the whole benchmark."""
    problems: tuple[Problem, ...] = ()
    """What of the data could not be read."""
    cases: tuple[Case, ...] = ()
    """Every verdict with its scores; a document of its own on disk."""


def rows(
    entries: Sequence[Entry],
    cases: Sequence[Case],
    subsets: Sequence[str],
    metrics: Iterable[str],
    with_answer: bool,
    modes: Sequence[str] | None = (),
) -> Iterable[Row]:
    """Rows by part, the whole benchmark last, methods in the order of the entries.

    `modes` is the vocabulary of the benchmark, None when sets are not to be scored.
    """
    metrics = list(metrics)
    for subset in parts(subsets):
        for entry in entries:
            own = [c for c in cases if c.method == entry.name and subset in (c.subset, POOLED)]
            seeds = len({case.seed for case in own})
            found = {metric: cell(own, metric) for metric in metrics} | also(own)
            if modes is not None:
                found |= set_cells(own, modes)
            yield Row(
                method=entry.name,
                subset=subset,
                fit=entry.fit,
                with_answer=with_answer,
                n=len({case.trace_id for case in own}),
                cells={metric: value for metric, value in found.items() if value is not None},
                abstained=round(sum(case.abstained is not None for case in own) / seeds, 6),
                failed=round(sum(case.failed is not None for case in own) / seeds, 6),
                calibration=None if modes is None else calibrated(own),
                cost=costs(own),
            )


def costs(cases: Sequence[Case]) -> Cost | None:
    """Calls, tokens and money of cases together; None when no model was called."""
    calls = sum(case.cost.calls for case in cases)
    if not calls:
        return None
    tokens = sum(case.cost.tokens for case in cases)
    return Cost(calls=calls, tokens=tokens, money=math.fsum(case.cost.money for case in cases))


def parts(subsets: Sequence[str]) -> list[str]:
    """The parts that get rows of their own: all subsets when there are several, and the whole."""
    return [*(subsets if len(subsets) > 1 else ()), POOLED]


def cell(cases: Sequence[Case], metric: str) -> Cell | None:
    """One metric over cases of one method; None when no case has it.

    A case without the metric is left out, which happens to suspect sets and log loss alone.
    """
    return _cell([(case, getattr(case.scores, metric)) for case in cases], metric)


def also(cases: Sequence[Case]) -> dict[str, Cell | None]:
    """The benchmark's own scores of one method."""
    keys = dict.fromkeys(key for case in cases for key in case.also)
    return {key: _cell([(case, case.also.get(key)) for case in cases], key) for key in keys}


def set_cells(cases: Sequence[Case], modes: Sequence[str]) -> dict[str, Cell]:
    """Figures over all that a method accuses (`tracekit.eval.sets`)."""
    seeds = sorted({case.seed for case in cases})
    parts = [figures([case for case in cases if case.seed == seed], modes) for seed in seeds]
    return {
        name: Cell(
            value=round(found.value, 6),
            low=round(found.low, 6),
            high=round(found.high, 6),
            group_low=round(found.low, 6),
            group_high=round(found.high, 6),
            least=round(min(part[name].value for part in parts if name in part), 6),
            most=round(max(part[name].value for part in parts if name in part), 6),
        )
        for name, found in figures(cases, modes).items()
    }


def calibrated(cases: Sequence[Case]) -> Calibration | None:
    """Calibration of the first seed's verdicts on runs with one labelled step."""
    own = [
        case
        for case in cases
        if case.seed == cases[0].seed
        and case.probability is not None
        and len(case.gold.steps) == 1
        and case.scores.step is not None
    ]
    if not own:
        return None
    stated = [min(1.0, case.probability or 0.0) for case in own]
    found = calibration(stated, [case.scores.step or 0.0 for case in own])
    return Calibration(
        round(found.error, 6), round(found.expected, 6), round(found.high, 6), found.n
    )


def _cell(scored: Sequence[tuple[Case, float | None]], metric: str) -> Cell | None:
    by_trace: dict[str, list[float]] = defaultdict(list)
    by_seed: dict[int, list[float]] = defaultdict(list)
    groups: dict[str, str] = {}
    for case, value in scored:
        if value is not None:
            by_trace[case.trace_id].append(value)
            by_seed[case.seed].append(value)
            groups[case.trace_id] = case.group
    if not by_trace:
        return None
    means = [sum(values) / len(values) for values in by_trace.values()]
    drawn = bootstrap(means, list(groups.values()))
    shown = drawn if metric in DRAWN else wilson(sum(means), len(means))
    per_seed = [sum(values) / len(values) for values in by_seed.values()]
    return Cell(
        value=round(shown.value, 6),
        low=round(shown.low, 6),
        high=round(shown.high, 6),
        group_low=round(drawn.low, 6),
        group_high=round(drawn.high, 6),
        least=round(min(per_seed), 6),
        most=round(max(per_seed), 6),
    )


def pairs(
    entries: Sequence[Entry],
    cases: Sequence[Case],
    subsets: Sequence[str],
    metrics: Sequence[str] = ("step", "agent"),
) -> Iterable[Pair]:
    """The first method against every other one, on each part; expectations cannot be paired."""
    if not cases:
        return
    right: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    subset_of = {case.trace_id: case.subset for case in cases}
    for case in cases:
        if case.seed == cases[0].seed:
            for metric in metrics:
                right[case.method, metric][case.trace_id] = getattr(case.scores, metric)
    names = [entry.name for entry in entries if entry.name not in (EXPECTED, FREQUENT)]
    if not names:
        return
    metrics = [metric for metric in metrics if None not in right[names[0], metric].values()]
    for subset in parts(subsets):
        inside = [trace for trace, part in subset_of.items() if subset in (part, POOLED)]
        for metric in metrics:
            first = right[names[0], metric]
            for name in names[1:]:
                second = right[name, metric]
                test = mcnemar(
                    sum(first[trace] > second[trace] for trace in inside),
                    sum(first[trace] < second[trace] for trace in inside),
                )
                yield Pair(
                    subset=subset,
                    metric=metric,
                    first=names[0],
                    second=name,
                    only_first=test.only_first,
                    only_second=test.only_second,
                    exact=round(test.exact, 6),
                    mid_p=round(test.mid_p, 6),
                )
