"""Jaeger's UI and query API: `data` is a list of traces with `spans` and `processes`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.documents import documents
from tracekit.ingest.parts import as_text
from tracekit.ingest.readers.otlp_json import hex_id
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import traces
from tracekit.ingest.spans.attributes import Span
from tracekit.trace import Raw, Trace


class Jaeger:
    """Reads traces as Jaeger exports them."""

    name: ClassVar[str] = "jaeger"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the member names of Jaeger's spans are in sight."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return 0.0
        marks = (b'"traceID"', b'"spanID"', b'"operationName"')
        return 0.95 if all(mark in head for mark in marks) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per trace id."""
        yield from traces(source, self.name, _spans(source))


def _spans(source: OpenSource) -> Iterator[Span | Problem]:
    for document in documents(source):
        if isinstance(document, Problem):
            yield document
            continue
        yield from _document(source, document.value, document.line)


def _document(source: OpenSource, whole: Any, line: int | None) -> Iterator[Span | Problem]:
    """The spans of a query answer, of one trace, or of a bare list of traces."""
    listed, pointer = whole, ""
    if isinstance(whole, dict) and isinstance(whole.get("data"), list):
        listed, pointer = whole["data"], "/data"
    elif isinstance(whole, dict):
        listed = [whole]
    for at, trace in enumerate(listed if isinstance(listed, list) else []):
        spans = trace.get("spans") if isinstance(trace, dict) else None
        if not isinstance(spans, list):
            yield source.problem(None, "there is no list of spans", severity="skip", line=line)
            continue
        processes = trace.get("processes")
        place = "/spans" if listed is not whole and not pointer else f"{pointer}/{at}/spans"
        for raw, record in source.records(spans, place, line):
            yield _span(source, raw, record, processes if isinstance(processes, dict) else {})


_KNOWN = frozenset(
    {"traceID", "spanID", "parentSpanID", "operationName", "references", "startTime", "duration",
     "tags", "logs", "processID", "process", "flags"}
)  # fmt: skip


def _span(source: OpenSource, raw: Raw, record: Any, processes: dict[str, Any]) -> Span | Problem:
    if not isinstance(record, dict):
        return source.problem(raw, "a span is not an object")
    get = record.get
    attributes = _tags(get("tags"))
    id = hex_id(get("spanID"))
    start, duration = _micros(get("startTime")), _micros(get("duration"))
    status = as_text(attributes.pop("otel.status_code", ""))
    failed = status == "ERROR" or (not status and attributes.get("error") in (True, "true"))
    return Span(
        id=id,
        trace=hex_id(get("traceID")),
        parent=_parent(record),
        name=as_text(get("operationName")),
        attributes=attributes,
        raw=Raw(record=raw.record, line=raw.line, span=id or None),
        start=start,
        end=start + (duration or 0.0) if start is not None else None,
        failed=failed,
        reason=as_text(attributes.pop("otel.status_description", "")) or None,
        events=_logs(get("logs")),
        scope=as_text(attributes.pop("otel.scope.name", attributes.pop("otel.library.name", ""))),
        resource=_process(record, processes),
        extra={key: value for key, value in record.items() if key not in _KNOWN and value},
    )


def _parent(record: dict[str, Any]) -> str | None:
    """The span that this one is a child of, within the same trace; else what it follows."""
    references = record.get("references")
    references = references if isinstance(references, list) else []
    own = [r for r in references if isinstance(r, dict) and r.get("spanID")]
    own = [r for r in own if r.get("traceID") in (None, record.get("traceID"))]
    for kind in ("CHILD_OF", "FOLLOWS_FROM"):
        for reference in own:
            if reference.get("refType") == kind:
                return hex_id(reference["spanID"]) or None
    return hex_id(record.get("parentSpanID")) or None


def _process(record: dict[str, Any], processes: dict[str, Any]) -> dict[str, Any]:
    process = record.get("process") or processes.get(as_text(record.get("processID")))
    if not isinstance(process, dict):
        return {}
    return {"service.name": process.get("serviceName"), **_tags(process.get("tags"))}


def _tags(tags: Any) -> dict[str, Any]:
    if isinstance(tags, dict):
        return dict(tags)
    listed = tags if isinstance(tags, list) else []
    return {
        item["key"]: item.get("value")
        for item in listed
        if isinstance(item, dict) and isinstance(item.get("key"), str)
    }


def _logs(logs: Any) -> list[dict[str, Any]]:
    """Span events: Jaeger writes their name as the field `event`."""
    found: list[dict[str, Any]] = []
    for log in logs if isinstance(logs, list) else []:
        if isinstance(log, dict):
            fields = _tags(log.get("fields"))
            name = as_text(fields.pop("event", fields.pop("message", "")))
            found.append({"name": name, "timestamp": log.get("timestamp"), "attributes": fields})
    return found


def _micros(value: Any) -> float | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value / 1e6
