"""Events of LangChain's `astream_events`: what runs began and ended with, as spans.

Every event names its run, the runs around it and, in `metadata`, the node of the graph. The events
of one run are one span; streamed pieces between its start and its end add nothing to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tracekit.errors import Problem
from tracekit.ingest.documents import Document
from tracekit.ingest.parts import as_text
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import traces
from tracekit.ingest.spans.attributes import Role, Span
from tracekit.trace import Raw, Trace

_ROLES: dict[str, Role] = {
    "chat_model": "llm", "llm": "llm", "tool": "tool", "retriever": "retriever",
    "chain": "chain", "prompt": "noise", "parser": "noise",
}  # fmt: skip


def is_event(value: Any) -> bool:
    """Whether a JSON value is an event of a run."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("event"), str)
        and value["event"].startswith("on_")
        and isinstance(value.get("run_id"), str)
    )


def read_events(
    source: OpenSource, format: str, documents: Iterable[Document]
) -> Iterator[Trace | Problem]:
    """One trace per outermost run."""
    spans: dict[str, Span] = {}
    for document in documents:
        listed = isinstance(document.value, list)
        if listed:
            pairs = list(source.records(document.value, "", document.line))
        else:
            key = document.line if document.line is not None else "/"
            source.see(key)
            pairs = [(Raw(record=key, line=document.line), document.value)]
        for raw, event in pairs:
            if is_event(event):
                _note(spans, raw, event)
            elif isinstance(event, dict) and event.get("event") == "on_custom_event":
                yield source.skip(raw, "an event of the application")
            else:
                yield source.problem(raw, "this is not an event of a run")
    yield from traces(source, format, spans.values())


def _note(spans: dict[str, Span], raw: Raw, event: dict[str, Any]) -> None:
    """Put an event to the span of its run."""
    id = event["run_id"]
    raw = Raw(record=raw.record, line=raw.line, span=id)
    kind, _, moment = event["event"].removeprefix("on_").rpartition("_")
    data, metadata = event.get("data"), event.get("metadata")
    data = data if isinstance(data, dict) else {}
    span = spans.get(id)
    if span is None:
        above = event.get("parent_ids")
        above = above if isinstance(above, list) else []
        span = spans[id] = Span(
            id=id,
            trace=as_text(above[0]) if above else id,
            parent=as_text(above[-1]) if above else None,
            name=as_text(event.get("name")),
            attributes=metadata if isinstance(metadata, dict) else {},
            raw=raw,
            role=_ROLES.get(kind, ""),
        )
    else:
        span.also = (*span.also, raw)
    if span.given is None:
        span.given = data.get("input") or None
    if moment == "end":
        span.made = data.get("output") or None
    elif moment == "error":
        span.failed, span.reason = True, as_text(data.get("error")) or None
