"""Arize Phoenix span exports: the client's spans, dataframes as JSON Lines, home-made exporters.

Three shapes: objects with `context` and `span_kind` (client and REST API), rows with the columns
`context.span_id` and `attributes.…`, and objects with `span_id`, `trace_id` and `attributes`
(flat or nested). A file may hold only part of a trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import read_instant
from tracekit.ingest.parts import as_text, maybe_json
from tracekit.ingest.peek import peek_items
from tracekit.ingest.readers.otel_span_json import is_error
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import traces
from tracekit.ingest.spans.attributes import ROLES, Role, Span
from tracekit.trace import Raw, Trace

_PREFIX = "attributes."


class Phoenix:
    """Reads spans as Phoenix and its users export them."""

    name: ClassVar[str] = "phoenix-export"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of rows with Phoenix's columns, less of bare span objects."""
        for item in peek_items(head)[:3]:
            inner = None if "trace_id" in item else item.get("data") or item.get("spans")
            if isinstance(inner, list) and inner and isinstance(inner[0], dict):
                item = inner[0]
            sure = _likeness(item)
            if sure:
                return sure
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per trace id."""
        yield from traces(source, self.name, _spans(source))


def _likeness(item: dict[str, Any]) -> float:
    if "context.span_id" in item:
        return 0.95
    context = item.get("context")
    if isinstance(context, dict) and "span_id" in context and "span_kind" in item:
        return 0.93
    if {"span_id", "trace_id", "attributes"} <= item.keys() and "child_spans" not in item:
        return 0.75 if "parent_id" in item or "parent_span_id" in item else 0.5
    return 0.0


def _spans(source: OpenSource) -> Iterator[Span | Problem]:
    for document in documents(source):
        if isinstance(document, Problem):
            yield document
            continue
        value, pointer = document.value, ""
        for key in ("data", "spans"):
            if isinstance(value, dict) and isinstance(value.get(key), list):
                value, pointer = value[key], f"/{key}"
        if isinstance(value, list):
            for raw, item in source.records(value, pointer, document.line):
                yield read_span(source, raw, item)
        else:
            record = document.line if document.line is not None else "/"
            source.see(record)
            yield read_span(source, Raw(record=record, line=document.line), value)


_KNOWN = frozenset(
    {"name", "span_kind", "parent_id", "parent_span_id", "start_time", "end_time", "status_code",
     "status_message", "status", "attributes", "events", "context", "context.span_id",
     "context.trace_id", "span_id", "trace_id", "duration_ns", "duration_ms", "kind", "resource"}
)  # fmt: skip


def read_span(source: OpenSource, raw: Raw, record: Any) -> Span | Problem:
    """One exported span; a record that is none gives a problem."""
    if not isinstance(record, dict):
        return source.problem(raw, "a span is not an object")
    get = record.get
    context = get("context")
    context = context if isinstance(context, dict) else {}
    id = as_text(get("context.span_id") or context.get("span_id") or get("span_id"))
    if not id:
        return source.problem(raw, "a span has no id")
    status = get("status")
    status = status if isinstance(status, dict) else {"status_code": status}
    resource = get("resource")
    reason = get("status_message") or status.get("description") or status.get("message")
    return Span(
        id=id,
        trace=as_text(get("context.trace_id") or context.get("trace_id") or get("trace_id")),
        parent=as_text(get("parent_id") or get("parent_span_id")) or None,
        name=as_text(get("name")),
        attributes=_attributes(record),
        raw=Raw(record=raw.record, line=raw.line, span=id),
        start=read_instant(get("start_time")),
        end=read_instant(get("end_time")),
        failed=is_error(get("status_code") or status.get("status_code", status.get("code"))),
        reason=as_text(reason) or None,
        events=_events(get("events")),
        role=_role(get("span_kind")),
        resource=resource if isinstance(resource, dict) else {},
        extra={
            key: value
            for key, value in record.items()
            if key not in _KNOWN and not key.startswith(_PREFIX) and value not in (None, [], {}, "")
        },
    )


def _role(kind: Any) -> Role:
    return ROLES.get(kind.lower(), "") if isinstance(kind, str) else ""


def _attributes(record: dict[str, Any]) -> dict[str, Any]:
    """Attributes with dotted keys, whether they stand in columns, nested or flat."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        if key.startswith(_PREFIX) and value is not None:
            if isinstance(value, dict):
                flatten(found, key[len(_PREFIX) :], value)
            else:
                found[key[len(_PREFIX) :]] = value
    inner = maybe_json(record.get("attributes"))
    if isinstance(inner, dict):
        for key, value in inner.items():
            flatten(found, key, value)
    return found


_WHOLE = frozenset(
    {"llm.input_messages", "llm.output_messages", "llm.tools", "metadata", "retrieval.documents",
     "llm.prompts", "llm.invocation_parameters", "input.value", "output.value"}
)  # fmt: skip
"""Attributes whose value is data and not a further part of the key."""


def flatten(found: dict[str, Any], key: str, value: Any, level: int = 0) -> None:
    """Nested attributes to dotted keys; lists stay whole."""
    if not isinstance(value, dict) or key in _WHOLE or level > 8 or not value:
        found[key] = value
        return
    for inner, item in value.items():
        flatten(found, f"{key}.{inner}", item, level + 1)


def _events(events: Any) -> list[dict[str, Any]]:
    """Span events; pandas may have written them as None."""
    found = (
        [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []
    )
    return [
        event
        if isinstance(event.get("attributes"), dict)
        else {**event, "attributes": {k: v for k, v in event.items() if k.startswith("exception")}}
        for event in found
    ]
