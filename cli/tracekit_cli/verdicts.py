"""Verdicts over logs as the commands print them: streamed for JSON, as one table for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from tracekit.analyzers.run import in_order, judged
from tracekit.analyzers.together import paired
from tracekit.attribution import Attribution
from tracekit.context import Context
from tracekit.errors import InputError, Problem
from tracekit.ingest.files import find_files
from tracekit.ingest.outcomes import Outcomes
from tracekit.ingest.pipeline import Ingest
from tracekit.ingest.redact import Redactor
from tracekit.ingest.sources import Limits
from tracekit.protocols import Analyzer
from tracekit.report import terminal
from tracekit.report.machine import verdict_lines
from tracekit.trace import Trace
from tracekit_cli.output import emit, note, report_problems, show
from tracekit_cli.progress import bar

Pair = tuple[Trace, Attribution]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to attribute, and how."""

    paths: tuple[str, ...]
    analyzer: Analyzer
    context: Context = Context()
    corpus: tuple[str, ...] = ()
    """Logs of other runs, for methods that need some; empty = the runs are the corpus."""
    outcomes: Outcomes | None = None
    format: str | None = None
    limits: Limits = Limits()
    all: bool = False
    """Whether successful runs get verdicts too."""
    redactor: Redactor | None = None
    """Takes secrets out of every trace before anything is said about it."""
    concurrency: int = 1
    """Runs that are judged at once, by methods that ask a model."""
    config: dict[str, Any] = {}
    """The resolved configuration of the command."""
    quiet: bool = False


class Verdicts:
    """Reads the logs of a request once, attributes on the way, and keeps the counts."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.counted: Counter[str] = Counter()
        """Runs by outcome status, those without a verdict included."""
        self.failed = 0
        """Verdicts that there are none of because the method broke, or its model gave no answer."""
        self.pairs: list[Pair] = []
        """Explained runs with their verdicts, kept for tables and reports."""
        formats = [request.format] if request.format else None
        self._failures: list[Problem] = []
        self._ingest = Ingest(request.paths, formats=formats, limits=request.limits)
        self._others = Ingest(request.corpus, formats=formats, limits=request.limits)

    @property
    def total(self) -> int:
        """Traces seen."""
        return self.counted.total()

    def problems(self) -> list[Problem]:
        """What went wrong in files, in the method and in the outcome check."""
        files = [*self._ingest.files, *self._others.files]
        found = [problem for report in files for problem in report.problems]
        checks = self.request.outcomes.problems if self.request.outcomes else []
        return found + self._failures + checks

    def __iter__(self) -> Iterator[Pair]:
        """Every run with its verdict, lazily and in order; successes come with an abstention."""
        request = self.request
        files = sum(1 for _ in find_files(request.paths + request.corpus))
        with bar("attributing", files, quiet=request.quiet) as tick:
            self._ingest.progress = self._others.progress = lambda report: tick(report.path)
            traces: Iterable[Trace] = self._read(self._ingest)
            context = request.context
            if "corpus" in request.analyzer.needs or request.corpus:
                traces = list(traces)
                others = list(self._read(self._others)) if request.corpus else traces
                context = msgspec.structs.replace(context, corpus=others)
            # methods that ask a model wait most of the time, so several runs are judged at once
            at_once = request.concurrency if "llm" in request.analyzer.needs else 1
            for trace, verdict, problem in in_order(
                lambda asked: (asked[0], *judged(*asked, context, even_success=request.all)),
                paired(request.analyzer, traces, even_success=request.all),
                at_once,
            ):
                verdict = self._signed(verdict)
                self.counted[trace.outcome.status] += 1
                self.failed += verdict.failed
                self._failures += [] if problem is None else [problem]
                yield trace, verdict

    def _read(self, ingest: Ingest) -> Iterator[Trace]:
        """Traces with their outcomes, and without secrets where that was asked for."""
        request = self.request
        for trace in ingest.traces():
            if request.outcomes is not None:
                trace = request.outcomes.apply(trace)
            yield trace if request.redactor is None else request.redactor.trace(trace)

    def _signed(self, verdict: Attribution) -> Attribution:
        """The verdict with what it was made with; one that was made before knows it."""
        config = verdict.config or self.request.config
        return msgspec.structs.replace(verdict, config=config)

    def print_lines(self, *, top: int | None, keep: bool) -> None:
        """One JSON line per run as soon as it is known; `keep` holds the verdicts for a report."""
        for pair in self:
            for line in verdict_lines([pair], top=top):
                emit(line)
            if keep and self._explained(pair):
                self.pairs.append(pair)
        note(self.summary(), quiet=self.request.quiet)

    def print_table(self, *, top: int | None) -> None:
        """A table of the explained runs and the counts; suspects in detail for `top` or one run."""
        self.pairs = [pair for pair in self if self._explained(pair)]
        if self.pairs:
            show(terminal.verdict_table(self.pairs))
        if top is not None or len(self.pairs) == 1:
            for pair in self.pairs:
                show(terminal.verdict_detail(*pair, top=top or 3))
        if self.total:
            show(self.summary())

    def summary(self) -> str:
        """How many runs there were, by outcome, and what was done with them."""
        count = self.counted
        blamed = "attributed as if failed" if self.request.all else "not blamed"
        return (
            f"{self.total} run{'s' * (self.total != 1)}: {count['failure']} failed, {count['success']} succeeded ({blamed}), "
            f"{count['unknown']} of unknown outcome (verdicts hold if they failed)"
            + (f"; {self.failed} judgement{'s' * (self.failed > 1)} failed" if self.failed else "")
        )

    def _explained(self, pair: Pair) -> bool:
        return self.request.all or pair[0].failed is not False


def close(verdicts: Verdicts) -> int:
    """Problems and leftovers on stderr; returns the exit code they ask for."""
    request = verdicts.request
    code = report_problems(verdicts.problems(), quiet=request.quiet)
    if request.outcomes is not None and (strays := request.outcomes.unmatched()):
        named = ", ".join(strays[:5]) + (", …" if len(strays) > 5 else "")
        note(
            f"tracekit: {len(strays)} ids of {request.outcomes.name} match no trace: {named}",
            quiet=request.quiet,
        )
    if not verdicts.total:
        raise InputError(
            f"no trace in {', '.join(request.paths)}; `tracekit ingest` says why, file by file"
        )
    return code


def write_report(path: Path, verdicts: Verdicts, *, quiet: bool = False) -> None:
    """The HTML report of the verdicts that were kept, and where it is."""
    from tracekit.report import html  # jinja2 only where a report is wanted

    counted = {} if verdicts.request.all else {"success": verdicts.counted["success"]}
    html.write_html(path, verdicts.pairs, counted=counted)
    note(f"wrote {path}", quiet=quiet)
