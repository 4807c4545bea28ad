"""Langfuse exports: a trace with its observations, from the UI, the API or a batch export.

`input`, `output` and `metadata` are strings that hold JSON, sometimes encoded twice;
`metadata.attributes` keeps the OpenTelemetry attributes. Scores come from judges and are no
outcome. Batch exports write snake_case, one observation a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import as_count, as_number, read_instant
from tracekit.ingest.parts import as_text, maybe_json
from tracekit.ingest.peek import peek_items
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import Run, assemble
from tracekit.ingest.spans.attributes import Role, Span
from tracekit.ingest.spans.contents import answer, question
from tracekit.trace import Raw, Trace, Usage

_TYPES: dict[str, Role] = {
    "GENERATION": "llm", "AGENT": "agent", "TOOL": "tool", "CHAIN": "chain",
    "RETRIEVER": "retriever", "EVALUATOR": "chain", "EMBEDDING": "noise", "GUARDRAIL": "tool",
}  # fmt: skip


class Langfuse:
    """Reads traces as Langfuse exports them."""

    name: ClassVar[str] = "langfuse-export"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of observations, whether beside their trace or one a line."""
        if b"bservation" not in head:
            return 0.0
        for item in peek_items(head)[:3]:
            if isinstance(item.get("data"), list) and item["data"]:
                item = item["data"][0] if isinstance(item["data"][0], dict) else item
            if isinstance(item.get("trace"), dict) and "observations" in item:
                return 0.95
            if _is_observation(item) or (_is_trace(item) and "observations" in item):
                return 0.9
        both = b'"trace"' in head and b'"projectId"' in head
        return 0.6 if both and b'"observations"' in head else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per trace id."""
        traces: dict[str, dict[str, Any]] = {}
        for run in assemble(source, self.name, _spans(source, traces)):
            if isinstance(run, Problem):
                yield run
                continue
            _enrich(run, traces.get(run.id, {}))
            yield run.trace(source.sha256)


def _is_observation(item: dict[str, Any]) -> bool:
    parent = "parentObservationId" in item or "parent_observation_id" in item
    return parent and ("traceId" in item or "trace_id" in item)


def _is_trace(item: dict[str, Any]) -> bool:
    return "id" in item and ("projectId" in item or "htmlPath" in item or "sessionId" in item)


def _spans(source: OpenSource, traces: dict[str, dict[str, Any]]) -> Iterator[Span | Problem]:
    for document in documents(source):
        if isinstance(document, Problem):
            yield document
            continue
        value, pointer = document.value, ""
        if isinstance(value, dict) and isinstance(value.get("data"), list):
            value, pointer = value["data"], "/data"
        if isinstance(value, list):
            if any(isinstance(i, dict) and _is_observation(i) for i in value[:10]):
                yield from _observations(source, value, pointer, document.line, "")
                continue
            for at, item in enumerate(value):
                yield from _export(source, item, f"{pointer}/{at}", document.line, traces)
        elif isinstance(value, dict) and _is_observation(value):
            source.see(key := document.line if document.line is not None else "/")
            yield _span(source, Raw(record=key, line=document.line), value, "")
        else:
            yield from _export(source, value, "", document.line, traces)


def _export(
    source: OpenSource,
    item: Any,
    pointer: str,
    line: int | None,
    traces: dict[str, dict[str, Any]],
) -> Iterator[Span | Problem]:
    """A trace with its observations beside it or inside it."""
    if not isinstance(item, dict):
        yield source.problem(None, "a trace is not an object", line=line)
        return
    trace = item["trace"] if isinstance(item.get("trace"), dict) else item
    observations, place = item.get("observations"), f"{pointer}/observations"
    if not isinstance(observations, list) or not observations:
        observations, place = trace.get("observations"), f"{pointer}/trace/observations"
    id = as_text(trace.get("id"))
    if not isinstance(observations, list) or not observations:
        what = f"the trace {id[:40]!r} has no observations"
        yield source.problem(None, what, severity="skip", line=line)
        return
    traces[id] = {key: value for key, value in trace.items() if key != "observations"}
    yield from _observations(source, observations, place, line, id)


def _observations(
    source: OpenSource, items: list[Any], pointer: str, line: int | None, trace: str
) -> Iterator[Span | Problem]:
    for raw, item in source.records(items, pointer, line):
        yield _span(source, raw, item, trace)


_KNOWN = frozenset(
    {"id", "traceId", "parentObservationId", "type", "name", "startTime", "endTime", "input",
     "output", "metadata", "level", "statusMessage", "model", "usageDetails", "usage",
     "costDetails", "totalCost", "trace_id", "parent_observation_id", "start_time", "end_time",
     "status_message", "usage_details", "cost_details", "total_cost", "projectId", "inputUsage",
     "outputUsage", "totalUsage", "inputCost", "outputCost", "promptTokens", "completionTokens",
     "totalTokens", "unit", "toolCallNames"}
)  # fmt: skip


def _span(source: OpenSource, raw: Raw, item: Any, trace: str) -> Span | Problem:
    """One observation; a record that is none gives a problem."""
    if not isinstance(item, dict):
        return source.problem(raw, "an observation is not an object")
    id = as_text(item.get("id"))
    metadata = maybe_json(_decoded(item.get("metadata")))
    metadata = metadata if isinstance(metadata, dict) else {}
    given, made = _decoded(item.get("input")), _decoded(item.get("output"))
    scope, resource = metadata.get("scope"), metadata.get("resourceAttributes")
    kind = item.get("type")
    return Span(
        id=id,
        trace=as_text(_either(item, "traceId", "trace_id")) or trace,
        parent=as_text(_either(item, "parentObservationId", "parent_observation_id")) or None,
        name=as_text(item.get("name")),
        attributes=_attributes(metadata),
        raw=Raw(record=raw.record, line=raw.line, span=id or None),
        start=read_instant(_either(item, "startTime", "start_time")),
        end=read_instant(_either(item, "endTime", "end_time")),
        failed=item.get("level") == "ERROR",
        reason=as_text(_either(item, "statusMessage", "status_message")) or None,
        role=_TYPES.get(kind, _tool_message(made)) if isinstance(kind, str) else "",
        given=given if given not in ("", {}, []) else None,
        made=made if made not in ("", {}, []) else None,
        usage=_usage(item),
        scope=as_text(scope.get("name")) if isinstance(scope, dict) else "",
        resource=resource if isinstance(resource, dict) else {},
        extra={k: v for k, v in item.items() if k not in _KNOWN and v not in (None, [], {}, "")},
    )


def _either(item: dict[str, Any], camel: str, snake: str) -> Any:
    value = item.get(camel)
    return value if value is not None else item.get(snake)


def _decoded(value: Any) -> Any:
    """A value that may have been encoded once or twice more than needed."""
    for _ in range(2):
        if not isinstance(value, str):
            return value
        if value[:1] == '"' and value[-1:] == '"':
            try:
                value = msgspec.json.decode(value)
            except (msgspec.DecodeError, UnicodeEncodeError):
                return value
    return value


def _attributes(metadata: dict[str, Any]) -> dict[str, Any]:
    """OpenTelemetry's attributes, and what SDKs put beside them."""
    inner = maybe_json(metadata.get("attributes"))
    beside = ("attributes", "resourceAttributes", "scope")
    own = {key: value for key, value in metadata.items() if key not in beside}
    return {**own, **inner} if isinstance(inner, dict) else own


