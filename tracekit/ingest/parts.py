"""Message contents of the common chat APIs to text, media and tool calls.

One vocabulary for OpenAI (`content` string or parts, `tool_calls`), Anthropic (`text`,
`thinking`, `tool_use`, `tool_result` blocks), LangChain (`tool_calls` with `args`) and Google
(`parts` with `functionCall`). Unknown parts are kept as JSON text, never dropped.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import msgspec

from tracekit.ingest.decode import too_deep
from tracekit.trace import Media, ToolCall

_DEPTH = 200


class Content(msgspec.Struct, frozen=True):
    """What a message holds."""

    text: str = ""
    media: tuple[Media, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    thought: bool = False
    """True when every text part was marked as reasoning."""


def as_text(value: Any) -> str:
    """Any JSON value as text: strings as they are, None empty, the rest as compact JSON.

    >>> as_text({"a": 1}), as_text(None), as_text("x")
    ('{"a":1}', '', 'x')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return msgspec.json.encode(value).decode()


def maybe_json(value: Any) -> Any:
    """Text that holds a JSON object or list, decoded; everything else, and nests, unchanged.

    >>> maybe_json('{"a": 1}'), maybe_json("3"), maybe_json("{oops")
    ({'a': 1}, '3', '{oops')
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            found = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return value
        deep = value.count("[") + value.count("{") > _DEPTH and too_deep(found, _DEPTH)
        return value if deep else found
    return value


def read_content(content: Any) -> Content:
    """The content of a message in any of the common shapes.

    >>> read_content([{"type": "text", "text": "see"}, {"type": "image_url",
    ...               "image_url": {"url": "https://example.org/a.png"}}]).text
    'see\\n[image]'
    """
    if isinstance(content, str):
        return Content(content)
    parts = content if isinstance(content, list) else [] if content is None else [content]
    texts: list[str] = []
    media: list[Media] = []
    tools: list[ToolCall] = []
    thoughts = 0
    for part in parts:
        call = _tool_part(part)
        if call is not None:
            tools.append(call)
            if call.result is None:
                continue
        text, medium = _text_part(part) if call is None else (call.result or "", None)
        if medium is not None:
            media.append(msgspec.structs.replace(medium, at=sum(len(t) + 1 for t in texts)))
        thoughts += isinstance(part, dict) and (
            part.get("type") in _REASONING or part.get("thought") is True
        )
        if text:
            texts.append(text)
    only_thought = bool(texts) and thoughts == len(texts)
    return Content("\n".join(texts), tuple(media), tuple(tools), only_thought)


_REASONING = ("thinking", "reasoning", "redacted_thinking")
_MEDIA = {
    "image_url": "image", "image": "image", "input_image": "image", "inline_data": "file",
    "inlineData": "file", "file_data": "file", "fileData": "file", "audio": "audio",
    "input_audio": "audio", "file": "file", "document": "file", "video": "video", "media": "file",
}  # fmt: skip


def _text_part(part: Any) -> tuple[str, Media | None]:
    if not isinstance(part, dict):
        return as_text(part), None
    kind = part.get("type")
    for key in _MEDIA:
        if kind == key or (kind is None and part.get(key) is not None):
            return f"[{_MEDIA[key]}]", _media(part, _MEDIA[key])
    for key in (
        "executable_code",
        "executableCode",
        "code_execution_result",
        "codeExecutionResult",
    ):
        if isinstance(part.get(key), dict):
            return as_text(part[key].get("code") or part[key].get("output")), None
    for key in ("text", "thinking", "reasoning", "content", "output", "data"):
        if isinstance(part.get(key), str):
            return str(part[key]), None
    return as_text(part), None


def _media(part: dict[str, Any], kind: str) -> Media:
    """A reference to a part that is not text; inline bytes are hashed and let go."""
    inner = part
    for key in (str(part.get("type")), *_MEDIA, "source"):
        if isinstance(inner.get(key), dict):
            inner = inner[key]
    uri = next(
        (inner[k] for k in ("url", "uri", "fileUri", "file_uri") if isinstance(inner.get(k), str)),
        part.get("image_url") if isinstance(part.get("image_url"), str) else None,
    )
    mime = next(
        (
            inner[k]
            for k in ("media_type", "mime_type", "mimeType")
            if isinstance(inner.get(k), str)
        ),
        kind,
    )
    data = inner.get("data")
    if isinstance(uri, str) and uri.startswith("data:"):
        mime, _, data = uri[5:].partition(",")
        mime, uri = mime.split(";")[0] or kind, None
    if not isinstance(data, str):
        return Media(at=0, type=mime, uri=uri)
    try:
        blob = base64.b64decode(data, validate=False)
    except (binascii.Error, ValueError):
        blob = data.encode("utf-8", "replace")
    return Media(at=0, type=mime, sha256=hashlib.sha256(blob).hexdigest(), size=len(blob))


_ASKING = ("tool_use", "tool_call", "tool-call", "server_tool_use", "function_call")
_ANSWERING = (
    "tool_result", "tool-result", "tool_call_response", "tool-return", "function_call_output"
)  # fmt: skip
_CALL_IDS = ("tool_use_id", "call_id", "tool_call_id", "toolCallId")
_TOOL_NAMES = ("name", "tool_name", "toolName")


def _tool_part(part: Any) -> ToolCall | None:
    """A tool request or answer that is written as a content part, else None."""
    if not isinstance(part, dict):
        return None
    kind = part.get("type") or part.get("part_kind")
    if kind in _ASKING:
        return read_call(part)
    if kind in _ANSWERING:
        result = next(
            (part[k] for k in ("content", "result", "response", "output") if k in part), ""
        )
        text = read_content(result).text if isinstance(result, list) else as_text(result)
        failed = bool(part.get("is_error"))
        call_id = next((part[k] for k in (*_CALL_IDS, "id") if part.get(k)), None)
        return ToolCall(
            name=as_text(next((part[k] for k in _TOOL_NAMES if part.get(k)), None)),
            result=text,
            error=text if failed else None,
            call_id=as_text(call_id) or None,
        )
    for key in ("functionCall", "function_call"):
        if isinstance(part.get(key), dict):
            return read_call(part[key])
    if isinstance(part.get("toolUse"), dict):  # Bedrock's Converse API, as Strands writes it
        asked = part["toolUse"]
        return read_call({**asked, "id": asked.get("toolUseId")})
    if isinstance(part.get("toolResult"), dict):
        given = part["toolResult"]
        text = read_content(given.get("content")).text
        return ToolCall(
            name="",
            result=text,
            error=text or "error" if given.get("status") == "error" else None,
            call_id=as_text(given.get("toolUseId")) or None,
        )
    for key in ("functionResponse", "function_response"):
        if isinstance(part.get(key), dict):
            inner = part[key]
            return ToolCall(
                name=as_text(inner.get("name")),
                result=as_text(inner.get("response")),
                call_id=as_text(inner.get("id")) or None,
            )
    return None


def read_call(call: Any) -> ToolCall:
    """One tool request in the OpenAI, Anthropic, LangChain or Google shape.

    >>> read_call({"id": "c1", "function": {"name": "add", "arguments": '{"a": 1}'}})
    ToolCall(name='add', arguments={'a': 1}, result=None, error=None, call_id='c1')
    """
    if not isinstance(call, dict):
        return ToolCall(name=as_text(call))
    inner = call["function"] if isinstance(call.get("function"), dict) else call
    arguments = next(
        (
            inner[k]
            for k in ("arguments", "args", "input", "parameters")
            if inner.get(k) is not None
        ),
        None,
    )
    named: Any = call.get("function")
    if not isinstance(named, str):
        named = next((inner[k] for k in _TOOL_NAMES if inner.get(k)), None)
    return ToolCall(
        name=as_text(named),
        arguments=maybe_json(arguments),
        call_id=as_text(next((call[k] for k in ("id", *_CALL_IDS) if call.get(k)), None)) or None,
    )


def read_calls(calls: Any) -> tuple[ToolCall, ...]:
    """The `tool_calls` member of a message; None and odd values give no calls."""
    return tuple(read_call(call) for call in calls) if isinstance(calls, list) else ()
