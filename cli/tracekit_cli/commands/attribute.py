"""`tracekit attribute`: who broke each failed run, straight from the logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracekit_cli import options
from tracekit_cli.grouped import grouped
from tracekit_cli.judging import Asked, Reading, judging
from tracekit_cli.output import GATE, note, redacted
from tracekit_cli.verdicts import Verdicts, close, write_report

TopOption = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="K", help="Suspects of each run in detail; in JSON, at most that many."
    ),
]
AllOption = Annotated[
    bool, typer.Option("--all", help="Attribute successful runs too, as if they had failed.")
]
ExitCodeOption = Annotated[
    bool, typer.Option("--exit-code", help="Exit with 1 when a run failed: a gate for CI.")
]


@grouped
def command(
    paths: options.Logs,
    top: TopOption = None,
    json: options.JsonLines = False,
    html: options.Html = None,
    all: AllOption = False,
    exit_code: ExitCodeOption = False,
    *,
    asked: Asked,
    redact: options.Redact = False,
    pii: options.Pii = False,
    caps: options.Caps,
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
    reading = Reading(
        paths=tuple(paths),
        limits=caps.limits(),
        all=all,
        redaction=options.redaction(redact=redact, pii=pii),
        quiet=quiet,
    )
    with judging(asked, reading) as verdicts:
        _print(verdicts, top=top, html=html, json=json)
        code = close(verdicts)
    raise typer.Exit(GATE if exit_code and verdicts.counted["failure"] else code)


def _print(verdicts: Verdicts, *, top: int | None, html: Path | None, json: bool) -> None:
    """Verdicts on stdout, and in a report where one is wanted."""
    request = verdicts.request
    if json:
        verdicts.print_lines(top=top, keep=html is not None)
    else:
        verdicts.print_table(top=top)
    if html is not None:
        write_report(html, verdicts, quiet=request.quiet)
    if request.redactor is not None:
        note(redacted(request.redactor.counts), quiet=request.quiet)