def _tool_message(made: Any) -> Role:
    """LangChain's tools were plain spans in older exports; their output gives them away."""
    made = maybe_json(made)
    if isinstance(made, dict) and made.get("tool_call_id") and made.get("type") == "tool":
        return "tool"
    return ""


def _usage(item: dict[str, Any]) -> Usage | None:
    details = maybe_json(_either(item, "usageDetails", "usage_details")) or item.get("usage")
    details = details if isinstance(details, dict) else {}
    costs = maybe_json(_either(item, "costDetails", "cost_details"))
    total = as_number(_either(item, "totalCost", "total_cost"))
    cost = total or (as_number(costs.get("total")) if isinstance(costs, dict) else None)
    given, made = as_count(details.get("input")), as_count(details.get("output"))
    model = item.get("model")
    model = model if isinstance(model, str) and model else None
    if given is None and made is None and model is None:
        return None
    return Usage(input_tokens=given, output_tokens=made, cost=cost, model=model)


def _enrich(run: Run, trace: dict[str, Any]) -> None:
    """What the trace itself says: what was asked and answered, scores, session and tags."""
    asked = question(_decoded(trace.get("input"))).strip()
    if asked:
        run.task = msgspec.structs.replace(run.task, question=asked)
    answered = answer(_decoded(trace.get("output")))
    if answered:
        run.outcome = msgspec.structs.replace(run.outcome, answer=answered)
    known = ("id", "input", "output", "timestamp", "createdAt", "updatedAt")
    kept = {k: v for k, v in trace.items() if k not in known and v not in (None, [], {}, "")}
    if kept:
        run.extra["trace"] = kept
