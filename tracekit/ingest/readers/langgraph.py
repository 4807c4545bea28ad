"""LangGraph: thread states, state histories, streamed updates and bare LangChain messages.

A thread state is a `StateSnapshot`: `values.messages` holds the conversation so far. A history is
a list of them, newest first as `get_state_history` gives it; every message that a later state adds
or changes is a record. `stream_mode="updates"` gives one object per node that ran, whose name is
the agent. Messages come as `{type, content}`, as `{type, data}` (messages_to_dict) or as
`{lc, id, kwargs}` (dumps). `stream_mode="messages"` gives pairs of a piece of a message and its
metadata; pieces of one id are one step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import add_message
from tracekit.ingest.documents import Document, documents
from tracekit.ingest.langchain_messages import grown_message, objects, plain_message
from tracekit.ingest.langgraph_events import is_event, read_events
from tracekit.ingest.meters import read_instant, read_usage
from tracekit.ingest.parts import as_text
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.agents import graph_node
from tracekit.names import by_role, handoff_target
from tracekit.trace import Outcome, Raw, Task, Time, ToolCall, Trace

_TYPES = rb'"type"\s*:\s*"(?:human|ai|AIMessageChunk|HumanMessageChunk)"'
_EVENT = rb'"event"\s*:\s*"on_(?:chain|chat_model|llm|tool)_(?:start|stream|end)"'


class LangGraph:
    """Reads what LangGraph and LangChain leave of a conversation."""

    name: ClassVar[str] = "langgraph"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of states with LangGraph's own members, less of bare LangChain messages."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return 0.0
        if b'"run_id"' in head and re.search(_EVENT, head):
            return 0.9
        typed = re.search(_TYPES, head) is not None
        serialised = b'"lc"' in head and re.search(rb'"(?:Human|AI)Message(?:Chunk)?"', head)
        if not typed and not serialised:
            return 0.0
        marks = (b'"checkpoint', b'"langgraph', b'"parent_checkpoint"', b'"next"', b'"tasks"')
        if b'"values"' in head and b'"messages"' in head:
            return 0.95 if any(mark in head for mark in marks) else 0.8
        if typed and re.search(rb'"(?:additional_kwargs|response_metadata|lc_run|data)"', head):
            return 0.7
        return 0.6 if serialised else 0.3

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file: its states or updates, in one document or in lines, are a thread."""
        found: list[Document] = []
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
            else:
                found.append(document)
        if any(is_event(item) for document in found[:1] for item in _items(document.value)):
            yield from read_events(source, self.name, found)
            return
        slices = in_time([piece for document in found for piece in slices_of(document)])
        if slices:
            yield from Thread(source, found[0], slices).read()
        elif found:
            yield source.problem(None, "there is no list of messages in the state")


def _items(value: Any) -> list[Any]:
    return value[:3] if isinstance(value, list) else [value]


class Slice(msgspec.Struct, frozen=True):
    """The messages of one state, or of one node of a streamed update."""

    state: dict[str, Any]
    messages: list[Any]
    pointer: str
    """JSON pointer of the list of messages."""
    line: int | None = None
    node: str | None = None
    """The node that wrote them, for updates."""
    pieces: bool = False
    """Whether the messages come in pieces, each to be put to those of the same id."""


