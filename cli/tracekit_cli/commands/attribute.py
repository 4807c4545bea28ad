"""`tracekit attribute`: who broke each failed run, straight from the logs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tracekit.analyzers.run import DEFAULT, choose
from tracekit.context import Context
from tracekit.errors import InputError
from tracekit.ingest.outcomes import outcomes_from
from tracekit.ingest.redact import redactor_for
from tracekit.ingest.sniff import reader_of
from tracekit.llm.retry import silence
from tracekit_cli import calls, options
from tracekit_cli.means import Means, check, opened
from tracekit_cli.output import note, redacted, report_problems
from tracekit_cli.settings import parse_settings
from tracekit_cli.verdicts import Request, Verdicts, write_report

GATE = 1
"""Exit code when `--exit-code` was given and a run failed."""


MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        "-m",
        metavar="NAME",
        help=f"One of `tracekit methods`; {DEFAULT} unless --model is of another kind.",
    ),
]
TopOption = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="K", help="Suspects of each run in detail; in JSON, at most that many."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON line per run on stdout.")]
HtmlOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write a report to open in a browser.")
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Attribute successful runs too, as if they had failed.")
]
OutcomeFromOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|MODULE:FUNC",
        help="Who knows how runs ended: a CSV or JSONL of id and status, or a function.",
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of every random choice.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="An option of the method; repeatable."),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|REPO",
        help="Weights: a folder, or owner/name[@revision] on the Hub. For a method that asks a "
        "model, its name: short for --set model=NAME.",
    ),
]
CorpusOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIR",
        help="Logs of other runs, for methods that learn from many; else the runs themselves.",
    ),
]
SystemOption = Annotated[
    str,
    typer.Option(
        metavar="MODULE:FACTORY", help="The system that made the runs, for methods that replay it."
    ),
]
LlmOption = calls.Llm
KeyEnvOption = calls.KeyEnv
ExitCodeOption = Annotated[
    bool, typer.Option("--exit-code", help="Exit with 1 when a run failed: a gate for CI.")
]


def command(
    paths: options.Logs,
    method: MethodOption = None,
    top: TopOption = None,
    json: JsonOption = False,
    html: HtmlOption = None,
    all: AllOption = False,
    outcome_from: OutcomeFromOption = None,
    with_answer: options.WithAnswer = False,
    seed: SeedOption = 0,
    format: options.Format = None,
    set: SetOption = None,
    model: ModelOption = None,
    corpus: CorpusOption = None,
    system: SystemOption = "",
    llm: LlmOption = "",
    key_env: KeyEnvOption = "",
    repeat: calls.Repeat = None,
    concurrency: calls.Concurrency = calls.AT_ONCE,
    timeout: calls.Timeout = calls.PATIENCE,
    max_tokens_total: calls.MaxTokens = None,
    max_cost: calls.MaxCost = None,
    price: calls.PriceOption = "",
    cache: calls.Cache = None,
    record: calls.Record = None,
    replay: calls.Replay = None,
    redact: options.Redact = False,
    pii: options.Pii = False,
    exit_code: ExitCodeOption = False,
    max_file_bytes: options.MaxFileBytes = options.LIMITS.file_bytes,
    max_line_bytes: options.MaxLineBytes = options.LIMITS.line_bytes,
    max_depth: options.MaxDepth = options.LIMITS.depth,
    max_expanded_bytes: options.MaxExpandedBytes = options.LIMITS.expanded_bytes,
    max_ratio: options.MaxRatio = options.LIMITS.ratio,
    max_members: options.MaxMembers = options.LIMITS.members,
    quiet: options.Quiet = False,
) -> None:
    """Say which agent and step broke each failed run, and why.

    Reads raw logs and normalised traces alike. Only failures are explained: successful runs are
    counted, and runs whose outcome nobody knows get a verdict marked "if it failed". Logs seldom
    say how a run ended; --outcome-from takes that from a table or a check function.

    \b
    Examples:
      tracekit attribute logs/
      tracekit attribute logs/ --outcome-from outcomes.csv --html report.html
      tracekit attribute traces.jsonl --method first-error --json
      tracekit attribute logs/ --model my-model
      tracekit attribute logs/ --method shapley --system my_team:build
      tracekit attribute logs/ --method judge:all-at-once --llm http://localhost:8000/v1 \\
        --model my-model --cache calls.db --max-tokens-total 1000000
    """
    if format is not None:
        reader_of(format)
    if outcome_from is not None or system:
        sys.path.append(os.getcwd())  # both lie beside the logs more often than on the path
    analyzer, chosen = choose(method, model)
    if "llm" in analyzer.needs:
        silence()
    asking = calls.Calls(
        tokens=max_tokens_total, money=max_cost, price=price, concurrency=concurrency,
        timeout=timeout, cache=cache, record=record, replay=replay,
    )  # fmt: skip
    given = parse_settings(set, chosen.get("model"), repeat)
    means = Means(
        corpus=tuple(corpus or ()), system=system, llm=llm, key_env=key_env,
        model=str(given.get("model", "")), calls=asking,
    )  # fmt: skip
    check(analyzer, means)
    base = Context(seed=seed, with_answer=with_answer, settings=given)
    with opened(base, means, quiet=quiet) as context:
        request = Request(
            paths=tuple(paths),
            analyzer=analyzer,
            context=context,
            corpus=means.corpus,
            outcomes=outcomes_from(outcome_from) if outcome_from else None,
            format=format,
            limits=options.limits(
                max_file_bytes,
                max_line_bytes,
                max_depth,
                max_expanded_bytes,
                max_ratio,
                max_members,
            ),
            all=all,
            redactor=redactor_for(options.redaction(redact=redact, pii=pii)),
            concurrency=concurrency,
            quiet=quiet,
        )
        verdicts = Verdicts(request)
        _print(verdicts, request, top=top, html=html, json=json)
        code = close(verdicts, request)
    raise typer.Exit(GATE if exit_code and verdicts.counted["failure"] else code)


def _print(
    verdicts: Verdicts, request: Request, *, top: int | None, html: Path | None, json: bool
) -> None:
    """Verdicts on stdout, and in a report where one is wanted."""
    if json:
        verdicts.print_lines(top=top, keep=html is not None)
    else:
        verdicts.print_table(top=top)
    if html is not None:
        write_report(html, verdicts, quiet=request.quiet)
    if request.redactor is not None:
        note(redacted(request.redactor.counts), quiet=request.quiet)


def close(verdicts: Verdicts, request: Request) -> int:
    """Problems and leftovers on stderr; returns the exit code they ask for."""
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
