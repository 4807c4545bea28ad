"""Fitting a method on a user's own labels: which runs count, how good it is out of fold, its card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, cast

import msgspec

from tracekit import registry
from tracekit.analyzers.linear_fit import question
from tracekit.analyzers.models import card_header
from tracekit.attribution import Attribution
from tracekit.context import Context
from tracekit.errors import ContractError, UsageError
from tracekit.eval import tables
from tracekit.eval.board import Leaderboard
from tracekit.eval.config import EvalConfig
from tracekit.eval.dataset import blind
from tracekit.eval.leaderboard import evaluate
from tracekit.protocols import Analyzer, Benchmark, Fitted, Storable
from tracekit.trace import Definition, Trace
from tracekit.version import __version__

FEWEST = 10
"""Labelled failures below which nothing is fitted."""


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A method fitted on labelled runs, and what is known of its quality."""

    analyzer: Analyzer
    """Fitted on all of them."""
    definition: Definition
    """What the labels mean."""
    traces: int
    """Labelled failures it was fitted on."""
    questions: int
    """Distinct questions among them; runs of one question share a fold."""
    seed: int
    """Seed of the folds and of the fit."""
    board: Leaderboard | None
    """Out-of-fold figures beside constants and chance; None = there are none."""
    unevaluated: str | None = None
    """Why there are no such figures."""


class Own:
    """A user's labelled runs as a benchmark."""

    name: ClassVar[str] = "your-labels"
    base: ClassVar[int] = 0

    def __init__(self, traces: Sequence[Trace], definition: Definition) -> None:
        self.definition = definition
        self._traces = traces

    def load(self, path: Path) -> Iterator[Trace]:
        """The runs; they are in memory, `path` is not looked at."""
        return iter(self._traces)

    def group(self, trace: Trace) -> str:
        """Its question."""
        return question(trace)

    def subset(self, trace: Trace) -> str:
        """All of them are one set."""
        return ""

    def official(self, trace: Trace, attribution: Attribution) -> tuple[bool, bool]:
        """There is no other scorer than the strict one; never asked for."""
        raise UsageError("your own labels are scored strictly")


