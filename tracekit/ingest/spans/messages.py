"""Messages inside spans: what a model was given and what it said, in every convention's spelling.

Chat messages come as lists (`gen_ai.input.messages`, 1.37 and later), as numbered attributes
(`gen_ai.prompt.0.role`, OpenLLMetry; `llm.input_messages.0.message.role`, OpenInference), as span
events (`gen_ai.user.message`, 1.28 to 1.36), as requests and responses of one provider (Google's
`contents`, OpenAI's `choices`), or doubly encoded. All of them end here as `Said`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tracekit.ingest.parts import Content, as_text, maybe_json, read_call, read_calls, read_content
from tracekit.ingest.spans.shapes import FAMILIES, families, shape_of
from tracekit.names import by_role
from tracekit.trace import Media, ToolCall


class Said(msgspec.Struct, gc=False):
    """One message as a span tells it."""

    role: str
    """`user`, `assistant`, `system`, `tool`, or the log's own word."""
    text: str = ""
    asks: tuple[ToolCall, ...] = ()
    """Tools the message asks for."""
    answers: tuple[ToolCall, ...] = ()
    """Answers of tools that the message carries."""
    media: tuple[Media, ...] = ()
    name: str | None = None
    thought: bool = False
    """True when nothing but reasoning was said."""


def read_messages(value: Any, role: str = "user") -> list[Said]:
    """All messages of a value in any known shape; text that is no message list is one message.

    >>> [m.text for m in read_messages('[{"role": "user", "content": "hi"}]')]
    ['hi']
    """
    text, value = value, maybe_json(value)
    if isinstance(value, dict):
        for key in _LISTS if role != "assistant" else reversed(_LISTS):
            inner = maybe_json(value.get(key))
            if isinstance(inner, list | dict) and inner:
                said = read_messages(inner, role)
                return said if role == "assistant" else [*_preamble(value), *said]
            if isinstance(inner, str) and inner and key in ("prompt", "input") and role == "user":
                return [*_preamble(value), Said(role, inner)]
        return [_one(text, role)]
    if not isinstance(value, list):
        return [Said(role, as_text(value))] if value not in (None, "") else []
    if isinstance(text, str) and not any(_speaks(item) for item in value):
        return [Said(role, text)]
    if _is_pair(value):
        return [_one(value, role)]
    if len(value) == 1 and isinstance(value[0], list) and not _is_pair(value[0]):
        value = value[0]  # LangChain batches: one list of messages per prompt
    if value and all(isinstance(i, dict) and _is_bare_part(i) for i in value):
        return [_said(role, read_content(value), {})]
    return [_one(item, role) for item in value if item not in (None, "")]


_LISTS = (
    "messages", "contents", "input", "prompt", "prompts", "args", "output", "generations", "choices"
)  # fmt: skip
"""Members that hold the messages: of requests first, of responses last."""


def _preamble(value: dict[str, Any]) -> list[Said]:
    """A system prompt that stands beside the messages."""
    config = value.get("config")
    found = [value.get("system"), value.get("system_instruction"), value.get("instructions")]
    if isinstance(config, dict):
        found.append(config.get("system_instruction"))
    return [Said("system", text) for item in found if (text := _text_of(item))]


def _text_of(value: Any) -> str:
    value = maybe_json(value)
    if isinstance(value, dict) and "parts" in value:
        return read_content(value["parts"]).text
    return read_content(value).text if isinstance(value, list | dict) else as_text(value)


def _speaks(item: Any) -> bool:
    """Whether an item of a list that stood in a string looks like a message or part of one."""
    if isinstance(item, list):
        return any(_speaks(part) for part in item) or _is_pair(item)
    if isinstance(item, str):
        return item.startswith("{") or by_role(item) is not None
    return isinstance(item, dict) and _is_wrapped(item)


_MARKS = frozenset(
    {"role", "content", "parts", "type", "message", "tool_calls", "lc", "text", "function_call",
     "message_content"}
)  # fmt: skip


def _is_wrapped(item: dict[str, Any]) -> bool:
    """Whether an object that stood in a string is a message, and not what a message says."""
    if len(item) == 1 and next(iter(item)) in _ROLE_WORDS:
        return True
    return not _MARKS.isdisjoint(item)


def _is_pair(item: Any) -> bool:
    return (
        isinstance(item, list)
        and len(item) == 2
        and isinstance(item[0], str)
        and by_role(item[0]) is not None
    )


def _is_bare_part(item: dict[str, Any]) -> bool:
    return item.get("type") in ("text", "reasoning", "image_url", "tool_use", "thinking") and (
        "role" not in item
    )


_ROLE_WORDS = ("system", "human", "ai", "user", "assistant", "tool", "model")


def _one(item: Any, role: str) -> Said:
    """One message of a list."""
    text, item = item, maybe_json(item)
    if isinstance(item, dict) and isinstance(text, str) and not _is_wrapped(item):
        item = text
    if isinstance(item, str):
        return Said(role, item)
    if isinstance(item, list):
        if _is_pair(item):
            return _said(by_role(item[0]) or item[0], read_content(item[1]), {})
        return _said(role, read_content(item), {})
    if not isinstance(item, dict):
        return Said(role, as_text(item))
    return _from_dict(item, role)


