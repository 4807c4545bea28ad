"""AgentOps exports: `trace` and `spans`, attributes nested in `span_attributes`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import as_number, read_instant
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek_keys
from tracekit.ingest.readers.otel_span_json import is_error
from tracekit.ingest.readers.phoenix import flatten
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import assemble
from tracekit.ingest.spans.attributes import Span
from tracekit.trace import Raw, Trace


class AgentOps:
    """Reads traces as AgentOps exports them."""

    name: ClassVar[str] = "agentops-export"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of spans with a type and AgentOps' own columns."""
        if "spans" not in peek_keys(head):
            return 0.0
        marks = (b'"span_type"', b'"span_attributes"', b'"span_name"')
        return 0.93 if all(mark in head for mark in marks) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per document."""
        for run in assemble(source, self.name, _spans(source)):
            yield run if isinstance(run, Problem) else run.trace(source.sha256)


def _spans(source: OpenSource) -> Iterator[Span | Problem]:
    for document in documents(source):
        if isinstance(document, Problem):
            yield document
            continue
        whole = document.value
        spans = whole.get("spans") if isinstance(whole, dict) else None
        if not isinstance(spans, list):
            what = "there is no list of spans under `spans`"
            yield source.problem(None, what, line=document.line)
            continue
        about = whole.get("trace")
        about = about if isinstance(about, dict) else whole
        id = as_text(about.get("trace_id")) or document.id(source)
        for raw, item in source.records(spans, "/spans", document.line):
            yield _span(source, raw, item, id)


_KNOWN = frozenset(
    {"span_id", "parent_span_id", "span_name", "span_kind", "span_type", "service_name",
     "start_time", "end_time", "duration", "status_code", "status_message", "attributes",
     "resource_attributes", "span_attributes", "event_timestamps", "event_names",
     "event_attributes", "trace_id"}
)  # fmt: skip


def _span(source: OpenSource, raw: Raw, item: Any, trace: str) -> Span | Problem:
    if not isinstance(item, dict):
        return source.problem(raw, "a span is not an object")
    get = item.get
    id = as_text(get("span_id"))
    attributes: dict[str, Any] = {}
    for key in ("attributes", "span_attributes"):
        inner = get(key)
        for name, value in inner.items() if isinstance(inner, dict) else ():
            flatten(attributes, name, value)
    metrics = get("metrics")
    cost = as_number(metrics.get("total_cost")) if isinstance(metrics, dict) else None
    if cost:
        attributes["gen_ai.usage.cost"] = cost
    resource = get("resource_attributes")
    attributes.setdefault("agentops.span.kind", get("span_type"))
    return Span(
        id=id,
        trace=trace,
        parent=as_text(get("parent_span_id")) or None,
        name=as_text(get("span_name")),
        attributes=attributes,
        raw=Raw(record=raw.record, line=raw.line, span=id or None),
        start=read_instant(get("start_time")),
        end=read_instant(get("end_time")),
        failed=is_error(get("status_code")),
        reason=as_text(get("status_message")) or None,
        events=_events(item),
        resource=resource if isinstance(resource, dict) else {},
        extra={k: v for k, v in item.items() if k not in _KNOWN and v not in (None, [], {}, "")},
    )


def _events(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Events stand in columns of one length: names, attributes, times."""
    names, attributes = item.get("event_names"), item.get("event_attributes")
    if not isinstance(names, list):
        return []
    held = attributes if isinstance(attributes, list) else []
    return [
        {"name": as_text(name), "attributes": held[at] if at < len(held) else {}}
        for at, name in enumerate(names)
    ]
