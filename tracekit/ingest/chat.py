"""Messages of the chat APIs to steps: roles, names, tool requests and answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.parts import Content, as_text, read_call, read_calls, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.names import by_role
from tracekit.trace import Inputs, Message, Raw, StepKind, ToolCall

KNOWN = ("role", "content", "name", "tool_calls", "function_call", "tool_call_id", "tool_responses")
"""Members of a message that `add_message` reads."""


def is_message(item: Any) -> bool:
    """Whether a JSON value has the shape of a chat message."""
    return (
        isinstance(item, dict)
        and isinstance(item.get("role"), str)
        and not {"content", "tool_calls", "function_call", "parts"}.isdisjoint(item)
    )


def add_message(
    build: Builder,
    item: dict[str, Any],
    raw: Raw,
    *,
    who: str | None = None,
    kind: StepKind | None = None,
    extra: dict[str, Any] | None = None,
    **fields: Any,
) -> int:
    """Append a chat message as a step; returns its index.

    The speaker is `who`, or the message's `name`, or what its role stands for; the answer of a
    tool is spoken by `tool` and finds its request. System prompts get the kind `system`. Members
    that are not read here end up in `extra`.
    """
    role = by_role(item.get("role"))
    content = read_content(item.get("content"))
    if role == "tool" or item.get("tool_responses"):
        content, parent = _answers(build, item, content)
        fields.setdefault("parent", parent)
    asked = read_calls(item.get("tool_calls"))
    if isinstance(item.get("function_call"), dict):
        asked = (*asked, read_call(item["function_call"]))
    if kind is None and role == "system":
        kind = "system"
    names_the_tool = role == "tool" and not item.get("tool_responses")
    name = "" if names_the_tool else as_text(item.get("name")).strip()
    speaks = who or name or role or as_text(item.get("role")).strip() or None
    extra = rest(item, *KNOWN) | (extra or {})
    if name or who:
        extra["role"] = item.get("role")
    index = build.add(speaks, content, raw, kind=kind, tools=asked, extra=extra, **fields)
    if role is not None and speaks == role and role != "assistant":
        build.agent(role, role=role)
    return index


def first_question(build: Builder) -> str:
    """What the user first asked, empty when no user spoke."""
    return next((step.content for step in build.steps if step.agent == "user" and step.content), "")


def note_prompt(build: Builder, agent: str = "assistant") -> None:
    """The first system prompt of a log belongs to its assistant, when that one spoke."""
    prompt = next((step.content for step in build.steps if step.kind == "system"), None)
    if prompt and any(step.agent == agent for step in build.steps):
        build.agent(agent, system_prompt=prompt)


def _answers(build: Builder, item: dict[str, Any], content: Content) -> tuple[Content, int | None]:
    """The content of a tool's message with its answers joined to their requests, and the asker."""
    listed = item.get("tool_responses")
    answers = (
        [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []
    )
    calls = [_answer(build, part, read_content(part.get("content")).text) for part in answers]
    if not calls and not content.tools:
        calls = [_answer(build, item, content.text)]
    tools = tuple(_named(build, call) for call in (*content.tools, *calls))
    name = tools[0].name
    parent = None
    if tools[0].call_id is None and name:
        parent = next(
            (s.index for s in reversed(build.steps) if any(c.name == name for c in s.tools)), None
        )
    return msgspec.structs.replace(content, tools=tools), parent


def _answer(build: Builder, part: dict[str, Any], text: str) -> ToolCall:
    call_id = as_text(part.get("tool_call_id")) or None
    return _named(build, ToolCall(as_text(part.get("name")), result=text, call_id=call_id))


def _named(build: Builder, call: ToolCall) -> ToolCall:
    """An answer that does not say whose it is takes the name from its request."""
    request = build.asked(call.call_id)
    if call.name or request is None:
        return call
    return msgspec.structs.replace(call, name=request.name)


class Turn(msgspec.Struct, frozen=True):
    """What one agent said, with what it was given just before, in a list of its own."""

    number: int
    """Counts the agent's turns, from 0."""
    prompts: tuple[tuple[Raw, dict[str, Any]], ...]
    raw: Raw
    said: dict[str, Any]


def turns(
    source: OpenSource, messages: Any, pointer: str, line: int | None = None
) -> Iterator[Turn | Problem]:
    """The turns of an agent that keeps its own history: prompts from others, and its replies.

    Where every agent has such a list, only the replies happened once; prompts repeat what others
    said and belong to the reply that follows. A prompt without a reply is skipped with a reason.
    """
    waiting: list[tuple[Raw, dict[str, Any]]] = []
    number = 0
    listed = messages if isinstance(messages, list) else [messages]
    for raw, item in source.records(listed, pointer, line):
        if not is_message(item):
            yield source.problem(raw, "this is not a chat message")
        elif by_role(item["role"]) == "assistant":
            yield Turn(number, tuple(waiting), raw, item)
            waiting, number = [], number + 1
        else:
            waiting.append((raw, item))
    for raw, _ in waiting:
        yield source.skip(raw, "a prompt that was never answered")


def add_turn(build: Builder, who: str, turn: Turn, **fields: Any) -> int:
    """Append a reply as a step whose inputs are its prompts; a system prompt is the agent's."""
    given = tuple(
        Message(str(item["role"]), read_content(item.get("content")).text)
        for _, item in turn.prompts
    )
    index = add_message(
        build, turn.said, turn.raw, who=who, inputs=Inputs(messages=given), **fields
    )
    for raw, _ in turn.prompts:
        build.merge(index, raw)
    prompt = next((message.content for message in given if by_role(message.role) == "system"), None)
    build.agent(who, system_prompt=prompt)
    return index