class Thread:
    """The reading of one thread."""

    def __init__(self, source: OpenSource, document: Document, slices: list[Slice]) -> None:
        self.source, self.document, self.slices = source, document, slices
        self.last = slices[-1].state
        meta = self.last.get("metadata")
        self.metadata: dict[str, Any] = meta if isinstance(meta, dict) else {}
        version = as_text(self.metadata.get("langgraph_version")) or None
        self.build = Builder(source, LangGraph.name, framework="langgraph", version=version)
        graph = self.metadata.get("graph_id")
        self.graph = graph if isinstance(graph, str) and graph else None
        self.known: dict[str, tuple[int, Any]] = {}

    def read(self) -> Iterator[Trace | Problem]:
        """The trace, and a problem for every item that is no message."""
        for piece in self.slices:
            for index, item in enumerate(piece.messages):
                yield from self._message(piece, index, item)
        yield self._trace()

    def _message(self, piece: Slice, index: int, item: Any) -> Iterator[Problem]:
        message = plain_message(item)
        key = as_text(message.get("id")) if message else ""
        if not key and len(self.slices) > 1 and piece.node is None:
            key = f"{index}:{as_text(item)}"  # states without ids repeat by place and text
        if key in self.known and self.known[key][1] == item and not piece.pieces:
            return  # carried over from an earlier state
        prefix = "" if piece.line is None else f"{piece.line}:"
        raw = Raw(record=f"{prefix}{piece.pointer}/{index}", line=piece.line, index=index)
        self.source.see(raw.record)
        if message is None:
            yield self.source.problem(raw, "a message is not an object with a type")
        elif message["role"] == "remove":
            yield self.source.skip(raw, "takes a message out of the state")
        elif key in self.known:
            if piece.pieces:
                message = item = grown_message(self.known[key][1], message)
            self.known[key] = (self.known[key][0], item)
            self._change(self.known[key][0], raw, message)
        else:
            when = read_instant(piece.state.get("created_at")) if len(self.slices) > 1 else None
            step = self._step(message, raw, piece.node, when)
            if key:
                self.known[key] = (step, item)

    def _step(self, message: dict[str, Any], raw: Raw, node: str | None, when: float | None) -> int:
        role = by_role(message["role"])
        who = None
        fields: dict[str, Any] = {}
        if role == "assistant":
            who = as_text(message.get("name")) or node or self.graph
        meta = message.get("response_metadata")
        meta = meta if isinstance(meta, dict) else {}
        model = meta.get("model_name") or meta.get("model")
        if role == "assistant":
            fields["usage"] = read_usage(message.get("usage_metadata") or None, model)
            fields["to"] = _addressed(message)
        if when is not None:
            fields["time"] = Time(start=when)
        step = add_message(
            self.build, _known(message), raw, who=who, extra=_extra(message), **fields
        )
        if role == "assistant":
            self._finish_call(step, message)
        elif role == "tool":
            self._finish_answer(step, message)
        return step

    def _change(self, index: int, raw: Raw, message: dict[str, Any]) -> None:
        """Take over what a later version of a message, or a further piece of it, says."""
        trial = Builder(self.source, LangGraph.name)
        add_message(trial, _known(message), raw)
        said = trial.steps[0]
        changes = {"content": said.content, "media": said.media}
        if by_role(message["role"]) != "assistant":
            tools = tuple(
                msgspec.structs.replace(call, name=call.name or known.name)
                for call, known in zip(said.tools, self.build.steps[index].tools, strict=False)
            )
            self.build.merge(index, raw, tools=tools, **changes)
            return
        target = _addressed(message)
        to = self.build.agent(target) if target else None
        self.build.merge(index, raw, tools=said.tools, kind=said.kind, to=to, **changes)
        self._finish_call(index, message)

    def _finish_call(self, index: int, message: dict[str, Any]) -> None:
        step = self.build.steps[index]
        refused = tuple(
            ToolCall(
                name=as_text(call.get("name")),
                arguments=call.get("args"),
                error=as_text(call.get("error")) or "the arguments could not be parsed",
                call_id=as_text(call.get("id")) or None,
            )
            for call in objects(message.get("invalid_tool_calls"))
        )
        changes: dict[str, Any] = {}
        if refused:
            changes |= {"tools": (*step.tools, *refused), "kind": "tool_call"}
        thought = _reasoning(message)
        if thought and not step.content and not step.tools and not refused:
            changes |= {"content": thought, "kind": "thought"}
        elif any(handoff_target(call.name) for call in step.tools):
            changes["kind"] = "handoff"
        for call in step.tools:
            if call.name == "task" and step.to:
                self.build.agent(step.to, parent=step.agent)
        self.build.steps[index] = msgspec.structs.replace(step, **changes)

    def _finish_answer(self, index: int, message: dict[str, Any]) -> None:
        step = self.build.steps[index]
        if message.get("status") == "error" and step.tools:
            first = msgspec.structs.replace(step.tools[0], error=step.content or "error")
            self.build.steps[index] = msgspec.structs.replace(step, tools=(first, *step.tools[1:]))

    def _trace(self) -> Trace:
        build, last = self.build, self.last
        question = next((s.content for s in build.steps if s.agent == "user" and s.content), "")
        thread = _thread_id(last, self.metadata)
        extra = rest(last, "values", "messages")
        if isinstance(last.get("values"), dict):
            extra["values"] = rest(last["values"], "messages")
        return build.trace(
            thread or self.document.id(self.source),
            task=Task(question=question),
            outcome=_outcome(last, build),
            extra=extra,
            sha256=self.source.sha256,
        )


