"""OTLP as JSON: `resourceSpans`, Tempo's `batches`, the collector's file exporter (JSON Lines).

Ids come in hex or base64, integers as numbers or strings, scopes as `scopeSpans` or under the
older name `instrumentationLibrarySpans`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.documents import documents
from tracekit.ingest.parts import as_text
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import traces
from tracekit.ingest.spans.attributes import Span
from tracekit.trace import Raw, Trace

_RESOURCES = ("resourceSpans", "batches", "resource_spans")
_SCOPES = ("scopeSpans", "instrumentationLibrarySpans", "scope_spans", "ilSpans")


class OtlpJson:
    """Reads OTLP trace exports in JSON."""

    name: ClassVar[str] = "otlp-json"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the nesting of OTLP is in sight."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return 0.0
        scoped = any(f'"{key}"'.encode() in head for key in _SCOPES)
        listed = any(f'"{key}"'.encode() in head for key in _RESOURCES)
        return 0.95 if scoped and listed else 0.6 if scoped and b'"traceId"' in head else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per trace id."""
        yield from traces(source, self.name, _spans(source))


def _spans(source: OpenSource) -> Iterator[Span | Problem]:
    for document in documents(source):
        if isinstance(document, Problem):
            yield document
            continue
        wholes = document.value if isinstance(document.value, list) else [document.value]
        top = "/" if isinstance(document.value, list) else ""
        found = False
        for at, whole in enumerate(wholes):
            pointer = f"{top}{at}" if top else ""
            for span in read_document(source, whole, pointer, document.line):
                found = True
                yield span
        if not found and isinstance(document.value, dict | list):
            what = "there are no spans under `resourceSpans` or `batches`"
            yield source.problem(None, what, severity="skip", line=document.line)


def read_document(
    source: OpenSource, whole: Any, pointer: str, line: int | None
) -> Iterator[Span | Problem]:
    """The spans of one export request."""
    for outer in ("trace", "result"):  # the newer query APIs of Tempo and Jaeger
        if isinstance(whole, dict) and isinstance(whole.get(outer), dict):
            whole, pointer = whole[outer], f"{pointer}/{outer}"
    for key, batches in _members(whole, _RESOURCES):
        for b, batch in enumerate(batches):
            resource = _resource(batch)
            for scopes_key, scopes in _members(batch, _SCOPES):
                for s, scope in enumerate(scopes):
                    listed = scope.get("spans") if isinstance(scope, dict) else None
                    place = f"{pointer}/{key}/{b}/{scopes_key}/{s}/spans"
                    library = _library(scope)
                    known = resource
                    if isinstance(scope, dict) and scope.get("schemaUrl"):
                        known = {**resource, "schema_url": scope["schemaUrl"]}
                    records = listed if isinstance(listed, list) else []
                    for raw, record in source.records(records, place, line):
                        yield read_span(source, raw, record, library, known)


def _members(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, dict):
        for key in keys:
            if isinstance(value.get(key), list):
                yield key, value[key]


def _resource(batch: Any) -> dict[str, Any]:
    resource = batch.get("resource") if isinstance(batch, dict) else None
    found = plain(resource.get("attributes")) if isinstance(resource, dict) else {}
    if isinstance(batch, dict) and batch.get("schemaUrl"):
        found["schema_url"] = batch["schemaUrl"]
    return found


def _library(scope: Any) -> str:
    if not isinstance(scope, dict):
        return ""
    library = scope.get("scope") or scope.get("instrumentationLibrary")
    return as_text(library.get("name")) if isinstance(library, dict) else ""


_KNOWN = frozenset(
    {"traceId", "spanId", "parentSpanId", "name", "attributes", "startTimeUnixNano", "events",
     "endTimeUnixNano", "status", "trace_id", "span_id", "parent_span_id", "traceState",
     "start_time_unix_nano", "end_time_unix_nano", "droppedAttributesCount",
     "droppedEventsCount", "droppedLinksCount", "kind"}
)  # fmt: skip


