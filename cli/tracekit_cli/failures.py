"""The failed runs of a system among logs, for commands that run it again."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from tracekit.errors import InputError, TracekitError
from tracekit.ingest.pipeline import Ingest
from tracekit.protocols import Replayable
from tracekit.trace import Trace
from tracekit_cli.output import note, report_problems

SystemOption = Annotated[
    str, typer.Option(metavar="MODULE:FACTORY", help="What makes the system that ran them.")
]
RunOption = Annotated[str | None, typer.Option(metavar="ID", help="Only this run.")]


def failed_runs(
    logs: list[str], run: str | None, system: Replayable
) -> tuple[list[Trace], list[Trace], int]:
    """Runs that failed, by the log or else by the system's check; all runs; the exit code."""
    ingest = Ingest(logs)
    seen = [trace for trace in ingest.traces() if run in (None, trace.id)]
    code = report_problems([problem for file in ingest.files for problem in file.problems])
    if not seen:
        raise InputError(f"no run {run or ''} in {', '.join(logs)}; `tracekit ingest` says why")
    checked = [trace if trace.failed is not None else _checked(trace, system) for trace in seen]
    if unknown := sum(trace.failed is None for trace in checked):
        note(f"tracekit: how {unknown} of {len(seen)} runs ended, neither log nor system say")
    return [trace for trace in checked if trace.failed], seen, code


def first(failures: list[Trace], most: int, *, quiet: bool = False) -> list[Trace]:
    """As many failed runs as are taken up; that there are more is said on stderr."""
    if len(failures) > most:
        note(f"tracekit: {most} of {len(failures)} failed runs are taken up (--most)", quiet=quiet)
    return failures[:most]


def _checked(trace: Trace, system: Replayable) -> Trace:
    """The run with what the system says of its end, where it knows the task."""
    try:
        return msgspec.structs.replace(trace, outcome=system.check(trace))
    except TracekitError:
        return trace
