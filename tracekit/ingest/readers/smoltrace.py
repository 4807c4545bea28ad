"""SMOLTRACE's `traces.json`: OpenInference spans of smolagents, a list of them per task.

The agent's span ends at once when it streams, so that what the agent did lies beside it and not
below it; such spans are taken as the agent's. `results.json` beside the file says how each task
ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.decode import decode_json
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import read_instant
from tracekit.ingest.parts import as_text, maybe_json
from tracekit.ingest.peek import peek_items
from tracekit.ingest.readers.otel_span_json import is_error
from tracekit.ingest.readers.otlp_json import hex_id
from tracekit.ingest.reprs import read_repr
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import Run, assemble
from tracekit.ingest.spans.attributes import Span
from tracekit.ingest.spans.contents import heard, spoken
from tracekit.ingest.spans.messages import Said
from tracekit.trace import Outcome, Raw, Task, Trace


class Smoltrace:
    """Reads SMOLTRACE's traces with their results."""

    name: ClassVar[str] = "smoltrace"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of a list of traces that hold spans with ids of their own."""
        for item in peek_items(head)[:2]:
            spans = item.get("spans")
            if "trace_id" in item and isinstance(spans, list) and spans:
                first = spans[0] if isinstance(spans[0], dict) else {}
                if {"span_id", "parent_span_id", "attributes"} <= first.keys():
                    return 0.92
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per task."""
        results = _results(source)
        for run in assemble(source, self.name, _spans(source)):
            if isinstance(run, Problem):
                yield run
                continue
            _enrich(run, results)
            yield run.trace(source.sha256)


def _spans(source: OpenSource) -> Iterator[Span | Problem]:
    for document in documents(source):
        if isinstance(document, Problem):
            yield document
            continue
        value = document.value
        listed = value if isinstance(value, list) else [value]
        for at, item in enumerate(listed):
            spans = item.get("spans") if isinstance(item, dict) else None
            if not isinstance(spans, list):
                yield source.problem(None, "a trace has no list of spans", line=document.line)
                continue
            pointer = f"/{at}/spans" if isinstance(value, list) else "/spans"
            found: list[Span] = []
            for raw, record in source.records(spans, pointer, document.line):
                span = _span(source, raw, record, item)
                if isinstance(span, Problem):
                    yield span
                else:
                    found.append(span)
            _adopt(found)
            _recover(found)
            yield from found


_KNOWN = frozenset(
    {"trace_id", "span_id", "parent_span_id", "name", "start_time", "end_time", "duration_ms",
     "attributes", "events", "status", "kind", "resource"}
)  # fmt: skip


def _span(source: OpenSource, raw: Raw, record: Any, trace: dict[str, Any]) -> Span | Problem:
    if not isinstance(record, dict):
        return source.problem(raw, "a span is not an object")
    get = record.get
    id = hex_id(get("span_id"))
    status, attributes, resource = get("status"), get("attributes"), get("resource")
    status = status if isinstance(status, dict) else {}
    resource = resource.get("attributes") if isinstance(resource, dict) else None
    events = get("events")
    return Span(
        id=id,
        trace=hex_id(get("trace_id") or trace.get("trace_id")),
        parent=hex_id(get("parent_span_id")) or None,
        name=as_text(get("name")),
        attributes=attributes if isinstance(attributes, dict) else {},
        raw=Raw(record=raw.record, line=raw.line, span=id or None),
        start=read_instant(get("start_time")),
        end=read_instant(get("end_time")),
        failed=is_error(status.get("code", status.get("status_code"))),
        reason=as_text(status.get("description")) or None,
        events=[e for e in events if isinstance(e, dict)] if isinstance(events, list) else [],
        scope="openinference.instrumentation.smolagents",
        resource=resource if isinstance(resource, dict) else {},
        extra={k: v for k, v in record.items() if k not in _KNOWN and v not in (None, [], {}, "")},
    )


