"""Verdicts as OpenInference annotations: late feedback on a span of its own.

A span that has ended cannot be changed. So each annotation rides on a fresh span of kind EVALUATOR
in a trace of its own, which links to the one span that it judges; its attributes are
`annotations.0.annotation.*`. The layout is OTLP's JSON.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tracekit.export.otlp import typed_attributes
from tracekit.export.verdicts.judged import Note, Pair, digest, judged, notes
from tracekit.export.verdicts.otel import SCOPE, flat, hex_trace, otlp_headers
from tracekit.protocols import Post
from tracekit.report.explain import explain
from tracekit.report.machine import json_bytes

_INTERNAL = 1  # SpanKind of OTLP


class OpenInferenceAnnotations:
    """OpenInference annotations on spans of kind EVALUATOR (OTLP/JSON), linked to what they judge."""

    name: ClassVar[str] = "openinference"
    suffix: ClassVar[str] = ".jsonl"

    def encode(self, pairs: Sequence[Pair]) -> bytes:
        """One export request a line for each run."""
        return b"".join(json_bytes(request) + b"\n" for request in _requests(pairs))

    def posts(self, pairs: Sequence[Pair]) -> Iterator[Post]:
        """The same requests for an OTLP/HTTP receiver."""
        for request in _requests(pairs):
            yield Post(path="/v1/traces", body=json_bytes(request))

    def headers(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """What OpenTelemetry's own variable `OTEL_EXPORTER_OTLP_HEADERS` says."""
        return otlp_headers(environ)


def _requests(pairs: Sequence[Pair]) -> Iterator[dict[str, Any]]:
    resource = {"attributes": typed_attributes({"service.name": "tracekit"})}
    for one in judged(pairs):
        spans = [
            _span(note, one.at(0).span) for note in notes(one, explain(one.trace, one.verdict))
        ]
        if spans:
            yield {
                "resourceSpans": [
                    {"resource": resource, "scopeSpans": [{"scope": SCOPE, "spans": spans}]}
                ]
            }


def _span(note: Note, first: str | None) -> dict[str, Any]:
    """`first` is the span that stands for a whole run: a link needs one."""
    judged_span = note.where.span or first
    return {
        "traceId": digest("annotation trace", note.id),
        "spanId": digest("annotation span", note.id)[:16],
        "name": note.name,
        "kind": _INTERNAL,
        "startTimeUnixNano": str(note.where.time),
        "endTimeUnixNano": str(note.where.time),
        "attributes": typed_attributes(attributes(note)),
        "links": [{"traceId": hex_trace(note.where.trace), "spanId": judged_span}],
    }


def attributes(note: Note) -> dict[str, Any]:
    """One annotation, flattened as the convention has it."""
    prefix = "annotations.0.annotation."
    found: dict[str, Any] = {
        "openinference.span.kind": "EVALUATOR",
        f"{prefix}name": note.name,
        f"{prefix}label": note.label,
        f"{prefix}explanation": note.explanation,
        f"{prefix}annotator_kind": kind(note),
        f"{prefix}identifier": note.id,
        f"{prefix}metadata": json_bytes(flat(note)).decode(),
    }
    return found if note.score is None else found | {f"{prefix}score": note.score}


def kind(note: Note) -> str:
    """Who annotates, in OpenInference's and Phoenix's words."""
    return "LLM" if note.by_model else "CODE"
