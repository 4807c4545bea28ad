"""`tracekit show`: what is in a log, as tracekit reads it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from tracekit.errors import UsageError
from tracekit.ingest.pipeline import Ingest
from tracekit.ingest.sniff import reader_of
from tracekit.report import terminal
from tracekit.report.visible import one_line, visible
from tracekit.store import encode
from tracekit.trace import Step, Trace
from tracekit_cli import options
from tracekit_cli.output import emit, emit_json, listing, report_problems, show


def command(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Logs, folders or normalised traces.")
    ],
    trace: Annotated[
        str | None, typer.Option(metavar="ID", help="Only the trace of that id.")
    ] = None,
    step: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Only that step of it, in full length.")
    ] = None,
    format: options.Format = None,
    json: options.Json = False,
) -> None:
    """Show what is in a log: its runs, their steps, one step.

    Many traces are listed with their ids, one is shown step by step. Control characters of the
    log are shown as marks. --json prints traces as JSONL, as `ingest` writes them.

    \b
    Examples:
      tracekit show logs/
      tracekit show logs/ --trace run-17 --step 4
      tracekit show logs/run.json --json
    """
    if format is not None:
        reader_of(format)
    ingest = Ingest(paths, formats=[format] if format else None)
    found = [item for item in ingest.traces() if trace in (None, item.id)]
    code = report_problems([problem for file in ingest.files for problem in file.problems])
    if not found and trace is not None:
        raise UsageError(f"no trace has the id {trace!r}; `tracekit show {paths[0]}` lists them")
    if step is not None:
        _print_step(_step(found, step), json=json)
    elif json:
        for item in found:
            emit(encode(item) + b"\n")
    elif len(found) == 1:
        show(terminal.trace_view(found[0]))
    else:
        listing(
            ("trace", "outcome", "steps", "format", "question"),
            map(_row, found),
            cut=True,
        )
    raise typer.Exit(code)


def _row(trace: Trace) -> tuple[Any, ...]:
    question = one_line(trace.task.question, 60)
    return trace.id, trace.outcome.status, len(trace.steps), trace.source.format, question


def _step(found: list[Trace], index: int) -> Step:
    if len(found) != 1:
        raise UsageError(f"--step needs one trace and there are {len(found)}: add --trace ID")
    steps = found[0].steps
    if index >= len(steps):
        raise UsageError(f"--step {index}: trace {found[0].id} has steps 0 to {len(steps) - 1}")
    return steps[index]


def _print_step(step: Step, *, json: bool) -> None:
    if json:
        emit_json(step)
        return
    fields = msgspec.to_builtins(step)
    content = fields.pop("content", "")
    rows = [
        (name, value if isinstance(value, str | int) else msgspec.json.encode(value).decode())
        for name, value in fields.items()
    ]
    listing(("field", "value"), rows)
    show("", visible(content))
