"""OTLP as JSON Lines with the GenAI semantic conventions, one line a trace.

The layout is that of the OpenTelemetry collector's file exporter: ids in hex, 64-bit integers as
text, enumerations as numbers. Messages and arguments of tools are JSON text in their attributes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from tracekit.export import fields, tree
from tracekit.names import by_role
from tracekit.store import atomic
from tracekit.trace import Step, ToolCall, Trace
from tracekit.version import __version__

_INTERNAL, _CLIENT, _ERROR = 1, 3, 2  # SpanKind and StatusCode of OTLP


class Otlp:
    """OpenTelemetry spans (OTLP/JSON) with the GenAI conventions, for collectors and backends."""

    name: ClassVar[str] = "otlp"
    suffix: ClassVar[str] = ".jsonl"
    keeps: ClassVar[frozenset[str]] = fields.ALL - fields.POINTERS

    def losses(self, trace: Trace) -> list[str]:
        """Pointers into the original log."""
        return fields.losses(trace, self.keeps)

    def write(self, traces: Iterable[Trace], out: Path) -> int:
        """One export request per line, each with the spans of one trace."""
        seen: Counter[str] = Counter()
        with atomic(out) as stream:
            for trace in traces:
                stream.write(msgspec.json.encode(_request(trace, seen[trace.id])) + b"\n")
                seen[trace.id] += 1
        return seen.total()


def _request(trace: Trace, copy: int) -> dict[str, Any]:
    service = {"service.name": trace.source.framework or "tracekit"}
    spans = [_span(trace, node) for node in tree.grow(trace, copy)]
    scope = {"scope": {"name": "tracekit", "version": __version__}, "spans": spans}
    resource = {"attributes": typed_attributes(service)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def _span(trace: Trace, node: tree.Node) -> dict[str, Any]:
    span: dict[str, Any] = {"traceId": node.trace, "spanId": node.id}
    if node.parent is not None:
        span["parentSpanId"] = node.parent
    span |= {
        "name": node.name,
        "kind": _CLIENT if node.form == "model" else _INTERNAL,
        "startTimeUnixNano": str(node.start),
        "endTimeUnixNano": str(node.end),
        "attributes": typed_attributes(attributes(trace, node)),
    }
    if node.links:
        span["links"] = [
            {
                "traceId": node.trace,
                "spanId": link.span,
                "attributes": typed_attributes({"tracekit.link": link.what}),
            }
            for link in node.links
        ]
    if node.error is not None:
        span["status"] = {"code": _ERROR, "message": node.error}
    return span


def attributes(trace: Trace, node: tree.Node) -> dict[str, Any]:
    """The attributes of a span: those of the conventions, then those under `tracekit.`."""
    if node.form == "run":
        return _run(trace) | tree.run_attributes(trace)
    assert node.agent is not None
    found: dict[str, Any] = {"gen_ai.agent.name": node.agent.name, "gen_ai.agent.id": node.agent.id}
    if node.step is None:
        return _turn(node, found)
    spoken = found | (_tool(node.step.tools[0]) if node.form == "tool" else _model(node))
    return spoken | tree.step_attributes(node, spoken)


def _run(trace: Trace) -> dict[str, Any]:
    found = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.conversation.id": trace.id}
    if trace.task.question:
        found["gen_ai.input.messages"] = tree.text([_message("user", trace.task.question)])
    if trace.outcome.answer is not None:
        said = {**_message("assistant", trace.outcome.answer), "finish_reason": "stop"}
        found["gen_ai.output.messages"] = tree.text([said])
    return found


def _turn(node: tree.Node, found: dict[str, Any]) -> dict[str, Any]:
    found = {"gen_ai.operation.name": "invoke_agent", **found}
    agent = node.agent
    if agent is None or not node.first:
        return found
    if agent.role is not None:
        found["gen_ai.agent.description"] = agent.role
    if agent.system_prompt is not None:
        prompt = [{"type": "text", "content": agent.system_prompt}]
        found["gen_ai.system_instructions"] = tree.text(prompt)
    if agent.tools:
        offered = [{"type": "function", "name": name} for name in agent.tools]
        found["gen_ai.tool.definitions"] = tree.text(offered)
    return found


def _tool(call: ToolCall) -> dict[str, Any]:
    found: dict[str, Any] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": call.name}
    if call.arguments is not None:
        found["gen_ai.tool.call.arguments"] = tree.text(call.arguments)
    if call.result is not None:
        found["gen_ai.tool.call.result"] = call.result
    if call.call_id is not None:
        found["gen_ai.tool.call.id"] = call.call_id
    if call.error is not None:
        found["error.type"] = "tool_error"
    return found


def _model(node: tree.Node) -> dict[str, Any]:
    step = node.step
    assert step is not None
    assert node.agent is not None
    found: dict[str, Any] = {"gen_ai.operation.name": "chat"}
    if step.usage is not None:
        known = {
            "gen_ai.request.model": step.usage.model,
            "gen_ai.usage.input_tokens": step.usage.input_tokens,
            "gen_ai.usage.output_tokens": step.usage.output_tokens,
            "gen_ai.usage.cost": step.usage.cost,
        }
        found |= {name: value for name, value in known.items() if value is not None}
    if step.inputs is not None and step.inputs.messages:
        heard = [_message(m.role, m.content, m.name) for m in step.inputs.messages]
        found["gen_ai.input.messages"] = tree.text(heard)
    role = by_role(node.agent.role or node.agent.id) or "assistant"
    reason = "tool_call" if step.tools else "stop"
    answer = {"role": role, "parts": _parts(step), "finish_reason": reason}
    found["gen_ai.output.messages"] = tree.text([answer])
    return found


def _message(role: str, content: str, name: str | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": role, "parts": [{"type": "text", "content": content}]}
    return message if name is None else {**message, "name": name}


def _parts(step: Step) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if step.content:
        kind = "reasoning" if step.kind == "thought" else "text"
        parts.append({"type": kind, "content": step.content})
    for media in step.media:
        if media.uri is not None:
            sort, slash, _ = media.type.partition("/")
            part = {"type": "uri", "modality": sort, "uri": media.uri}
            parts.append(part | ({"mime_type": media.type} if slash else {}))
    for call in step.tools:
        id = {} if call.call_id is None else {"id": call.call_id}
        if call.name or call.result is None:
            asked = {"name": call.name, "arguments": call.arguments}
            parts.append({"type": "tool_call", **id, **asked})
        if call.result is not None:
            parts.append({"type": "tool_call_response", **id, "response": call.result})
    return parts


def typed_attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Attributes as OTLP's list of keys and typed values."""
    return [{"key": key, "value": _typed(value)} for key, value in values.items()]


def _typed(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
