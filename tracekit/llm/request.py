"""What is asked of a model, what it answered, and the key under which the answer is kept."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from tracekit.attribution import Cost
from tracekit.errors import UsageError

Role = Literal["system", "developer", "user", "assistant", "tool"]

OWN_FIELDS = frozenset({"model", "messages", "stream", "stream_options", "n"})
"""Fields of the API that the client sets itself; `n` > 1 is `repeat`, one call each."""

LIMITS = ("max_completion_tokens", "max_tokens")
"""The parameters that bound the length of an answer, the newer one first."""


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a function that the model asks for."""

    id: str = ""
    """Joins the call and the message of role `tool` that answers it."""
    name: str
    """The function."""
    arguments: str
    """Its arguments as the model wrote them: JSON, unless the model erred."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a conversation."""

    role: Role
    """Who speaks."""
    content: str = ""
    """The text."""
    name: str = ""
    """Name of the speaker, for models that use it."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What the assistant asked for."""
    tool_call_id: str = ""
    """The call that a message of role `tool` answers."""

    def body(self) -> dict[str, Any]:
        """The message as the chat-completions API has it.

        >>> Message("user", "Hello").body()
        {'role': 'user', 'content': 'Hello'}
        """
        body: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.name:
            body["name"] = self.name
        if self.tool_call_id:
            body["tool_call_id"] = self.tool_call_id
        if self.tool_calls:
            body["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in self.tool_calls
            ]
        return body


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of a model. The same request has the same key, on every machine.

    Raises `UsageError` for parameters that belong to the client and values that JSON lacks.
    """

    model: str
    """The model, as the endpoint names it."""
    messages: tuple[Message, ...]
    """The conversation so far."""
    params: dict[str, Any] = {}
    """Other fields of the API: `temperature`, `seed`, `max_tokens`, `response_format`, ..."""
    repeat: int = 0
    """Which of several equal calls this is; not sent, but part of the key."""

    def __post_init__(self) -> None:
        if taken := sorted(OWN_FIELDS & self.params.keys()):
            raise UsageError(f"the client sets {', '.join(taken)}; leave it out of params")
        _canonical(self.params)

    def body(self) -> dict[str, Any]:
        """What is sent, but for the fields that concern the transport."""
        messages = [message.body() for message in self.messages]
        return {"model": self.model, "messages": messages, **self.params}

    @property
    def key(self) -> str:
        """SHA-256 of the canonical JSON of what is asked, in hexadecimal.

        The order of parameters does not matter, nor whether a whole number is written `0` or
        `0.0`; the endpoint and the way of transport have no part in it.

        >>> one = Request("m", (Message("user", "Hi"),), {"seed": 1, "temperature": 0})
        >>> two = Request("m", (Message("user", "Hi"),), {"temperature": 0.0, "seed": 1})
        >>> one.key == two.key
        True
        """
        return hashlib.sha256(self.canonical()).hexdigest()

    def canonical(self) -> bytes:
        """JSON with sorted keys and without spaces, of everything that the answer depends on."""
        asked = self.body() | ({"repeat": self.repeat} if self.repeat else {})
        try:
            return msgspec.json.encode(_canonical(asked), order="sorted")
        except UnicodeEncodeError:
            raise UsageError("a message holds half a surrogate pair, which is no text") from None

    @property
    def limit(self) -> int | None:
        """The most tokens that the answer may have; None when the request sets no limit."""
        return next((self.params[name] for name in LIMITS if self.params.get(name)), None)


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one call."""

    prompt: int = 0
    """Tokens read."""
    completion: int = 0
    """Tokens written, those of the model's reasoning included."""
    assumed: bool = False
    """The endpoint reported none: these are the most it can have been."""

    @property
    def tokens(self) -> int:
        """Tokens both ways."""
        return self.prompt + self.completion


class Completion(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer to a request. Served from a store, it is equal to the byte to the first one."""

    key: str
    """`Request.key`."""
    model: str = ""
    """The model that answered, as the endpoint says."""
    text: str = ""
    """What it wrote; may be empty when it asks for tools."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What it asks for."""
    finish: str = "stop"
    """Why it stopped: `stop` or `tool_calls`; everything else is an error."""
    usage: Usage = Usage()
    """Tokens of the try that gave the answer."""
    money: float | None = None
    """What that try cost, in the currency of the price table; None = the model has no price."""
    seconds: float = 0.0
    """From the first try to the answer, waiting included."""
    tries: int = 1
    """Requests that were sent until it came."""


def cost(completions: Iterable[Completion]) -> Cost:
    """What a verdict that rests on these answers cost; the same when they are replayed.

    >>> cost([Completion(key="a", usage=Usage(10, 2), money=0.5)])
    Cost(seconds=None, calls=1, tokens=12, money=0.5)
    """
    done = list(completions)
    return Cost(
        calls=len(done),
        tokens=sum(one.usage.tokens for one in done),
        money=math.fsum(one.money or 0.0 for one in done),
    )


def _canonical(value: Any) -> Any:
    """The value with numbers written in one way (RFC 8785, section 3.2.2.3)."""
    match value:
        case dict():
            if not all(isinstance(name, str) for name in value):
                raise UsageError("params: names must be texts")
            return {name: _canonical(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_canonical(inner) for inner in value]
        case float():
            if not math.isfinite(value):
                raise UsageError(f"params: {value} is no number in JSON")
            return int(value) if value.is_integer() else value
        case None | str() | bool() | int():
            return value
    raise UsageError(f"params: {type(value).__name__} is not a JSON value")
