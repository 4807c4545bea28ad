"""Answers of a given type: validated, with one chance to repair, or an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from tracekit.llm.errors import InvalidAnswer
from tracekit.llm.request import Completion, Message, Request

T = TypeVar("T")

Form = Literal["schema", "object", "prompt"]
"""How the server is told: `response_format` with the JSON Schema, or with `json_object` only, or
not at all, for servers that know neither (the prompt must then ask for JSON itself)."""

FENCE = re.compile(r"^```(?:json)?[ \t]*\n(.*?)\n?```$", re.DOTALL | re.IGNORECASE)

VALUE = re.compile(r"'.*'", re.DOTALL)
"""Where an error of msgspec cites what it met; names of fields and types stand in backticks."""

REPAIR = """\
Your answer cannot be used: {error}

Answer again with one JSON value and nothing else. It must follow this JSON Schema:
{schema}"""


class Answers(Protocol):
    """What can be asked: a `Client`, or whatever stands before one and counts."""

    async def complete(self, request: Request) -> Completion:
        """The answer to one request; raises a `CallError` when there is none."""
        ...


class Structured(msgspec.Struct, Generic[T], frozen=True):
    """A value, and the calls that it took."""

    value: T
    """What the model answered, validated."""
    completions: tuple[Completion, ...]
    """One completion, or two when the first had to be repaired."""


async def ask(
    client: Answers,
    request: Request,
    type: type[T],
    *,
    check: Callable[[T], object] | None = None,
    form: Form = "schema",
) -> Structured[T]:
    """The answer as a value of `type`, which is any type that msgspec can validate.

    `check` may raise `ValueError` for a value that the type cannot exclude, e.g. a step that the
    trace does not have; its message is shown to the model. A first answer that does not validate
    is sent back once with the reason. Raises `InvalidAnswer` when the second does not validate
    either, and what `Client.complete` raises.
    """
    first = _with_format(request, type, form)
    answer = await client.complete(first)
    try:
        return Structured(_value(answer.text, type, check), (answer,))
    except ValueError as error:
        schema = msgspec.json.encode(schema_of(type), order="sorted").decode()
        again = (
            Message("assistant", answer.text),
            Message("user", REPAIR.format(error=error, schema=schema)),
        )
    second = msgspec.structs.replace(first, messages=(*first.messages, *again))
    repaired = await client.complete(second)
    try:
        return Structured(_value(repaired.text, type, check), (answer, repaired))
    except ValueError as error:
        what = f"no valid answer from {request.model!r}, not even after a repair: {error}"
        raise InvalidAnswer(what, raw=repaired.text) from None


def schema_of(type: Any) -> dict[str, Any]:
    """JSON Schema of a type, with the type itself at the root, as servers want it.

    >>> class Verdict(msgspec.Struct):
    ...     step: int
    >>> schema_of(Verdict)["properties"]
    {'step': {'type': 'integer'}}
    """
    schema = msgspec.json.schema(type)
    parts = schema.pop("$defs", {})
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        schema = dict(parts[name])
        if f'"#/$defs/{name}"' not in msgspec.json.encode(parts).decode():
            del parts[name]  # nothing refers back to the root
    return schema | ({"$defs": parts} if parts else {})


def _with_format(request: Request, type: Any, form: Form) -> Request:
    if form == "prompt":
        return request
    wanted: dict[str, Any] = {"type": "json_object"}
    if form == "schema":
        name = re.sub(r"\W", "_", getattr(type, "__name__", "answer"))
        named = {"name": name, "schema": schema_of(type)}
        wanted = {"type": "json_schema", "json_schema": named}
    return msgspec.structs.replace(request, params={**request.params, "response_format": wanted})


def _value(text: str, type: type[T], check: Callable[[T], object] | None) -> T:
    """The text as a value; raises `ValueError`. One fence around all of it is taken off."""
    stripped = text.strip()
    fenced = FENCE.match(stripped)
    try:
        value = msgspec.json.decode(fenced[1] if fenced else stripped, type=type)
    except (msgspec.DecodeError, RecursionError) as error:
        # values stay out of the words that go back: they may be those of a text under examination
        raise ValueError(VALUE.sub("'…'", str(error))) from None
    if check is not None:
        check(value)
    return value