def train(
    method: str,
    traces: Iterable[Trace],
    *,
    definition: Definition | None = None,
    seed: int = 0,
    folds: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Trained:
    """Fit a method on labelled failures, and score it on them out of fold.

    Runs without a labelled step, and runs that succeeded, are left out. Folds keep runs of one
    question, and copies of one run, together; None = ten, or as many as there are questions where
    these, or the runs, are few. Raises `UsageError` for a method that cannot be fitted and stored,
    for fewer than ten labelled failures, for labels of several definitions unless one is named, and
    for `folds` that the runs cannot be dealt into; `UnknownName`.
    """
    analyzer = trainable(method)
    assert isinstance(analyzer, Fitted)
    chosen, meaning = labelled(traces, definition)
    board, why = _out_of_fold(analyzer, Own(chosen, meaning), chosen, seed, folds, progress)
    fitted = analyzer.fit(
        [blind(trace, meaning, with_answer=False) for trace in chosen], Context(seed=seed)
    )
    return Trained(
        analyzer=fitted,
        definition=meaning,
        traces=len(chosen),
        questions=len({question(trace) for trace in chosen}),
        seed=seed,
        board=board,
        unevaluated=why,
    )


def trainable(method: str) -> Analyzer:
    """The method of that name; raises `UsageError` unless it can be fitted and stored."""
    analyzer: Analyzer = registry.get("analyzers", method)
    if isinstance(analyzer, Fitted) and isinstance(analyzer, Storable):
        return analyzer
    able = []
    for name in registry.plugins("analyzers"):
        try:
            other = registry.get("analyzers", name)
        except ContractError:
            continue
        if isinstance(other, Fitted) and isinstance(other, Storable):
            able.append(name)
    raise UsageError(f"{method} has no weights to train; methods that have: {', '.join(able)}")


def labelled(
    traces: Iterable[Trace], definition: Definition | None
) -> tuple[list[Trace], Definition]:
    """The failures with a labelled step, and what those labels mean."""
    pointed = [(trace, _meanings(trace)) for trace in traces if trace.failed is not False]
    counted = Counter(meaning for _, meanings in pointed for meaning in meanings)
    if definition is None and len(counted) > 1:
        said = ", ".join(f"{name} ({count})" for name, count in sorted(counted.items()))
        raise UsageError(f"labels of several definitions are never pooled: name one of {said}")
    meaning: Definition = next(iter(counted), "decisive") if definition is None else definition
    chosen = [trace for trace, meanings in pointed if meaning in meanings]
    if len(chosen) < FEWEST:
        raise UsageError(
            f"{len(chosen)} failed runs have a {meaning} label with a step, {FEWEST} needed: "
            "label more (`tracekit label`), or check that they join (`tracekit label apply`)"
        )
    return chosen, meaning


def _meanings(trace: Trace) -> set[Definition]:
    steps = range(len(trace.steps))
    return {label.definition for label in trace.labels if label.step in steps}


def _out_of_fold(
    analyzer: Analyzer,
    own: Own,
    traces: Sequence[Trace],
    seed: int,
    folds: int | None,
    progress: Callable[[str], None] | None,
) -> tuple[Leaderboard | None, str | None]:
    """The figures, or why there are none; where `folds` were asked for, that is a `UsageError`."""
    groups = len({question(trace) for trace in traces})
    if folds is None and groups < 2:
        return None, "all runs ask one question, so none can be held out"
    if folds is not None and folds > groups:
        raise UsageError(
            f"--folds {folds}: the runs ask {groups} questions, and runs of one question stay "
            f"together; use at most {groups}"
        )
    config = EvalConfig(folds=folds or _usual_folds(len(traces), groups), seeds=(seed,))
    tell = None if progress is None else lambda _done, _all, what: progress(what)
    try:
        # A protocol's class variable, which is known only when the labels are.
        board = evaluate(cast("Benchmark", own), [analyzer], Path.cwd(), config, progress=tell)
    except UsageError as error:
        why = str(error)
    else:
        broke = [case.failed for case in board.cases if case.method == analyzer.name]
        if not all(broke):
            return board, None
        why = str(broke[0])
    if folds is not None:
        raise UsageError(f"--folds {folds}: {why}; leave it out, or label more runs")
    return None, f"too few runs to hold some out ({why})"


def _usual_folds(runs: int, groups: int) -> int:
    """Ten; one question at a time where more would be missing from the few runs to fit on."""
    return groups if runs < 2 * FEWEST else min(10, groups)


def card(trained: Trained, *, licence: str | None = None) -> str:
    """The model card: a YAML header, what it was fitted on, and how good it is out of fold."""
    name = trained.analyzer.name
    if trained.board is None:
        figures = f"None: {trained.unevaluated}."
    else:
        figures = (
            tables.as_markdown(trained.board).replace("\n## ", "\n#### ").replace("# ", "### ", 1)
        )
    return "\n".join(
        [
            *card_header("failure-attribution", "multi-agent", licence=licence),
            f"# {name}, fitted on {trained.traces} labelled runs",
            "",
            f"Weights of tracekit's `{name}` method: which agent and step broke a failed run. Use:",
            "",
            "    tracekit attribute LOGS --model FOLDER",
            "",
            f"- Labels: {trained.definition}; {trained.traces} failed runs, {trained.questions} questions.",
            "- Fingerprints of the runs: `fingerprints.txt`.",
            f"- Made by tracekit {__version__} with seed {trained.seed}.",
            "- The text of the runs is not in this folder.",
            "- It knows the system, the tasks and the annotators of these runs and no others.",
            "",
            "## Out of fold",
            "",
            figures,
            "",
        ]
    )
