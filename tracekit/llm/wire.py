"""The chat-completions API as it comes over the wire, whole or in pieces."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tracekit.llm.errors import ConnectionLost, MalformedAnswer, RefusedAnswer, TruncatedAnswer
from tracekit.llm.request import ToolCall

Count = Annotated[int, msgspec.Meta(ge=0)]


class Counted(msgspec.Struct, frozen=True):
    """What the endpoint says it charges for."""

    prompt_tokens: Count
    completion_tokens: Count = 0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one try brought, before it is judged."""

    text: str | None
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str
    model: str = ""
    usage: Counted | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None
    index: int = 0


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str


class _Body(msgspec.Struct):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    usage: Counted | None = None
    model: str | None = None


class _Delta(msgspec.Struct):
    delta: _Message
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Delta] = []
    usage: Counted | None = None
    model: str | None = None


def read(text: str) -> Answer:
    """An answer that came in one piece; raises `MalformedAnswer`.

    >>> read('{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}').text
    'Hi'
    """
    try:
        body = msgspec.json.decode(text, type=_Body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedAnswer(f"the answer is no chat completion: {error}", raw=text) from None
    choice = body.choices[0]
    return Answer(
        text=choice.message.content,
        refusal=choice.message.refusal,
        tool_calls=tuple(_tool_call(call) for call in choice.message.tool_calls or ()),
        finish=choice.finish_reason,
        model=body.model or "",
        usage=body.usage,
    )


class Pieces:
    """An answer that comes in pieces."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._finish = ""
        self._model = ""
        self._usage: Counted | None = None

    def add(self, data: Any) -> None:
        """Take the next chunk, parsed from JSON; raises `MalformedAnswer`."""
        try:
            chunk = msgspec.convert(data, type=_Chunk)
        except (msgspec.ValidationError, RecursionError) as error:
            raise MalformedAnswer(
                f"a piece is no chat completion: {error}", raw=str(data)
            ) from None
        self._model = chunk.model or self._model
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices[:1]:
            self._finish = choice.finish_reason or self._finish
            self._texts.append(choice.delta.content or "")
            self._refusals.append(choice.delta.refusal or "")
            for call in choice.delta.tool_calls or ():
                self._extend(call)

    def _extend(self, piece: _Call) -> None:
        call = self._calls.setdefault(piece.index, _Call(_Function("", ""), ""))
        call.id = piece.id or call.id
        call.function.name = piece.function.name or call.function.name
        call.function.arguments = (call.function.arguments or "") + (piece.function.arguments or "")

    def whole(self) -> Answer:
        """The answer, once the stream has ended; raises `ConnectionLost` when it ended early."""
        text = "".join(self._texts)
        if not self._finish:
            raise ConnectionLost("the stream ended before the answer did", raw=text)
        calls = tuple(_tool_call(self._calls[index]) for index in sorted(self._calls))
        return Answer(
            text=text or (None if calls else ""),
            refusal="".join(self._refusals) or None,
            tool_calls=calls,
            finish=self._finish,
            model=self._model,
            usage=self._usage,
        )


def usable(answer: Answer) -> Answer:
    """The answer, when it is one: `TruncatedAnswer`, `RefusedAnswer`, `MalformedAnswer` else."""
    text = answer.text or ""
    if answer.finish == "length":
        raise TruncatedAnswer(
            "the model stopped at its limit of tokens: raise max_tokens or shorten the prompt",
            raw=text,
        )
    if answer.refusal or answer.finish == "content_filter":
        raise RefusedAnswer("the model or its filter refused", raw=answer.refusal or text)
    if answer.finish not in ("stop", "tool_calls"):
        raise MalformedAnswer(f"unknown finish_reason {answer.finish!r:.50}", raw=text)
    if answer.text is None and not answer.tool_calls:
        raise MalformedAnswer("the answer holds neither text nor tool calls")
    return answer


def _tool_call(call: _Call) -> ToolCall:
    if not call.function.name:
        raise MalformedAnswer("a tool call names no function")
    return ToolCall(
        id=call.id or "", name=call.function.name, arguments=call.function.arguments or ""
    )
