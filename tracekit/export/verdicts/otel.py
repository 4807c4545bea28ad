"""Verdicts as OpenTelemetry log events `gen_ai.evaluation.result`, in OTLP's JSON.

The event and its attributes are those of the GenAI semantic conventions (in development there);
it carries the ids of the span that it judges. OTLP has no updating: a collector that is sent the
same event twice stores it twice, with one `tracekit.note.id`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tracekit.export.otlp import typed_attributes
from tracekit.export.verdicts.judged import Note, Pair, judged, notes
from tracekit.protocols import Post
from tracekit.report.explain import explain
from tracekit.report.machine import json_bytes
from tracekit.version import __version__

EVENT = "gen_ai.evaluation.result"
SCOPE = {"name": "tracekit", "version": __version__}
_INFO = 9  # SeverityNumber of OTLP


class Otel:
    """OpenTelemetry events `gen_ai.evaluation.result` (OTLP/JSON logs), beside the judged spans."""

    name: ClassVar[str] = "otel"
    suffix: ClassVar[str] = ".jsonl"

    def encode(self, pairs: Sequence[Pair]) -> bytes:
        """One export request a line for each run, as the collector's file exporter writes them."""
        return b"".join(json_bytes(request) + b"\n" for request in _requests(pairs))

    def posts(self, pairs: Sequence[Pair]) -> Iterator[Post]:
        """The same requests for an OTLP/HTTP receiver."""
        for request in _requests(pairs):
            yield Post(path="/v1/logs", body=json_bytes(request))

    def headers(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """What OpenTelemetry's own variable `OTEL_EXPORTER_OTLP_HEADERS` says."""
        return otlp_headers(environ)


def otlp_headers(environ: Mapping[str, str]) -> dict[str, str]:
    """Headers of `OTEL_EXPORTER_OTLP_HEADERS`.

    >>> otlp_headers({"OTEL_EXPORTER_OTLP_HEADERS": "api-key=abc%20d, x=1"})
    {'api-key': 'abc d', 'x': '1'}
    """
    from urllib.parse import unquote

    pairs = (
        item.partition("=") for item in environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(",")
    )
    return {key.strip(): unquote(value.strip()) for key, equals, value in pairs if equals}


def _requests(pairs: Sequence[Pair]) -> Iterator[dict[str, Any]]:
    for one in judged(pairs):
        records = [_record(note) for note in notes(one, explain(one.trace, one.verdict))]
        if records:
            service = {"service.name": one.trace.source.framework or "tracekit"}
            resource = {"attributes": typed_attributes(service)}
            scoped = {"scope": SCOPE, "logRecords": records}
            yield {"resourceLogs": [{"resource": resource, "scopeLogs": [scoped]}]}


def _record(note: Note) -> dict[str, Any]:
    record: dict[str, Any] = {
        "timeUnixNano": str(note.where.time),
        "observedTimeUnixNano": str(note.where.time),
        "severityNumber": _INFO,
        "eventName": EVENT,
        "attributes": typed_attributes(attributes(note)),
        "traceId": hex_trace(note.where.trace),
    }
    if note.where.span is not None:
        record["spanId"] = note.where.span
    return record


def hex_trace(id: str) -> str:
    """A trace id in OTLP's 32 digits: short ones are filled with zeros, as Jaeger's are."""
    return id.rjust(32, "0")


def attributes(note: Note) -> dict[str, Any]:
    """What the conventions have words for, then the rest under `tracekit.`."""
    found: dict[str, Any] = {
        "gen_ai.evaluation.name": note.name,
        "gen_ai.evaluation.score.label": note.label,
        "gen_ai.evaluation.explanation": note.explanation,
    }
    if note.score is not None:
        found["gen_ai.evaluation.score.value"] = note.score
    return found | {"tracekit.note.id": note.id} | flat(note)


def flat(note: Note) -> dict[str, Any]:
    """The facts of a note as attributes, lists joined by commas, what is not known left out."""
    return {
        f"tracekit.{name}": ",".join(value) if isinstance(value, list) else value
        for name, value in note.facts.items()
        if value not in (None, [], "")
    }
