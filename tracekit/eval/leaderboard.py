"""Methods against a labelled benchmark, in one table.

The one call, which the command line uses too:

    from tracekit.eval.config import EvalConfig
    from tracekit.eval.leaderboard import evaluate
    from tracekit.eval import tables

    board = evaluate("who-and-when", ["linear", "constant", "random"], data, EvalConfig(folds=10))
    tables.as_rich(board)        # list of rich renderables: print each on a rich Console
    tables.as_text(board)        # str, the same without colours
    tables.as_markdown(board)    # str, for --markdown FILE
    tables.as_json(board)        # bytes, one line, for --json (no clock: same input, same bytes)
    tables.cases_jsonl(board)    # Iterator[bytes], one line per method, seed and trace, for --cases

`evaluate(benchmark, methods, data, config=None, *, progress=None, **settings)`: `benchmark` is a
name or a `Benchmark`, `methods` are names or `Analyzer`s, `data` a path, `settings` fields of
`EvalConfig` as keywords (`folds=5`). `progress(done, total, what)` is called after each method and
seed. `asking` (`tracekit.eval.crossfit.Asking`) holds the client and the settings of methods that
ask a model. `board.problems` are files that could not be read; exit code 3 when there are any.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tracekit import registry
from tracekit.analyzers.compact.features import kept
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.eval.board import METRICS, Leaderboard, pairs, rows
from tracekit.eval.config import EvalConfig
from tracekit.eval.crossfit import EXPECTED, FREQUENT, Asked, Asking, Entry, Fit, run
from tracekit.eval.dataset import Dataset, read
from tracekit.eval.extra import Extra, Noted, Vocabulary
from tracekit.eval.hub import is_hub, located
from tracekit.eval.pool import Pool, outside, read_all
from tracekit.eval.sets import mode_rows
from tracekit.folds import fingerprint, grouped_folds
from tracekit.metrics import Case
from tracekit.protocols import Analyzer, Benchmark, Fitted

REFERENCES = ("constant", "position-prior", "first-speaker", "last-speaker")
"""Methods that stand in every table besides `uniform`, the expectation of a blind guess."""

Progress = Callable[[int, int, str], None]


def evaluate(
    benchmark: str | Benchmark,
    methods: Sequence[str | Analyzer],
    data: str | os.PathLike[str],
    config: EvalConfig | None = None,
    *,
    progress: Progress | None = None,
    asking: Asking | None = None,
    **settings: Any,
) -> Leaderboard:
    """Score methods on a labelled benchmark, with constants and chance beside them.

    Methods that are fitted are fitted anew without the fold they are scored on, unless
    `refit=False`; folds keep runs of one question, and copies of one run, together. The correct
    answer and the labels are hidden from every method. A method that breaks on a trace has that
    case counted as wrong. Raises `UsageError` for settings that cannot be met, or shipped weights
    on traces they have seen; `UnknownName`; `InputError` when `data` holds no labelled run.
    """
    config = configured(config, settings)
    bench: Benchmark = (
        registry.get("benchmarks", benchmark) if isinstance(benchmark, str) else benchmark
    )
    chosen = chosen_methods(methods)
    with located(data) as path:
        dataset = read(bench, path, with_answer=config.with_answer)
    pool = Pool()
    if config.protocol == "lodo":
        if is_hub(data):
            raise UsageError("--protocol lodo needs a folder that holds other benchmarks as well")
        pool = outside(bench.name, read_all(Path(data), with_answer=config.with_answer), dataset)
    return compare(bench, dataset, chosen, config, pool=pool, progress=progress, asking=asking)


def compare(
    bench: Benchmark,
    dataset: Dataset,
    chosen: Sequence[Analyzer],
    config: EvalConfig,
    *,
    pool: Pool,
    progress: Progress | None = None,
    asking: Asking | None = None,
) -> Leaderboard:
    """The leaderboard of a benchmark that is read already; `pool` is empty but under `lodo`."""
    idle = _idle(dataset)
    entries = [_entry(a, dataset, config) for a in chosen if a.name not in idle]
    if EXPECTED not in idle:
        entries.append(Entry(name=EXPECTED, analyzer=None, fit="exact"))
    modes = bench.modes if isinstance(bench, Vocabulary) else ()
    strict = config.scorer == "strict"
    if strict and modes:
        entries.append(Entry(name=FREQUENT, analyzer=None, fit="refitted"))
    with kept():
        cases = _cases(entries, dataset, bench, config, pool, asking or Asking(), progress)
    subsets, metrics = dataset.subsets, METRICS[config.scorer]
    found = rows(entries, cases, subsets, metrics, config.with_answer, modes if strict else None)
    return Leaderboard(
        benchmark=bench.name,
        definition=bench.definition,
        base=bench.base,
        data=dataset.digest,
        scorer=config.scorer,
        lenient=config.scorer == "official",
        with_answer=config.with_answer,
        answers=dataset.answers,
        spoken=dataset.spoken,
        protocol=config.protocol,
        outside=pool.names,
        notes=bench.notes if isinstance(bench, Noted) else (),
        columns=bench.columns if strict and isinstance(bench, Extra) else {},
        refit=config.refit,
        folds=config.folds,
        seeds=config.seeds,
        idle=tuple(sorted(idle)),
        n=len(dataset.items),
        groups=len({item.group for item in dataset.items}),
        unlabelled=dataset.unlabelled,
        subsets={s: sum(item.subset == s for item in dataset.items) for s in dataset.subsets},
        rows=tuple(found),
        pairs=tuple(pairs(entries, cases, dataset.subsets)),
        modes=tuple(mode_rows(cases, modes)) if strict else (),
        problems=dataset.problems,
        cases=tuple(cases),
    )


def configured(config: EvalConfig | None, settings: dict[str, Any]) -> EvalConfig:
    """The config with settings given as keywords; an unknown one raises `UsageError`."""
    unknown = sorted(set(settings) - set(EvalConfig.__struct_fields__))
    if unknown:
        known = ", ".join(EvalConfig.__struct_fields__)
        raise UsageError(f"evaluate has no setting {unknown[0]!r}; its settings: {known}")
    return msgspec.structs.replace(config or EvalConfig(), **settings)


def chosen_methods(methods: Sequence[str | Analyzer]) -> list[Analyzer]:
    """The methods named, then the references that were not; raises `UsageError` for a repeat."""
    named = [registry.get("analyzers", m) if isinstance(m, str) else m for m in methods]
    names = [analyzer.name for analyzer in named]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"method {name!r} is named twice")
        if name == EXPECTED:
            raise UsageError(f"{EXPECTED!r} is the table's own row; give the method another name")
    return named + [registry.get("analyzers", name) for name in REFERENCES if name not in names]


def _idle(dataset: Dataset) -> frozenset[str]:
    """The references that have nothing to say where no step, or no agent either, is labelled."""
    if dataset.has_steps:
        return frozenset()
    fitted = {"constant", "position-prior"}
    return frozenset(fitted if dataset.has_agents else {*REFERENCES, EXPECTED})


def _entry(analyzer: Analyzer, dataset: Dataset, config: EvalConfig) -> Entry:
    constant = analyzer.name in REFERENCES
    fit: Fit = "none"
    if isinstance(analyzer, Fitted):
        fit = "refitted" if config.refit or constant else _shipped(analyzer, dataset, config)
        if config.protocol == "lodo" and not constant:
            fit = "transferred"
    return Entry(name=analyzer.name, analyzer=analyzer, fit=fit, within_subset=constant)


def _shipped(analyzer: Analyzer, dataset: Dataset, config: EvalConfig) -> Fit:
    assert isinstance(analyzer, Fitted)
    seen = analyzer.seen()
    known = sum(fingerprint(item.trace) in seen for item in dataset.items)
    if known and not config.allow_seen:
        raise UsageError(
            f"{analyzer.name}: its weights were fitted on {known} of the {len(dataset.items)} runs"
            " to be scored; refit it (--refit), or allow it (--allow-seen) and have the row marked"
        )
    return "seen" if known else "shipped"


def _cases(
    entries: Sequence[Entry],
    dataset: Dataset,
    bench: Benchmark,
    config: EvalConfig,
    pool: Pool,
    asking: Asking,
    progress: Progress | None,
) -> list[Case]:
    found: list[Case] = []
    total, done = len(entries) * len(config.seeds), 0
    for seed in config.seeds:
        asked = Asked(
            items=dataset.items,
            folds=_folds(dataset, config.folds, seed),
            context=Context(seed=seed, with_answer=config.with_answer),
            bench=bench,
            official=config.scorer == "official",
            has_steps=dataset.has_steps,
            has_agents=dataset.has_agents,
            outside=pool.traces,
            asking=asking,
        )
        for entry in entries:
            found += run(entry, asked)
            done += 1
            if progress is not None:
                progress(done, total, f"{entry.name}, seed {seed}")
    return found


def _folds(dataset: Dataset, k: int, seed: int) -> Any:
    group = {id(item.trace): item.group for item in dataset.items}
    folds = grouped_folds([i.trace for i in dataset.items], lambda t: group[id(t)], k, seed)
    filled = len(set(folds.tolist()))
    if filled < k:
        raise UsageError(
            f"--folds {k}: the runs fall into {filled} groups that must stay together;"
            f" use at most {filled} folds"
        )
    return folds
