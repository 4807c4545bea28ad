"""Spans with OpenInference's attributes as JSON Lines, in the layout of Phoenix's own exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from tracekit.export import fields, tree
from tracekit.names import by_role
from tracekit.store import atomic
from tracekit.trace import Step, ToolCall, Trace

_KINDS = {"run": "CHAIN", "turn": "AGENT", "model": "LLM", "tool": "TOOL"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OpenInference:
    """OpenInference spans, one a line, as Phoenix exports and uploads them."""

    name: ClassVar[str] = "openinference"
    suffix: ClassVar[str] = ".jsonl"
    keeps: ClassVar[frozenset[str]] = fields.ALL - fields.POINTERS

    def losses(self, trace: Trace) -> list[str]:
        """Pointers into the original log, and links between spans, which the layout has not."""
        return fields.losses(trace, self.keeps)

    def write(self, traces: Iterable[Trace], out: Path) -> int:
        """One span per line, parents before children."""
        seen: Counter[str] = Counter()
        with atomic(out) as stream:
            for trace in traces:
                before: str | None = None
                for node in tree.grow(trace, seen[trace.id]):
                    stream.write(msgspec.json.encode(_span(trace, node, before)) + b"\n")
                    if node.form == "turn" and node.agent is not None:
                        before = node.agent.id
                seen[trace.id] += 1
        return seen.total()


def _span(trace: Trace, node: tree.Node, before: str | None) -> dict[str, Any]:
    return {
        "name": node.name,
        "context": {"trace_id": node.trace, "span_id": node.id},
        "span_kind": _KINDS[node.form],
        "parent_id": node.parent,
        "start_time": _instant(node.start),
        "end_time": _instant(node.end),
        "status_code": "OK" if node.error is None else "ERROR",
        "status_message": node.error or "",
        "attributes": attributes(trace, node, before),
        "events": [],
    }


def _instant(nanos: int) -> str:
    return (_EPOCH + timedelta(microseconds=nanos // 1_000)).isoformat(timespec="microseconds")


def attributes(trace: Trace, node: tree.Node, before: str | None = None) -> dict[str, Any]:
    """The attributes of a span; `before` is the id of the agent that handed over to this turn."""
    found: dict[str, Any] = {"openinference.span.kind": _KINDS[node.form], "session.id": trace.id}
    if node.agent is None:
        return found | _run(trace) | tree.run_attributes(trace)
    found |= {"agent.name": node.agent.name, "graph.node.id": node.agent.id}
    if node.step is None:
        if before is not None:
            found["graph.node.parent_id"] = before
        return found
    spoken = found | (_tool(node.step.tools[0]) if node.form == "tool" else _model(node))
    return spoken | tree.step_attributes(node, spoken)


def _run(trace: Trace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if trace.task.question:
        found |= {"input.value": trace.task.question, "input.mime_type": "text/plain"}
    if trace.outcome.answer is not None:
        found |= {"output.value": trace.outcome.answer, "output.mime_type": "text/plain"}
    return found


def _tool(call: ToolCall) -> dict[str, Any]:
    found: dict[str, Any] = {"tool.name": call.name}
    if call.arguments is not None:
        found |= {"input.value": tree.text(call.arguments), "input.mime_type": "application/json"}
    if call.result is not None:
        found |= {"output.value": call.result, "output.mime_type": "text/plain"}
    if call.call_id is not None:
        found["tool_call.id"] = call.call_id
    return found


def _model(node: tree.Node) -> dict[str, Any]:
    step = node.step
    assert step is not None
    assert node.agent is not None
    found: dict[str, Any] = {}
    if step.usage is not None:
        known = {
            "llm.model_name": step.usage.model,
            "llm.token_count.prompt": step.usage.input_tokens,
            "llm.token_count.completion": step.usage.output_tokens,
            "llm.cost.total": step.usage.cost,
        }
        found |= {name: value for name, value in known.items() if value is not None}
    for at, message in enumerate(step.inputs.messages if step.inputs else ()):
        place = f"llm.input_messages.{at}.message."
        found |= {f"{place}role": message.role, f"{place}content": message.content}
        if message.name is not None:
            found[f"{place}name"] = message.name
    role = by_role(node.agent.role or node.agent.id) or "assistant"
    return found | _answer(step, role)


def _answer(step: Step, role: str) -> dict[str, Any]:
    place = "llm.output_messages.0.message."
    found: dict[str, Any] = {f"{place}role": role}
    if step.content:
        found[f"{place}content"] = step.content
        found |= {"output.value": step.content, "output.mime_type": "text/plain"}
    for at, call in enumerate(step.tools):
        asked = f"{place}tool_calls.{at}.tool_call."
        found[f"{asked}function.name"] = call.name
        if call.arguments is not None:
            found[f"{asked}function.arguments"] = tree.text(call.arguments)
        if call.call_id is not None:
            found[f"{asked}id"] = call.call_id
    return found
