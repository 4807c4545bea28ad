"""AG2's events as `Said` and `ToolCall`: what a model was given, what it said, what tools returned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from tracekit.ingest.meters import read_usage
from tracekit.ingest.parts import Content, as_text, maybe_json
from tracekit.ingest.spans.messages import Said
from tracekit.optional import require
from tracekit.trace import Media, ToolCall, Usage

events: Any = require("ag2.events", extra="ag2")


def heard(history: Sequence[Any], prompt: Iterable[str]) -> list[Said]:
    """What a model is given: the agent's prompt and the history, in order."""
    system = "\n\n".join(prompt)
    found = [Said("system", system)] if system else []
    wrapped = {r.parent_id for e in history for r in getattr(e, "results", ())}
    for event in history:
        found += _said(event, wrapped)
    return found


def _said(event: Any, wrapped: set[str]) -> list[Said]:
    if isinstance(event, events.ModelRequest):
        content = inputs(event.parts)
        return [Said("user", content.text, media=content.media)]
    if isinstance(event, events.ModelResponse):
        return [Said("assistant", event.content or "", asks=asked(event))]
    if isinstance(event, events.ModelMessage):
        return [Said("assistant", event.content)]
    if isinstance(event, events.ToolResultsEvent):
        return [_result(result) for result in event.results]
    if isinstance(event, events.ToolResultEvent) and event.parent_id not in wrapped:
        return [_result(event)]
    summary = getattr(event, "summary", None)  # history that was compacted
    return [Said("user", summary)] if isinstance(summary, str) else []


def _result(event: Any) -> Said:
    answer = answered(event)
    return Said("tool", answer.result or answer.error or "", answers=(answer,))


def asked(response: Any) -> tuple[ToolCall, ...]:
    """The tools that a response asks for."""
    return tuple(request(call) for call in response.tool_calls.calls)


def request(call: Any) -> ToolCall:
    """One tool's call as asked for."""
    return ToolCall(call.name, maybe_json(call.arguments), call_id=call.id)


def answered(result: Any, call: ToolCall | None = None) -> ToolCall:
    """One tool's answer; `call` is what was asked for, where it is known."""
    name = result.name or (call.name if call else "")
    arguments = call.arguments if call else None
    if isinstance(result, events.ToolErrorEvent):
        error = f"{type(result.error).__name__}: {result.error}"
        return ToolCall(name, arguments, error=error, call_id=result.parent_id)
    return ToolCall(name, arguments, inputs(result.result.parts).text, call_id=result.parent_id)


def inputs(parts: Iterable[Any]) -> Content:
    """Text and media of the parts of a request or of a tool's result."""
    texts: list[str] = []
    media: list[Media] = []
    for part in parts:
        found = _medium(part, sum(len(text) + 1 for text in texts))
        if found is not None:
            media.append(found)
            texts.append(f"[{found.type.partition('/')[0]}]")
        else:
            texts.append(_text(part))
    return Content("\n".join(texts), tuple(media))


def _text(part: Any) -> str:
    if isinstance(part, events.TextInput):
        return str(part.content)
    if isinstance(part, events.DataInput):
        try:
            return as_text(part.data)
        except TypeError:
            return repr(part.data)
    return repr(part)


def _medium(part: Any, at: int) -> Media | None:
    """A part that is not text, by reference; its bytes are hashed and let go."""
    if isinstance(part, events.UrlInput):
        return Media(at, str(part.kind.value), uri=part.url)
    if isinstance(part, events.BinaryInput):
        digest = hashlib.sha256(part.data).hexdigest()
        return Media(at, str(part.media_type), sha256=digest, size=len(part.data))
    if isinstance(part, events.FileIdInput):
        return Media(at, "file", uri=part.file_id)
    return None


def spent(response: Any) -> Usage | None:
    """Tokens and model of a response."""
    usage = response.usage
    table = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
    return read_usage(table, response.model)
