"""OpenTelemetry spans in JSON that is not OTLP: what SDKs print, any-agent's AgentTrace, Monocle.

`span.to_json()` has `context.trace_id`, `parent_id` and ISO times; any-agent writes 128-bit ids as
integers and times in nanoseconds; a console exporter prints one document after another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.documents import Document, read_line
from tracekit.ingest.meters import read_instant
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek_items
from tracekit.ingest.readers.otlp_json import hex_id, plain
from tracekit.ingest.sources import Line, OpenSource
from tracekit.ingest.spans.assemble import assemble
from tracekit.ingest.spans.attributes import Span
from tracekit.ingest.spans.lines import noted
from tracekit.ingest.spans.store import Later
from tracekit.trace import Raw, Trace


class OtelSpanJson:
    """Reads spans as OpenTelemetry SDKs and their wrappers print them."""

    name: ClassVar[str] = "otel-span-json"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of objects with a span context, attributes and a start time."""
        for item in peek_items(head)[:3]:
            spans = item.get("spans")
            if isinstance(spans, list) and spans and isinstance(spans[0], dict):
                item = spans[0]
            context = item.get("context")
            if isinstance(context, dict) and {"trace_id", "span_id"} <= context.keys():
                theirs = "span_kind" in item or "id" in item  # Phoenix's client
                return 0.5 if theirs else 0.9 if "attributes" in item else 0.6
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per trace id; any-agent's `final_output` is the answer."""
        answers: list[str] = []
        for run in assemble(source, self.name, _spans(source, answers), _span_of):
            if isinstance(run, Problem):
                yield run
                continue
            if len(answers) == 1:
                run.outcome = msgspec.structs.replace(run.outcome, answer=answers[0])
            yield run.trace(source.sha256)


def _spans(source: OpenSource, answers: list[str]) -> Iterator[Span | Later | Problem]:
    for document in noted(source, _trace_of):
        if not isinstance(document, Document):
            yield document
            continue
        value = document.value
        if isinstance(value, dict) and isinstance(value.get("spans"), list):
            final = value.get("final_output")
            if final not in (None, ""):
                answers.append(as_text(final))
            yield from _listed(source, value["spans"], "/spans", document)
        elif isinstance(value, list):
            yield from _listed(source, value, "", document)
        elif isinstance(value, dict):
            yield _alone(source, document)


def _listed(
    source: OpenSource, items: list[Any], pointer: str, document: Document
) -> Iterator[Span | Problem]:
    for raw, item in source.records(items, pointer, document.line):
        yield read_span(source, raw, item)


def _alone(source: OpenSource, document: Document) -> Span | Problem:
    """The span that a whole document is."""
    source.see(key := document.line or 1)
    return read_span(source, Raw(record=key, line=key), document.value)


class _Place(msgspec.Struct, gc=False):
    trace_id: str | int


class _Glance(msgspec.Struct, gc=False):
    """What tells the trace of a span without reading it."""

    context: _Place
    spans: msgspec.UnsetType = msgspec.UNSET


_glance = msgspec.json.Decoder(_Glance).decode
_trace_id = lru_cache(maxsize=1024)(hex_id)


