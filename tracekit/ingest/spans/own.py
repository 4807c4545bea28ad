"""Spans that tracekit exported, read back without guessing.

An export says in the words of its convention what the convention has words for, and in attributes
under `tracekit.` what it has none for. `said` reads the former. It must never read more or less
than it does today: exports only hold under `tracekit.` what `said` leaves out or gets wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tracekit.ingest.spans.attributes import Span
from tracekit.trace import (
    SCHEMA,
    Agent,
    Inputs,
    Label,
    Media,
    Message,
    Outcome,
    Source,
    Step,
    Task,
    Time,
    ToolCall,
    Trace,
    Usage,
    faults,
)

RUN = "tracekit."
"""Prefix of what belongs to the trace; it stands on the root span."""
STEP = "tracekit.step."
"""Prefix of what belongs to a step; it stands on the step's span."""

RUN_DOCUMENTS: dict[str, Any] = {
    "task": Task,
    "agents": tuple[Agent, ...],
    "outcome": Outcome,
    "labels": tuple[Label, ...],
    "extra": dict[str, Any],
}
"""Fields of a trace that stand in attributes as JSON text; absent where they are empty."""
STEP_PLAIN: dict[str, Any] = {
    "index": int, "kind": str, "content": str, "to": str, "parent": int, "speaker": str
}  # fmt: skip
"""Fields of a step that stand in attributes as they are."""
STEP_DOCUMENTS: dict[str, Any] = {
    "tools": tuple[ToolCall, ...],
    "usage": Usage | None,
    "media": tuple[Media, ...],
    "time": Time,
    "extra": dict[str, Any],
}
"""Fields of a step that stand in attributes as JSON text."""


class Own(msgspec.Struct):
    """What the spans of one exported trace hold."""

    trace: Trace
    """The trace; its source knows framework and version alone, and its steps no raw records."""
    places: list[list[Span]]
    """The spans of every step: its own, then those of the frames that begin with it."""


def is_own(spans: list[Span]) -> bool:
    """Whether tracekit wrote these spans."""
    return any(span.attributes.get(f"{RUN}schema") == SCHEMA for span in spans)


def restore(spans: list[Span]) -> Own | None:
    """The trace that was exported; None where spans are missing or were changed on the way."""
    leaves: dict[int, list[Span]] = {}
    try:
        root = next(span for span in spans if f"{RUN}schema" in span.attributes)
        for span in spans:
            if f"{STEP}index" in span.attributes:
                leaves.setdefault(_index(span), []).append(span)
        count = msgspec.convert(root.attributes[f"{RUN}steps"], int)
        if sorted(leaves) != list(range(min(count, len(spans)))):
            return None
        steps = tuple(_step(leaves[index][0]) for index in range(count))
        trace = _run(root, steps)
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError, RecursionError):
        return None  # whatever an edit of the file can break
    return None if faults(trace) else Own(trace, _places(spans, leaves))


def _places(spans: list[Span], leaves: dict[int, list[Span]]) -> list[list[Span]]:
    """The spans of every step, frames with the first step below them."""
    places = [list(leaves[index]) for index in range(len(leaves))]
    first: dict[str | None, int] = {}
    for index, place in enumerate(places):
        first.setdefault(place[0].parent, index)
    for span in spans if places else ():
        if f"{STEP}index" not in span.attributes:
            places[first.get(span.id, 0)].append(span)
    return places


def _index(span: Span) -> int:
    return msgspec.convert(span.attributes[f"{STEP}index"], int)


def _run(root: Span, steps: tuple[Step, ...]) -> Trace:
    fields = {
        name: _document(root.attributes[RUN + name], kind)
        for name, kind in RUN_DOCUMENTS.items()
        if RUN + name in root.attributes
    }
    known = {
        name: msgspec.convert(root.attributes[RUN + name], str)
        for name in ("framework", "version")
        if RUN + name in root.attributes
    }
    id = msgspec.convert(root.attributes[f"{RUN}trace.id"], str)
    return Trace(id=id, source=Source(format="tracekit", **known), steps=steps, **fields)


def _step(span: Span) -> Step:
    held = span.attributes
    fields = said(span)
    for name, kind in STEP_PLAIN.items():
        if STEP + name in held:
            fields[name] = msgspec.convert(held[STEP + name], kind)
    for name, kind in STEP_DOCUMENTS.items():
        if STEP + name in held:
            fields[name] = _document(held[STEP + name], kind)
    messages = fields.pop("messages")
    if f"{STEP}inputs" in held:
        given = _document(held[f"{STEP}inputs"], tuple[int, ...] | Inputs)
        fields["inputs"] = given if isinstance(given, Inputs) else Inputs(given, messages)
    return msgspec.convert(msgspec.to_builtins(fields), Step)