def _from_dict(item: dict[str, Any], role: str) -> Said:
    if isinstance(item.get("kwargs"), dict) and "lc" in item:  # LangChain's dumps()
        item = item["kwargs"]
    for key in ("message", "data", "content"):  # choices, generations, messages_to_dict, Google
        inner = item.get(key)
        nested = "content" not in item or (key == "content" and "type" not in item)
        if isinstance(inner, dict) and nested and "role" not in item:
            merged = {"type": item.get("type"), **inner} if key == "data" else inner
            return _from_dict(merged, role)
    if len(item) == 1:  # {"human": "…"}, as Monocle writes it
        (word, said) = next(iter(item.items()))
        if word in _ROLE_WORDS:
            return _terse(by_role(word) or word, maybe_json(said))
    kind = item.get("type")
    if kind in ("function_call", "tool_call", "tool_use", "function_call_output", "tool_result"):
        return _said(as_text(item.get("role")) or role, read_content([item]), item)
    speaks = by_role(item.get("role")) or as_text(item.get("role"))
    if not speaks and isinstance(kind, str):
        speaks = by_role(kind.removesuffix("Message").removesuffix("MessageChunk")) or ""
    content = next(
        (item[k] for k in ("content", "parts", "contents", "text", "summary") if item.get(k)), None
    )
    if content is None and not speaks:
        known = item.get("tool_calls") or item.get("toolCalls") or item.get("function_call")
        return Said(role, "" if known else as_text(item), _asks(item))
    return _said(speaks or role, _content(content), item)


def _terse(role: str, said: Any) -> Said:
    calls = said if isinstance(said, list) else [said]
    if role == "assistant" and all(isinstance(c, dict) and "name" in c for c in calls):
        return Said(role, asks=tuple(read_call(call) for call in calls))
    return _said(role, _content(said), {})


def _content(content: Any) -> Content:
    decoded = maybe_json(content) if isinstance(content, str) and '"type"' in content else content
    if isinstance(decoded, list) and decoded and all(isinstance(i, dict) for i in decoded):
        return read_content([_part(i) for i in decoded])
    return read_content(content)


def _part(part: dict[str, Any]) -> dict[str, Any]:
    """OpenInference's `message_content` wrapper taken off; GenAI's blobs as media."""
    inner = part.get("message_content")
    if isinstance(inner, dict):
        image = inner.get("image")
        if isinstance(image, dict) and isinstance(image.get("image"), dict):
            return {"type": "image_url", "image_url": image["image"]}
        part = inner
    if part.get("type") in ("blob", "uri") and part.get("modality"):
        data = {"data": part.get("content") or part.get("data"), "url": part.get("uri")}
        return {"type": part["modality"], "mime_type": part.get("mime_type"), **data}
    return part


def _said(role: str, content: Content, item: dict[str, Any]) -> Said:
    asks = (*(call for call in content.tools if call.result is None), *_asks(item))
    answers = tuple(call for call in content.tools if call.result is not None)
    name = item.get("name") if isinstance(item.get("name"), str) else None
    call_id = as_text(item.get("tool_call_id") or item.get("id") if role == "tool" else "")
    if role == "tool" and not answers:
        answers = (ToolCall(name or "", result=content.text, call_id=call_id or None),)
    if answers and not asks and role in ("user", "assistant", "model"):
        role = "tool"
    return Said(role, content.text, asks, answers, content.media, name, content.thought)


def _asks(item: dict[str, Any]) -> tuple[ToolCall, ...]:
    beside = item.get("additional_kwargs")
    calls = maybe_json(item.get("tool_calls") or item.get("toolCalls"))
    if not calls and isinstance(beside, dict):
        calls = beside.get("tool_calls")
    calls = [c.get("tool_call", c) if isinstance(c, dict) else c for c in _listed(calls)]
    asks = read_calls(calls)
    single = item.get("function_call")
    if isinstance(single, dict) and single.get("name"):
        asks = (*asks, read_call(single))
    named = item.get("function_call_name")  # OpenInference's older spelling
    if named:
        arguments = maybe_json(item.get("function_call_arguments_json"))
        asks = (*asks, ToolCall(as_text(named), arguments))
    return asks


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def numbered(attributes: dict[str, Any], prefix: str) -> list[Any]:
    """The list that stands under `prefix`: as a value, nested, or spread over numbered keys.

    >>> numbered({"p.0.role": "user", "p.1.role": "ai", "p.1.calls.0.id": "c"}, "p")
    [{'role': 'user'}, {'role': 'ai', 'calls': [{'id': 'c'}]}]
    """
    whole = attributes.get(prefix)
    if whole is None and prefix in FAMILIES and prefix not in shape_of(attributes)[families]:
        return []
    if whole is not None:
        whole = maybe_json(whole)
        return [deepen(item) for item in whole] if isinstance(whole, list) else [deepen(whole)]
    start = prefix + "."
    size = len(start)
    flat = {key[size:]: value for key, value in attributes.items() if key.startswith(start)}
    if not flat:
        return []
    grown = deepen(flat)
    return grown if isinstance(grown, list) else [grown]


_DEEPEST = 32  # no convention nests further, and a key of ten thousand dots is an attack


def deepen(value: Any, level: int = 0) -> Any:
    """Dotted keys as nested objects, objects with the keys 0, 1, 2 … as lists.

    >>> deepen({"message.role": "user", "n.0": "a", "n.1": "b"})
    {'message': {'role': 'user'}, 'n': ['a', 'b']}
    """
    if level > _DEEPEST:
        return value
    level += 1
    if isinstance(value, list):
        return [deepen(item, level) for item in value]
    if not isinstance(value, dict):
        return value
    grown: dict[str, Any] = {}
    for key, item in value.items():
        first, dot, further = key.partition(".")
        if not dot:
            held = grown.get(key)
            both = isinstance(held, dict) and isinstance(item, dict)
            grown[key] = {**held, **item} if both else item  # type: ignore[dict-item]
        else:
            held = grown.get(first)
            if not isinstance(held, dict):
                held = grown[first] = {} if held is None else {"": held}
            held[further] = item
    if grown and all(key.isdecimal() for key in grown):
        return [deepen(grown[key], level) for key in sorted(grown, key=int)]
    return {key: deepen(item, level) for key, item in grown.items()}