def _trace_of(line: Line) -> str | None:
    try:
        return _trace_id(_glance(line.data).context.trace_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _span_of(source: OpenSource, line: Line) -> Iterable[Span | Problem]:
    """The span of a line: at once where it is a plain one, else as any document."""
    try:
        return (_read_plain(line.number, _plain(line.data)),)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return (
            item if isinstance(item, Problem) else _alone(source, item)
            for item in read_line(source, line)
        )


_KNOWN = frozenset(
    {"name", "context", "parent_id", "parent", "start_time", "end_time", "status", "attributes",
     "events", "resource", "kind", "instrumentation_scope", "instrumentation_info"}
)  # fmt: skip


def read_span(source: OpenSource, raw: Raw, record: Any) -> Span | Problem:
    """One span of an SDK; a record that is none gives a problem."""
    if not isinstance(record, dict):
        return source.problem(raw, "a span is not an object")
    get = record.get
    context = get("context")
    if not isinstance(context, dict):
        return source.problem(raw, "a span has no context with its ids")
    id = hex_id(context.get("span_id"))
    status = get("status")
    status = status if isinstance(status, dict) else {"status_code": status}
    scope = get("instrumentation_scope") or get("instrumentation_info")
    return Span(
        id=id,
        trace=hex_id(context.get("trace_id")),
        parent=_parent(record),
        name=as_text(get("name")),
        attributes=plain(get("attributes")),
        raw=Raw(record=raw.record, line=raw.line, span=id or None),
        start=read_instant(get("start_time")),
        end=read_instant(get("end_time")),
        failed=is_error(status.get("status_code", status.get("code"))),
        reason=as_text(status.get("description") or status.get("message")) or None,
        events=_events(get("events")),
        scope=as_text(scope.get("name")) if isinstance(scope, dict) else "",
        resource=_resource(get("resource")),
        extra={}
        if record.keys() <= _KNOWN
        else {key: value for key, value in record.items() if key not in _KNOWN and value},
    )


_Scalar = str | int | float | bool | None
_Empty = Annotated[list[Any], msgspec.Meta(max_length=0)]


class _Context(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    trace_id: str
    span_id: str
    trace_state: str = ""


class _Status(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    status_code: str | None = None
    description: str | None = None


class _Plain(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A span as `to_json()` prints it when nothing in it is nested: nearly all of a log."""

    name: str
    context: _Context
    attributes: dict[str, _Scalar | list[_Scalar]]
    kind: str | None = None
    parent_id: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    status: _Status = _Status()
    events: _Empty = []
    links: _Empty = []
    resource: msgspec.Raw = msgspec.Raw(b"{}")


_plain = msgspec.json.Decoder(_Plain).decode


def _read_plain(number: int, span: _Plain) -> Span:
    """`read_span` of a plain span."""
    id = hex_id(span.context.span_id)
    return Span(
        id=id,
        trace=_trace_id(span.context.trace_id),
        parent=hex_id(span.parent_id) or None,
        name=span.name,
        attributes=span.attributes,
        raw=Raw(record=number, line=number, span=id or None),
        start=read_instant(span.start_time),
        end=read_instant(span.end_time),
        failed=span.status.status_code is not None and is_error(span.status.status_code),
        reason=span.status.description or None,
        resource=_decoded_resource(bytes(span.resource)),
    )


@lru_cache(maxsize=256)
def _decoded_resource(data: bytes) -> dict[str, Any]:
    """The resource as JSON text; all spans of a process have the same."""
    return _resource(msgspec.json.decode(data, type=dict[str, _Scalar | dict[str, _Scalar]]))


def _parent(record: dict[str, Any]) -> str | None:
    parent = record.get("parent_id")
    if parent is None and isinstance(record.get("parent"), dict):
        parent = record["parent"].get("span_id")
    return hex_id(parent) or None


def is_error(code: Any) -> bool:
    """Whether a status code, in any spelling, is the one of an error.

    >>> is_error("STATUS_CODE_ERROR"), is_error("StatusCode.ERROR"), is_error(2), is_error("ok")
    (True, True, True, False)
    """
    if isinstance(code, str):
        return code.rsplit("_", 1)[-1].rsplit(".", 1)[-1].upper() == "ERROR"
    return bool(code == 2)


def _events(events: Any) -> list[dict[str, Any]]:
    return (
        [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []
    )


def _resource(resource: Any) -> dict[str, Any]:
    if not isinstance(resource, dict) or not resource:
        return {}
    found = plain(resource.get("attributes", resource))
    url = resource.get("schema_url")
    return {**found, "schema_url": url} if url else found