def slices_of(document: Document) -> Iterator[Slice]:
    """The states and updates of a document, in its order."""
    value, line = document.value, document.line
    space: list[str] = []
    if _is_streamed(value):
        node = graph_node(value[1])
        yield Slice({}, value[:1], "", line, node, pieces=True)
        return
    if _is_subgraph(value):
        space = value[0]
    if isinstance(value, list) and any(plain_message(item) is not None for item in value):
        yield Slice({}, value, "", line)
        return
    states = enumerate(value) if isinstance(value, list) else [(None, value)]
    for index, state in states:
        if not isinstance(state, dict):
            continue
        where = "" if index is None else f"/{index}"
        found = _messages(state)
        if found is not None:
            yield Slice(state, found[1], where + found[0], line)
            continue
        for node, inner in state.items():
            update = _messages(inner)
            if update is not None:
                place = "|".join([*space, node])
                writer = graph_node({"langgraph_node": node, "checkpoint_ns": place}) or node
                yield Slice(state, update[1], f"{where}/{node}{update[0]}", line, writer)


def _is_streamed(value: Any) -> bool:
    """A piece of a message and its metadata, as `stream_mode="messages"` gives them."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], dict):
        return False
    return "langgraph_node" in value[1] and plain_message(value[0]) is not None


def _is_subgraph(value: Any) -> bool:
    """The place of a subgraph and what it gives, as `subgraphs=True` streams them."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], dict):
        return False
    return isinstance(value[0], list) and all(isinstance(part, str) for part in value[0])


def _messages(state: Any) -> tuple[str, list[Any]] | None:
    """Pointer and messages of a state: under `values`, under a checkpoint, or under itself."""
    for path in (("values",), ("checkpoint", "channel_values"), ("channel_values",), ()):
        inner: Any = state
        for key in path:
            inner = inner.get(key) if isinstance(inner, dict) else None
        found = inner.get("messages") if isinstance(inner, dict) else None
        found = [found] if isinstance(found, dict) else found
        if isinstance(found, list) and (path or any(plain_message(item) for item in found)):
            return "".join(f"/{key}" for key in (*path, "messages")), found
    return None


def in_time(slices: list[Slice]) -> list[Slice]:
    """Oldest first: a history is given newest first."""
    ages = [_age(piece) for piece in slices]
    if len(slices) > 1 and ages[0] is not None and ages[-1] is not None and ages[0] > ages[-1]:
        return slices[::-1]
    return slices


def _age(piece: Slice) -> float | None:
    if piece.node is not None:
        return None
    meta = piece.state.get("metadata")
    step = meta.get("step") if isinstance(meta, dict) else None
    if isinstance(step, int):
        return float(step)
    return read_instant(piece.state.get("created_at")) or float(len(piece.messages))


_READ = (
    "role", "type", "content", "name", "tool_calls", "tool_call_id", "usage_metadata",
    "invalid_tool_calls",
)  # fmt: skip


def _known(message: dict[str, Any]) -> dict[str, Any]:
    """The members that make the step."""
    return {key: message[key] for key in ("role", "content", "name", "tool_calls", "tool_call_id")
            if key in message}  # fmt: skip


def _extra(message: dict[str, Any]) -> dict[str, Any]:
    left = rest(message, *_READ)
    return {key: value for key, value in left.items() if value not in (None, {}, [], "")}


def _reasoning(message: dict[str, Any]) -> str:
    more = message.get("additional_kwargs")
    return as_text(more.get("reasoning_content")) if isinstance(more, dict) else ""


def _addressed(message: dict[str, Any]) -> str | None:
    """The first agent that the calls of a message hand over to."""
    targets = [_target(call) for call in objects(message.get("tool_calls"))]
    return next((target for target in targets if target), None)


def _target(call: dict[str, Any]) -> str | None:
    """The agent that a call hands over to: by its name, or the sub-agent that a task is for."""
    name, args = as_text(call.get("name")), call.get("args")
    if name == "task" and isinstance(args, dict):
        return as_text(args.get("subagent_type")) or None
    return handoff_target(name)


def _thread_id(state: dict[str, Any], metadata: dict[str, Any]) -> str:
    config = state.get("config")
    inner = config.get("configurable") if isinstance(config, dict) else None
    for place in (state.get("checkpoint"), metadata, inner, state):
        if isinstance(place, dict) and isinstance(place.get("thread_id"), str):
            return str(place["thread_id"])
    return ""


def _outcome(state: dict[str, Any], build: Builder) -> Outcome:
    """The last word of a model is the answer; an error of a task or the thread is a failure."""
    answer = next(
        (
            step.content
            for step in reversed(build.steps)
            if step.content and not step.tools and step.agent not in ("user", "system", "tool")
        ),
        None,
    )
    for task in objects(state.get("tasks")):
        if task.get("error"):
            return Outcome("failure", answer, reason=as_text(task["error"]), by="tasks.error")
    if state.get("status") == "error":
        return Outcome("failure", answer, reason=as_text(state.get("error")) or None, by="status")
    return Outcome(answer=answer)
