"""`tracekit eval`: methods against a labelled benchmark, in one table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from tracekit.analyzers.models import load_model
from tracekit.errors import Problem, UsageError
from tracekit.eval import suite_tables, tables
from tracekit.eval.config import EvalConfig, Protocol, Scorer
from tracekit.eval.leaderboard import Progress, evaluate
from tracekit.eval.suite import evaluate_all
from tracekit.llm.retry import silence
from tracekit.protocols import Analyzer
from tracekit.store import atomic
from tracekit_cli import options
from tracekit_cli.output import emit, note, report_problems, show
from tracekit_cli.progress import bar

if TYPE_CHECKING:
    from rich.console import RenderableType

ALL = "all"
"""The benchmark that is every benchmark found."""

DEFAULTS = EvalConfig()


BenchmarkArgument = Annotated[
    str,
    typer.Argument(metavar="BENCHMARK", help="One of `tracekit benchmarks`, or all of them."),
]
DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Where the benchmark lies on this machine; or hub:ORG/NAME@REVISION.",
    ),
]
MethodOption = Annotated[
    list[str] | None,
    typer.Option("--method", "-m", metavar="A,B,...", help="Methods; repeatable, or by comma."),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|REPO",
        help="Weights of your own, scored as they are (implies --shipped): a folder, or "
        "owner/name[@revision] on the Hub.",
    ),
]
FoldsOption = Annotated[
    int,
    typer.Option(min=2, metavar="N", help="Folds, grouped by question, for fitted methods."),
]
SeedsOption = Annotated[
    str, typer.Option(metavar="N,N,...", help="One run each; figures are means over them.")
]
RefitOption = Annotated[
    bool,
    typer.Option(
        "--refit/--shipped", help="Fit anew without the scored fold, or score shipped weights."
    ),
]
AllowSeenOption = Annotated[
    bool,
    typer.Option("--allow-seen", help="Score shipped weights on runs they saw, and mark them."),
]
ProtocolOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="folds: fit on the same benchmark, out of fold; lodo: on the others in DIR alone.",
    ),
]
ScorerOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="strict, or official: the source's own, often lenient."),
]
MarkdownOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write the table as Markdown.")
]
CasesOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write each case as a JSON line.")
]


def command(
    benchmark: BenchmarkArgument,
    data: DataOption,
    method: MethodOption = None,
    model: ModelOption = None,
    folds: FoldsOption = DEFAULTS.folds,
    seeds: SeedsOption = ",".join(map(str, DEFAULTS.seeds)),
    refit: RefitOption = DEFAULTS.refit,
    allow_seen: AllowSeenOption = False,
    protocol: ProtocolOption = DEFAULTS.protocol,
    scorer: ScorerOption = DEFAULTS.scorer,
    with_answer: options.WithAnswer = False,
    json: options.Json = False,
    markdown: MarkdownOption = None,
    cases: CasesOption = None,
    quiet: options.Quiet = False,
) -> None:
    """Score methods on a labelled benchmark, with intervals.

    Constants, first and last speaker and chance stand beside the methods in every table. Steps count when the integer is right, agents when the normalised name is; abstentions are
    wrong; the denominator is every case. Fitted methods are scored out of fold. The benchmark
    `all` is every one found in DIR.

    \b
    Example:
      tracekit eval who-and-when -m linear,first-error \\
        --data $TRACEKIT_DATA/labeled/who-and-when
      tracekit eval all -m linear --protocol lodo --data $TRACEKIT_DATA
    """
    config = EvalConfig(
        folds=folds,
        seeds=_seeds(seeds),
        refit=refit and model is None,
        allow_seen=allow_seen,
        protocol=_protocol(protocol),
        scorer=_scorer(scorer),
        with_answer=with_answer,
    )
    names: list[str | Analyzer] = [] if model is None else [load_model(model)]
    names += [name.strip() for given in method or () for name in given.split(",") if name.strip()]
    if not names:
        raise UsageError("nothing to score: name a method (-m) or a model (--model)")
    silence()  # a method may ask a model
    with bar("evaluating", None, quiet=quiet) as tick:
        told = _told(benchmark, names, data, config, lambda _done, _total, what: tick(what))
    if json:
        emit(told.json.rstrip(b"\n") + b"\n")
    else:
        show(*told.shown)
    if markdown is not None:
        _write(markdown, told.markdown.encode(), quiet=quiet)
    if cases is not None:
        _write(cases, b"".join(told.cases), quiet=quiet)
    raise typer.Exit(report_problems(told.problems, quiet=quiet))


class Told(NamedTuple):
    """A result in every form."""

    json: bytes
    shown: list[RenderableType]
    markdown: str
    cases: Iterator[bytes]
    problems: tuple[Problem, ...]


def _told(
    benchmark: str,
    methods: list[str | Analyzer],
    data: str,
    config: EvalConfig,
    progress: Progress,
) -> Told:
    """One benchmark's leaderboard, or that of all."""
    if benchmark == ALL:
        suite = evaluate_all(methods, data, config, progress=progress)
        return Told(
            suite_tables.as_json(suite),
            suite_tables.as_rich(suite),
            suite_tables.as_markdown(suite),
            suite_tables.cases_jsonl(suite),
            suite.problems,
        )
    board = evaluate(benchmark, methods, data, config, progress=progress)
    return Told(
        tables.as_json(board),
        tables.as_rich(board),
        tables.as_markdown(board),
        tables.cases_jsonl(board),
        board.problems,
    )


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(seed) for seed in text.split(",") if seed.strip())
    except ValueError:
        raise UsageError(f"--seeds {text}: not integers between commas") from None


def _scorer(text: str) -> Scorer:
    if text == "strict":
        return "strict"
    if text == "official":
        return "official"
    raise UsageError(f"--scorer {text}: known are strict and official")


def _protocol(text: str) -> Protocol:
    if text == "folds":
        return "folds"
    if text == "lodo":
        return "lodo"
    raise UsageError(f"--protocol {text}: known are folds and lodo")


def _write(path: Path, content: bytes, *, quiet: bool) -> None:
    with atomic(path) as stream:
        stream.write(content)
    note(f"wrote {path}", quiet=quiet)
