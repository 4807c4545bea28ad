"""LangChain's live objects (messages, commands, states) as plain JSON values and as `Said`.

Objects are told apart by what they carry and not by their classes, so that this module needs no
LangChain and subclasses of any version are read alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from tracekit.ingest.meters import read_usage
from tracekit.ingest.spans.messages import Said, read_messages
from tracekit.trace import Usage

_DEEPEST = 24


def is_message(value: Any) -> bool:
    """Whether a value is a LangChain message."""
    return hasattr(value, "content") and isinstance(getattr(value, "type", None), str)


def is_command(value: Any) -> bool:
    """Whether a value is LangGraph's `Command`."""
    return hasattr(value, "goto") and hasattr(value, "update")


def plain(value: Any, level: int = 0) -> Any:
    """Any object as a JSON value; what has no form of its own becomes its `repr`."""
    if value is None or isinstance(value, str | int | float):
        return value
    if level > _DEEPEST:
        return repr(value)[:200]
    if is_message(value):
        return message_fields(value)
    if isinstance(value, dict):
        return {str(key): plain(item, level + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, level + 1) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain(getattr(value, name, None), level + 1) for name in names}
    fields = getattr(type(value), "model_fields", None)  # pydantic
    if isinstance(fields, dict):
        return {name: plain(getattr(value, name, None), level + 1) for name in fields}
    return repr(value)[:2000]


_MESSAGE = ("name", "id", "tool_calls", "tool_call_id", "role")


def message_fields(message: Any) -> dict[str, Any]:
    """A message as the object that `message_to_dict` would give, without what is empty."""
    found = {"type": message.type, "content": plain(message.content, 1)}
    for name in _MESSAGE:
        value = getattr(message, name, None)
        if value:
            found[name] = plain(value, 1)
    return found


class Reader:
    """Messages as `Said`, each one read once: prompts repeat the whole conversation."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any, Said]] = {}

    def said(self, message: Any) -> Said:
        """One message; a text is what a user says."""
        known = self._known.get(id(message))
        if known is not None and known[0] is message and known[1] is message.content:
            return known[2]
        if not is_message(message):
            return (read_messages([plain(message)]) or [Said("user")])[0]
        said = read_messages([message_fields(message)])[0]
        self._known[id(message)] = (message, message.content, said)
        return said


def messages_in(value: Any) -> Iterator[Any]:
    """The messages of a state or of a node's update: at the top, or one list further down."""
    if is_message(value):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from messages_in(item) if not isinstance(item, dict) else ()
    elif isinstance(value, list | tuple):
        for item in value:
            if is_message(item):
                yield item
    elif not isinstance(value, str | int | float | None):
        fields = getattr(type(value), "model_fields", None) or getattr(value, "__dict__", None)
        for name in fields if isinstance(fields, dict) else ():
            item = getattr(value, name, None)
            if is_message(item) or isinstance(item, list | tuple):
                yield from messages_in(item)


def commands_in(value: Any) -> list[Any]:
    """The commands that a node or a tool returned."""
    items = value if isinstance(value, list | tuple) else [value]
    return [item for item in items if is_command(item)]


def gotos(command: Any) -> list[str]:
    """The nodes that a command names; `Send`s count by their node, the end does not."""
    targets = command.goto if isinstance(command.goto, list | tuple) else [command.goto]
    names = [getattr(target, "node", target) for target in targets]
    return [name for name in names if isinstance(name, str) and name and name != "__end__"]


def spent(message: Any, output: Any) -> Usage | None:
    """Tokens and model of a call: from its message, else from what the provider said beside it."""
    meta = getattr(message, "response_metadata", None)
    meta = meta if isinstance(meta, dict) else {}
    beside = output if isinstance(output, dict) else {}
    model = meta.get("model_name") or meta.get("model") or beside.get("model_name")
    counted = getattr(message, "usage_metadata", None)
    table = dict(counted) if counted else meta.get("token_usage") or beside.get("token_usage")
    return read_usage(table, model)


def offered(parameters: Any) -> tuple[str, ...]:
    """Names of the tools that a model was offered, from the parameters of its call."""
    tools = parameters.get("tools") if isinstance(parameters, dict) else None
    names: list[str] = []
    for tool in tools if isinstance(tools, list | tuple) else ():
        inner = tool.get("function", tool) if isinstance(tool, dict) else {}
        name = inner.get("name") if isinstance(inner, dict) else None
        if isinstance(name, str):
            names.append(name)
    return tuple(names)