def read_span(
    source: OpenSource, raw: Raw, record: Any, scope: str, resource: dict[str, Any]
) -> Span | Problem:
    """One OTLP span; a record that is none gives a problem."""
    if not isinstance(record, dict):
        return source.problem(raw, "a span is not an object")
    get = record.get
    id = hex_id(get("spanId") or get("span_id"))
    status = get("status")
    status = status if isinstance(status, dict) else {}
    extra = {key: value for key, value in record.items() if key not in _KNOWN and value}
    return Span(
        id=id,
        trace=hex_id(get("traceId") or get("trace_id")),
        parent=hex_id(get("parentSpanId") or get("parent_span_id")) or None,
        name=as_text(get("name")),
        attributes=plain(get("attributes")),
        raw=Raw(record=raw.record, line=raw.line, span=id or None),
        start=_nanos(get("startTimeUnixNano", get("start_time_unix_nano"))),
        end=_nanos(get("endTimeUnixNano", get("end_time_unix_nano"))),
        failed=status.get("code") in (2, "2", "STATUS_CODE_ERROR", "ERROR", "Error"),
        reason=as_text(status.get("message")) or None,
        events=_events(get("events")),
        scope=scope,
        resource=resource,
        extra=extra,
    )


def hex_id(value: Any) -> str:
    """An id in hex, whatever its spelling; the absent parent is empty.

    >>> hex_id("AAAAAAAAAAE="), hex_id("0x00F1"), hex_id(255), hex_id("0000000000000000")
    ('0000000000000001', '00f1', 'ff', '')
    """
    if not isinstance(value, str):
        known = isinstance(value, int) and not isinstance(value, bool) and value > 0
        return f"{value:x}" if known else ""
    text = value.lower().removeprefix("0x")
    if value[-1:] == "=" and len(value) in (12, 24):
        try:
            text = base64.b64decode(value, validate=True).hex()
        except (binascii.Error, ValueError):
            return text
    return text if text.strip("0") else ""


def plain(attributes: Any) -> dict[str, Any]:
    """OTLP's list of keys and typed values as an object; objects pass through.

    >>> plain([{"key": "n", "value": {"intValue": "3"}}])
    {'n': 3}
    """
    if isinstance(attributes, dict):
        return attributes
    found: dict[str, Any] = {}
    for item in attributes if isinstance(attributes, list) else []:
        if isinstance(item, dict) and isinstance(item.get("key"), str):
            found[item["key"]] = _value(item.get("value"))
    return found


def _value(value: Any, level: int = 0) -> Any:
    """One typed value of OTLP, any depth that conventions use."""
    if not isinstance(value, dict) or level > 32:
        return value
    for kind, held in value.items():
        kind = kind.replace("_value", "Value")
        if kind in ("stringValue", "boolValue", "bytesValue"):
            return held
        if kind == "intValue":
            return int(held) if isinstance(held, str) and _is_integer(held) else held
        if kind == "doubleValue":
            return held
        items = held.get("values") if isinstance(held, dict) else None
        items = items if isinstance(items, list) else []
        if kind == "arrayValue":
            return [_value(item, level + 1) for item in items]
        if kind == "kvlistValue":
            pairs = [i for i in items if isinstance(i, dict) and isinstance(i.get("key"), str)]
            return {i["key"]: _value(i.get("value"), level + 1) for i in pairs}
    return value or None


def _is_integer(text: str) -> bool:
    return len(text) < 20 and text.removeprefix("-").isdecimal()


def _nanos(value: Any) -> float | None:
    """Nanoseconds since 1970 as seconds; 0 means that the time was not set."""
    if isinstance(value, str) and _is_integer(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    return value / 1e9


def _events(events: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict):
            known = {key: item for key, item in event.items() if item and key != "attributes"}
            found.append({**known, "attributes": plain(event.get("attributes"))})
    return found