def _adopt(spans: list[Span]) -> None:
    """Give spans beside an agent's span that ended at once to that agent."""
    agents: dict[str | None, Span] = {}
    for span in sorted(spans, key=lambda s: s.start or 0.0):
        kind = span.attributes.get("openinference.span.kind")
        if kind == "AGENT":
            returned = as_text(span.attributes.get("output.value"))
            if returned.startswith("<generator object"):
                agents[span.parent] = span
            else:
                agents.pop(span.parent, None)
        elif kind in ("LLM", "TOOL", "CHAIN") and span.parent in agents:
            agent = agents[span.parent]
            span.extra["parent_by"] = f"beside {agent.name}, which streamed, in span {span.parent}"
            span.parent = agent.id


def _recover(spans: list[Span]) -> None:
    """Fill in what a model said, where its span lost it, from the prompt of the agent's next call.

    The prompt of the next call begins with the prompt of this one; what follows is what was said.
    """
    last: dict[str | None, tuple[Span, list[Said]]] = {}
    for span in sorted(spans, key=lambda s: s.start or 0.0):
        if span.attributes.get("openinference.span.kind") != "LLM":
            continue
        prompt = heard(span)
        known = last.get(span.parent)
        last[span.parent] = (span, prompt)
        if known is None:
            continue
        before, shorter = known
        size = len(shorter)
        follows = len(prompt) > size and [m.text for m in prompt[:size]] == [
            m.text for m in shorter
        ]
        if follows and prompt[size].role == "assistant" and not any(m.text for m in spoken(before)):
            before.made = _request(prompt[size].text)
            before.extra["said_by"] = f"the prompt of span {span.id}"


def _request(text: str) -> dict[str, Any]:
    """A message as smolagents writes it into its memory: requests of tools are printed."""
    marker = "Calling tools:"
    said, found, printed = text.partition(marker)
    calls = read_repr(printed) if found else None
    if not isinstance(calls, list):
        return {"role": "assistant", "content": text}
    return {"role": "assistant", "content": said.strip(), "tool_calls": calls}


def _results(source: OpenSource) -> dict[str, dict[str, Any]]:
    """What `results.json` says of every trace, by trace id and by test id."""
    data = source.sibling(source.name.replace("traces", "results"))
    if data is None or "traces" not in source.name:
        data = source.sibling("results.json")
    if data is None:
        return {}
    try:
        listed = decode_json(data)
    except ValueError as error:
        source.warnings.append(
            source.problem(None, f"results.json beside it cannot be read: {error}")
        )
        return {}
    listed = listed.get("results", []) if isinstance(listed, dict) else listed
    found: dict[str, dict[str, Any]] = {}
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict):
            continue
        info = maybe_json(item.get("enhanced_trace_info"))
        trace = item.get("trace_id") or (info.get("trace_id") if isinstance(info, dict) else None)
        key = hex_id(trace) or as_text(item.get("test_id"))
        if key:
            found[key] = item
    return found


def _enrich(run: Run, results: dict[str, dict[str, Any]]) -> None:
    """Task and outcome: from the test's own span and from the results."""
    root = next((n.span for n in run.nodes if n.span.name == "test_evaluation"), None)
    test = as_text(root.attributes.get("test.id")) if root is not None else ""
    result = results.get(run.id) or results.get(test) or {}
    asked = as_text(result.get("prompt"))
    if not asked and root is not None:
        asked = as_text(root.attributes.get("prompt"))
    run.task = Task(question=asked or run.task.question, id=test or None)
    if result:
        known = ("prompt", "success", "response", "error", "enhanced_trace_info")
        run.extra["results"] = {k: v for k, v in result.items() if k not in known}
    if isinstance(result.get("success"), bool):
        run.outcome = Outcome(
            status="success" if result["success"] else "failure",
            answer=as_text(result.get("response")) or run.outcome.answer,
            reason=as_text(result.get("error")) or None,
            by="results.json: success",
        )
    elif run.outcome.status == "failure":
        # The test's span fails with the harness; only the results say how the task ended.
        run.outcome = msgspec.structs.replace(run.outcome, by="status of the test's span")
