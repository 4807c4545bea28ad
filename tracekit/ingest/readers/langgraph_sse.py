"""LangGraph runs as server-sent events: recorded replays, and streams of the LangGraph API.

A replay (deer-flow) sends pieces of messages, `{agent, id, role, content, …}`; pieces of one id
are one step, wherever others come between. A stream of the API sends states (`values`) or node
updates (`updates`), which read like a thread. A record is an event, keyed by its line of data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder
from tracekit.ingest.decode import decode_json
from tracekit.ingest.documents import Document
from tracekit.ingest.parts import as_text, maybe_json, read_content
from tracekit.ingest.readers.langgraph import Slice, Thread, in_time, slices_of
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.agents import graph_node
from tracekit.ingest.textlog import log_lines
from tracekit.names import handoff_target
from tracekit.trace import Outcome, Raw, StepKind, Task, ToolCall, Trace

_EVENTS = (
    rb"^event:\s*(?:message_chunk|tool_calls|tool_call_chunks|tool_call_result|values|updates"
    rb"|messages(?:/(?:partial|complete|metadata))?)\b"
)


class _Event(msgspec.Struct, frozen=True):
    raw: Raw
    kind: str
    data: Any


class LangGraphSse:
    """Reads event streams of LangGraph."""

    name: ClassVar[str] = "langgraph-sse"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of the event names with JSON data behind them."""
        found = re.search(_EVENTS, head, re.MULTILINE)
        if found is None or re.search(rb"^data:\s*[\[{]", head, re.MULTILINE) is None:
            return 0.0
        marks = (b'"thread_id"', b'"messages"', b'"langgraph_node"', b'"run_id"', b'"langgraph')
        return 0.95 if any(mark in head for mark in marks) else 0.6

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per thread of a replay, or one per stream."""
        events: list[_Event] = []
        for event in _events(source):
            if isinstance(event, Problem):
                yield event
            else:
                events.append(event)
        if any(_mode(event) in _TOLD for event in events):
            yield from _stream(source, events)
            return
        threads: dict[str, _Replay] = {}
        for event in events:
            if not isinstance(event.data, dict) or not event.data.get("id"):
                yield source.skip(event.raw, f"{event.kind[:40]}: a piece of no message")
                continue
            id = as_text(event.data.get("thread_id"))
            threads.setdefault(id, _Replay(source, id)).add(event)
        for replay in threads.values():
            yield from replay.trace()
        if not events:
            yield source.problem(None, "there is no event with JSON data")


def _events(source: OpenSource) -> Iterator[_Event | Problem]:
    """The events of the stream; the lines of data of one event belong together."""
    kind, at = "message", None
    data: list[str] = []
    end = Raw(record=0)
    for raw, line in chain(log_lines(source), [(end, "")]):
        field, _, value = line.partition(":")
        if field == "event":
            kind = value.strip()
        elif field == "data":
            at = at or raw
            data.append(value.removeprefix(" "))
        elif not line.strip() and at is not None:
            source.see(at.record)
            yield _event(source, at, kind, "\n".join(data))
            kind, data, at = "message", [], None


def _event(source: OpenSource, at: Raw, kind: str, data: str) -> _Event | Problem:
    try:
        return _Event(at, kind, decode_json(data.encode(), source.limits.depth))
    except ValueError as error:
        return source.problem(at, f"the data of an event is not JSON: {error}")


_TOLD = ("values", "updates", "messages", "messages/partial", "messages/complete")
"""Modes whose events hold messages."""


def _mode(event: _Event) -> str:
    return event.kind.partition("|")[0]


def _stream(source: OpenSource, events: list[_Event]) -> Iterator[Trace | Problem]:
    """The thread behind the states, updates or messages of a stream."""
    pieces: list[Slice] = []
    nodes: dict[str, str | None] = {}
    for event in events:
        if event.kind == "messages/metadata" and isinstance(event.data, dict):
            for id, told in event.data.items():
                inner = told.get("metadata") if isinstance(told, dict) else None
                nodes[id] = graph_node(inner) if isinstance(inner, dict) else None
        elif _mode(event) in _TOLD:
            pieces.extend(_pieces(event, nodes))
        yield source.skip(event.raw, f"{event.kind[:40]}: its messages are the records")
    if pieces:
        yield from Thread(source, Document(None), in_time(pieces)).read()


def _pieces(event: _Event, nodes: dict[str, str | None]) -> Iterator[Slice]:
    """The messages of one event, with the node that wrote them where an event before told it."""
    space = [part for part in event.kind.split("|")[1:] if part]
    data = [space, event.data] if space and isinstance(event.data, dict) else event.data
    for piece in slices_of(Document(data, event.raw.line)):
        first = piece.messages[0] if piece.messages else None
        id = as_text(first.get("id")) if isinstance(first, dict) else ""
        if "/" in event.kind and len(piece.messages) == 1 and id in nodes:
            piece = msgspec.structs.replace(piece, node=nodes[id])
        yield piece


class _Piecewise:
    """A message under way."""

    def __init__(self) -> None:
        self.raws: list[Raw] = []
        self.agent = ""
        self.role = ""
        self.content: list[str] = []
        self.thoughts: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.arguments: dict[int, str] = {}
        self.answers: str | None = None
        self.finish = ""
        self.interrupt: Any = None


class _Replay:
    """The messages of one thread."""

    def __init__(self, source: OpenSource, id: str) -> None:
        self.source, self.id = source, id
        self.messages: dict[str, _Piecewise] = {}

    def add(self, event: _Event) -> None:
        """One piece of a message."""
        data = event.data
        message = self.messages.setdefault(as_text(data["id"]), _Piecewise())
        message.raws.append(event.raw)
        message.agent = message.agent or as_text(data.get("agent"))
        message.role = message.role or as_text(data.get("role"))
        message.finish = as_text(data.get("finish_reason")) or message.finish
        message.content.append(read_content(data.get("content")).text)
        message.thoughts.append(as_text(data.get("reasoning_content")))
        if event.kind == "tool_call_result":
            message.answers = as_text(data.get("tool_call_id"))
        elif event.kind == "interrupt":
            message.interrupt = data.get("options") or True
        for call in _dicts(data.get("tool_calls")):
            if call.get("name"):
                message.calls.append(call)
        for chunk in _dicts(data.get("tool_call_chunks")):
            index = chunk.get("index")
            place = index if isinstance(index, int) else max(len(message.calls) - 1, 0)
            given = message.arguments.get(place, "")
            message.arguments[place] = given + as_text(chunk.get("args"))

    def trace(self) -> Iterator[Trace | Problem]:
        """The trace, and the messages that never said anything."""
        build = Builder(self.source, LangGraphSse.name, framework="langgraph")
        for message in self.messages.values():
            text, thought = "".join(message.content), "".join(message.thoughts)
            if not (text or thought or message.calls or message.answers is not None):
                for raw in message.raws:
                    yield self.source.skip(raw, "a message without content")
                continue
            self._step(build, message, text, thought)
        said = [s for s in build.steps if s.kind == "message" and s.agent != "user" and s.content]
        yield build.trace(
            self.id or self.source.default_id(),
            task=Task(question=next((s.content for s in build.steps if s.agent == "user"), "")),
            outcome=Outcome(answer=said[-1].content if said else None),
            sha256=self.source.sha256,
        )

    def _step(self, build: Builder, message: _Piecewise, text: str, thought: str) -> None:
        tools: tuple[ToolCall, ...] = tuple(
            ToolCall(
                as_text(call["name"]),
                arguments=_arguments(call, message.arguments.get(index, "")),
                call_id=as_text(call.get("id")) or None,
            )
            for index, call in enumerate(message.calls)
        )
        kind: StepKind | None = None
        parent = None
        target = next((to for call in tools if (to := handoff_target(call.name))), None)
        if message.answers is not None:
            asked = build.asked(message.answers)
            parent = None if asked else _asker(build)
            if asked is None and parent is not None:
                asked = build.steps[parent].tool
            name = asked.name if asked else ""
            tools = (ToolCall(name, result=text, call_id=message.answers or None),)
            kind = "tool_result"
        elif target:
            kind = "handoff"
        elif not text and not tools:
            text, thought, kind = thought, "", "thought"
        extra = {"reasoning_content": thought, "finish_reason": message.finish}
        extra |= {"interrupt": message.interrupt}
        who = "user" if message.role == "user" else message.agent or message.role or None
        build.add(
            who,
            text,
            message.raws,
            kind=kind,
            to=target,
            parent=parent,
            tools=tools,
            extra={key: value for key, value in extra.items() if value},
        )
        if who == "user":
            build.agent("user", role="user")


def _arguments(call: dict[str, Any], pieces: str) -> Any:
    """The arguments put together from their pieces, when these are whole; else as first given."""
    whole = maybe_json(pieces)
    return whole if isinstance(whole, dict) else pieces or call.get("args")


def _asker(build: Builder) -> int | None:
    """The last step whose call has not been answered, for answers without an id."""
    answered = {step.parent for step in build.steps if step.kind == "tool_result"}
    return next(
        (
            step.index
            for step in reversed(build.steps)
            if step.kind == "tool_call" and step.index not in answered
        ),
        None,
    )


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