def _document(text: Any, kind: Any) -> Any:
    return msgspec.json.decode(msgspec.convert(text, str), type=kind)


def said(span: Span) -> dict[str, Any]:
    """What a step's span says in the words of its convention.

    Agent, kind, content, tools, usage, and the messages that the agent was given. Raises
    `KeyError` or `ValueError` for a span that follows neither convention.
    """
    words = _genai if "gen_ai.operation.name" in span.attributes else _openinference
    return words(span)


def _genai(span: Span) -> dict[str, Any]:
    held = span.attributes
    found: dict[str, Any] = {"agent": msgspec.convert(held["gen_ai.agent.id"], str)}
    if held["gen_ai.operation.name"] == "execute_tool":
        names = ("name", "call.arguments", "call.result", "call.id")
        values = [held.get(f"gen_ai.tool.{name}") for name in names]
        return {**found, **_executed(span, *values)}
    spoken, tools, thought = "", [], False
    for part in _parts(held, "output"):
        if part["type"] in ("text", "reasoning"):
            spoken, thought = part["content"], part["type"] == "reasoning"
        elif part["type"] == "tool_call":
            tools.append(ToolCall(part["name"], part.get("arguments"), call_id=part.get("id")))
        elif tools and tools[-1].call_id == part.get("id") and tools[-1].result is None:
            tools[-1] = msgspec.structs.replace(tools[-1], result=part["response"])
        else:
            tools.append(ToolCall("", result=part["response"], call_id=part.get("id")))
    return {
        **found,
        "kind": "tool_call" if tools else "thought" if thought else "message",
        "content": spoken,
        "tools": tuple(tools),
        "usage": _usage(
            held.get("gen_ai.usage.input_tokens"),
            held.get("gen_ai.usage.output_tokens"),
            held.get("gen_ai.usage.cost"),
            held.get("gen_ai.request.model"),
        ),
        "messages": _heard(held),
    }


def _messages(held: dict[str, Any], way: str) -> list[dict[str, Any]]:
    text = held.get(f"gen_ai.{way}.messages")
    return [] if text is None else _document(text, list[dict[str, Any]])


def _parts(held: dict[str, Any], way: str) -> Iterator[dict[str, Any]]:
    """The parts of messages that hold text or calls of tools; media stand under `tracekit.`."""
    wanted = ("text", "reasoning", "tool_call", "tool_call_response")
    for message in _messages(held, way):
        yield from (part for part in message["parts"] if part["type"] in wanted)


def _heard(held: dict[str, Any]) -> tuple[Message, ...]:
    return tuple(
        Message(message["role"], message["parts"][0]["content"], message.get("name"))
        for message in _messages(held, "input")
    )


def _openinference(span: Span) -> dict[str, Any]:
    held = span.attributes
    found: dict[str, Any] = {"agent": msgspec.convert(held["graph.node.id"], str)}
    if held["openinference.span.kind"] == "TOOL":
        names = ("tool.name", "input.value", "output.value", "tool_call.id")
        return {**found, **_executed(span, *(held.get(name) for name in names))}
    answer = "llm.output_messages.0.message."
    tools: list[ToolCall] = []
    while (call := f"{answer}tool_calls.{len(tools)}.tool_call.") + "function.name" in held:
        arguments = held.get(f"{call}function.arguments")
        known = None if arguments is None else _document(arguments, Any)
        tools.append(ToolCall(held[f"{call}function.name"], known, call_id=held.get(f"{call}id")))
    messages: list[Message] = []
    while (at := f"llm.input_messages.{len(messages)}.message.") + "role" in held:
        messages.append(Message(held[f"{at}role"], held[f"{at}content"], held.get(f"{at}name")))
    return {
        **found,
        "kind": "tool_call" if tools else "message",
        "content": held.get(f"{answer}content", ""),
        "tools": tuple(tools),
        "usage": _usage(
            held.get("llm.token_count.prompt"),
            held.get("llm.token_count.completion"),
            held.get("llm.cost.total"),
            held.get("llm.model_name"),
        ),
        "messages": tuple(messages),
    }


def _executed(span: Span, name: Any, arguments: Any, result: Any, id: Any) -> dict[str, Any]:
    """A step that is the execution of one tool."""
    known = None if arguments is None else _document(arguments, Any)
    error = span.reason if span.failed else None
    call = ToolCall(name, known, result, error, id)
    fields = {"kind": "tool_result", "content": result or error or "", "tools": (call,)}
    return {**fields, "usage": None, "messages": ()}


def _usage(given: Any, made: Any, cost: Any, model: Any) -> Usage | None:
    known = {"input_tokens": given, "output_tokens": made, "cost": cost, "model": model}
    held = {name: value for name, value in known.items() if value is not None}
    return msgspec.convert(held, Usage) if held else None
