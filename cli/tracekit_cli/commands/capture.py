"""`tracekit capture`: traces of systems while they run."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tracekit.capture.otlp import SpanCollector
from tracekit.capture.otlp_http import PORT, Receiver
from tracekit_cli import options
from tracekit_cli.output import note, report_problems


class Door(StrEnum):
    """Ways in which running systems are listened to."""

    otlp = "otlp"


RECEIVERS = {Door.otlp: Receiver}


def command(
    door: Annotated[Door, typer.Argument(metavar="otlp", help="What to listen for.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Traces as JSONL; appended to.")
    ] = Path("traces.jsonl"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port on 127.0.0.1; 0 = any.")
    ] = PORT,
    until_idle: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="S", help="End when no spans came for S seconds."),
    ] = None,
    quiet_for: Annotated[
        float,
        typer.Option(min=0.0, metavar="S", help="Write a trace when it rested for S seconds."),
    ] = 5.0,
    redact: Annotated[
        bool, typer.Option("--redact", help="Take secrets out before anything is written.")
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Write traces while a system runs, from the spans it sends.

    Receives OpenTelemetry spans over HTTP, on 127.0.0.1 alone, in JSON and, with the extra `otlp`,
    in protobuf. Spans go to `traces.spans.jsonl` before they are acknowledged, so that a crash
    loses none. Ctrl-C writes what is left and ends with exit code 0.

    \b
    Examples:
      tracekit capture otlp -o traces.jsonl
      OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python my_agents.py
    """
    collector = SpanCollector(out, quiet=quiet_for, redact=redact)
    with RECEIVERS[door](collector, port) as receiver:
        note(f"listening on {receiver.url}; Ctrl-C ends it", quiet=quiet)
        with contextlib.suppress(KeyboardInterrupt), _terminated():
            receiver.wait(until_idle)
    told = f", {collector.redacted} secrets taken out" if redact else ""
    note(f"wrote {out} and {collector.journal}: {collector.spans} spans{told}", quiet=quiet)
    report_problems(collector.problems, quiet=quiet)


@contextlib.contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM, which is how services are stopped, ends like Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
