"""`tracekit eval`: methods against a labelled benchmark, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tracekit import registry
from tracekit.analyzers.asking import may_ask
from tracekit.errors import UsageError
from tracekit.eval.config import EvalConfig, Protocol, Scorer
from tracekit.eval.manifest import encode
from tracekit_cli import calls, options
from tracekit_cli.evaluation import Job, evaluated, write
from tracekit_cli.grouped import grouped
from tracekit_cli.output import emit, report_problems, show
from tracekit_cli.settings import parse_settings

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
        "owner/name[@revision] on the Hub. With --llm or --replay, the name of the model there; for "
        "tracer, the model that it loads.",
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
HtmlOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Also write a page with pictures, for a browser."),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Also write what `tracekit reproduce` needs to do it again."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="An option of the methods that ask or load a model."
    ),
]
CasesOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write each case as a JSON line.")
]


class Scoring(msgspec.Struct, frozen=True, kw_only=True):
    """How methods are fitted and scored."""

    folds: FoldsOption = DEFAULTS.folds
    seeds: SeedsOption = ",".join(map(str, DEFAULTS.seeds))
    refit: RefitOption = DEFAULTS.refit
    allow_seen: AllowSeenOption = False
    protocol: ProtocolOption = DEFAULTS.protocol
    scorer: ScorerOption = DEFAULTS.scorer
    with_answer: options.WithAnswer = False

    def config(self, *, own_weights: bool) -> EvalConfig:
        """The same for the library; weights of one's own are scored as they are."""
        return EvalConfig(
            folds=self.folds,
            seeds=_seeds(self.seeds),
            refit=self.refit and not own_weights,
            allow_seen=self.allow_seen,
            protocol=_protocol(self.protocol),
            scorer=_scorer(self.scorer),
            with_answer=self.with_answer,
        )


@grouped
def command(
    benchmark: BenchmarkArgument,
    data: DataOption,
    method: MethodOption = None,
    model: ModelOption = None,
    *,
    scoring: Scoring,
    json: options.Json = False,
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    cases: CasesOption = None,
    manifest: ManifestOption = None,
    set: SetOption = None,
    repeat: calls.Repeat = None,
    asking: calls.Calls,
    quiet: options.Quiet = False,
) -> None:
    """Score methods on a labelled benchmark, with intervals.

    Constants, a usual place, first and last speaker and chance stand beside the methods in every
    table. Steps count when the integer is right, agents when the normalised name is; abstentions
    are wrong; the denominator is every case. Fitted methods are scored out of fold. The benchmark
    `all` is every one found in DIR.

    \b
    Example:
      tracekit eval who-and-when -m linear,first-error \\
        --data $TRACEKIT_DATA/labeled/who-and-when
      tracekit eval all -m linear --protocol lodo --data $TRACEKIT_DATA
      tracekit eval who-and-when -m judge:all-at-once,judge:fusion --model my-model \\
        --llm http://localhost:8000/v1 --cache calls.db --data $TRACEKIT_DATA
    """
    named = [name.strip() for given in method or () for name in given.split(",") if name.strip()]
    by_name = asking.answered or any(may_ask(registry.get("analyzers", name)) for name in named)
    weights = None if by_name else model
    config = scoring.config(own_weights=weights is not None)
    job = Job(
        benchmark=benchmark, methods=tuple(named), model=weights, data=data, config=config,
        calls=asking, settings=parse_settings(set, model if by_name else None, repeat),
    )  # fmt: skip
    found = evaluated(job, quiet=quiet)
    if json:
        emit(found.json() + b"\n")
    else:
        show(*found.rich())
    if markdown is not None:
        write(markdown, found.markdown(), quiet=quiet)
    if html is not None:
        write(html, found.html(), quiet=quiet)
    if cases is not None:
        write(cases, b"".join(found.cases()), quiet=quiet)
    if manifest is not None:
        write(manifest, encode(found.manifest()), quiet=quiet)
    raise typer.Exit(report_problems(found.problems, quiet=quiet))


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
