"""`tracekit export`: traces and verdicts in the formats of other tools."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from tracekit import registry
from tracekit.errors import InputError, UsageError
from tracekit.export.verdicts.sending import send
from tracekit.ingest.files import find_files
from tracekit.ingest.pipeline import Ingest
from tracekit.ingest.redact import Redactor, redactor_for
from tracekit.protocols import Exporter, VerdictExporter, VerdictSender
from tracekit.store import atomic
from tracekit.trace import Trace
from tracekit_cli import options
from tracekit_cli.grouped import grouped
from tracekit_cli.judging import Asked, Reading, VerdictsOption, judging
from tracekit_cli.output import emit, emit_json, note, redacted, report_problems, show
from tracekit_cli.progress import bar
from tracekit_cli.verdicts import close

ToOption = Annotated[
    str,
    typer.Option(
        "--to", metavar="NAME", help="jsonl, parquet, otlp, openinference, atif or a plug-in."
    ),
]
OutOption = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="PATH", help="The file, or for atif a new folder."),
]


def traces(
    paths: options.Logs,
    to: ToOption,
    out: OutOption,
    format: options.Format = None,
    redact: options.Redact = True,
    pii: options.Pii = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the traces of logs in another format.

    An export is made to be handed on, so secrets are taken out unless --no-redact is given; the
    summary counts them by rule. What does not come back when tracekit reads the export again is
    told on stderr. Reads raw logs and normalised traces alike.

    \b
    Examples:
      tracekit export traces logs/ --to otlp -o spans.jsonl
      tracekit export traces traces.jsonl --to parquet -o traces.parquet --no-redact
      tracekit export traces logs/ --to atif -o trajectories --json
    """
    if format is not None:
        registry.get("readers", format)
    exporter: Exporter = registry.get("exporters", to)
    redactor = redactor_for(options.redaction(redact=redact, pii=pii))
    own = os.path.realpath(out)  # an earlier output among the inputs is not one of them
    files = [path for file, path in find_files(paths) if os.path.realpath(file) != own]
    ingest = Ingest(files, formats=[format] if format else None)
    lost: Counter[str] = Counter()
    steps = 0

    def read() -> Iterator[Trace]:
        nonlocal steps
        for trace in ingest.traces():
            lost.update(exporter.losses(trace))
            steps += len(trace.steps)
            yield trace if redactor is None else redactor.trace(trace)
        if not any(file.traces for file in ingest.files):
            raise InputError(
                f"no trace in {', '.join(paths)}; `tracekit ingest` says why, file by file"
            )

    with bar("exporting", len(files), quiet=quiet) as tick:
        ingest.progress = lambda report: tick(report.path)
        count = exporter.write(read(), out)
    code = report_problems(
        [problem for file in ingest.files for problem in file.problems], quiet=quiet
    )
    summary = {"output": str(out), "format": to, "traces": count, "steps": steps}
    _print(summary, lost, redactor, json=json, quiet=quiet)
    note(f"wrote {out}", quiet=quiet)
    raise typer.Exit(code)


def _print(
    summary: dict[str, Any],
    lost: Counter[str],
    redactor: Redactor | None,
    *,
    json: bool,
    quiet: bool,
) -> None:
    """What was written and redacted on stdout, what was lost on stderr."""
    counts = dict(sorted(redactor.counts.items())) if redactor else {}
    losses = [{"what": what, "traces": number} for what, number in sorted(lost.items())]
    if json:
        emit_json({**summary, "redacted": counts if redactor else None, "losses": losses})
    else:
        show("{traces:,} traces with {steps:,} steps as {format}".format(**summary))
        show(redacted(counts) if redactor else "nothing was redacted (--no-redact)")
    for what, number in sorted(lost.items()):
        note(f"not kept in {number:,} traces: {what}", quiet=quiet)


VerdictsToOption = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="NAME",
        help="otel, openinference, langfuse, phoenix, sarif, junit or a plug-in.",
    ),
]
VerdictsOutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Write there instead of on stdout."),
]
EndpointOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Send to this server: otel, openinference, langfuse, phoenix. Keys come from the "
        "variables of those tools.",
    ),
]


@grouped
def verdicts(
    paths: options.Logs,
    to: VerdictsToOption,
    out: VerdictsOutOption = None,
    endpoint: EndpointOption = None,
    verdicts: VerdictsOption = None,
    *,
    asked: Asked,
    redact: options.Redact = True,
    pii: options.Pii = False,
    quiet: options.Quiet = False,
) -> None:
    """Write verdicts where other tools look for them, or send them there.

    Reads logs and attributes them as `tracekit attribute` does. Verdicts go to the spans that the
    log has, or else to those that `tracekit export traces` gives the same runs. Without --endpoint
    nothing leaves this machine. Secrets are taken out unless --no-redact is given.

    \b
    Variables: LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY, PHOENIX_API_KEY,
    OTEL_EXPORTER_OTLP_HEADERS.

    \b
    Examples:
      tracekit export verdicts logs/ --to sarif -o tracekit.sarif
      tracekit export verdicts logs/ --to junit > tracekit.xml
      tracekit export verdicts spans.jsonl --to phoenix --endpoint http://localhost:6006
    """
    exporter: VerdictExporter = registry.get("verdict_exporters", to)
    if endpoint is not None and not isinstance(exporter, VerdictSender):
        raise UsageError(f"--to {to} makes files; --endpoint is for {', '.join(_senders())}")
    reading = Reading(
        paths=tuple(paths),
        verdicts=verdicts,
        redaction=options.redaction(redact=redact, pii=pii),
        quiet=quiet,
    )
    with judging(asked, reading) as made:
        pairs = list(made)
    code = close(made)
    if out is not None:
        with atomic(out) as stream:
            stream.write(exporter.encode(pairs))
        note(f"wrote {out}", quiet=quiet)
    elif endpoint is None:
        emit(exporter.encode(pairs))
    if endpoint is not None and isinstance(exporter, VerdictSender):
        count = send(exporter.posts(pairs), endpoint, exporter.headers(os.environ))
        note(f"sent verdicts on {len(pairs):,} runs in {count:,} requests", quiet=quiet)
    raise typer.Exit(code)


def _senders() -> list[str]:
    known = registry.plugins("verdict_exporters")
    return [n for n in known if isinstance(registry.get("verdict_exporters", n), VerdictSender)]


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Write what tracekit knows in the formats of other tools.

    \b
    Example:
      tracekit export traces logs/ --to otlp -o spans.jsonl
      tracekit export verdicts logs/ --to sarif -o tracekit.sarif
    """,
)
app.command("traces")(traces)
app.command("verdicts")(verdicts)


@app.callback()
def group() -> None:
    """What is written is the command's name."""
