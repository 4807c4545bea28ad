"""LangGraph: thread states, state histories, streamed updates and bare LangChain messages.

A thread state is a `StateSnapshot`: `values.messages` holds the conversation so far. A history is
a list of them, newest first as `get_state_history` gives it; every message that a later state adds
or changes is a record. `stream_mode="updates"` gives one object per node that ran, whose name is
the agent. Messages come as `{type, content}`, as `{type, data}` (messages_to_dict) or as
`{lc, id, kwargs}` (dumps).
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
from tracekit.ingest.meters import read_instant, read_usage
from tracekit.ingest.parts import as_text
from tracekit.ingest.sources import OpenSource
from tracekit.names import by_role, handoff_target
from tracekit.trace import Outcome, Raw, Task, Time, ToolCall, Trace

_TYPES = rb'"type"\s*:\s*"(?:human|ai|AIMessageChunk|HumanMessageChunk)"'
_CLASSES = re.compile(r"^(?P<type>Human|AI|System|Tool|Function|Chat)Message(?:Chunk)?$")


class LangGraph:
    """Reads what LangGraph and LangChain leave of a conversation."""

    name: ClassVar[str] = "langgraph"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of states with LangGraph's own members, less of bare LangChain messages."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return 0.0
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
        slices = in_time([piece for document in found for piece in slices_of(document)])
        if slices:
            yield from Thread(source, found[0], slices).read()
        elif found:
            yield source.problem(None, "there is no list of messages in the state")


class Slice(msgspec.Struct, frozen=True):
    """The messages of one state, or of one node of a streamed update."""

    state: dict[str, Any]
    messages: list[Any]
    pointer: str
    """JSON pointer of the list of messages."""
    line: int | None = None
    node: str | None = None
    """The node that wrote them, for updates."""


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
        message = _plain(item)
        key = as_text(message.get("id")) if message else ""
        if not key and len(self.slices) > 1 and piece.node is None:
            key = f"{index}:{as_text(item)}"  # states without ids repeat by place and text
        if key in self.known and self.known[key][1] == item:
            return  # carried over from an earlier state
        prefix = "" if piece.line is None else f"{piece.line}:"
        raw = Raw(record=f"{prefix}{piece.pointer}/{index}", line=piece.line, index=index)
        self.source.see(raw.record)
        if message is None:
            yield self.source.problem(raw, "a message is not an object with a type")
        elif key in self.known:
            self.build.merge(self.known[key][0], raw, **_changed(self.source, message))
            self.known[key] = (self.known[key][0], item)
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
            targets = [_target(c) for c in _dicts(message.get("tool_calls"))]
            fields["to"] = next((target for target in targets if target), None)
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

    def _finish_call(self, index: int, message: dict[str, Any]) -> None:
        step = self.build.steps[index]
        refused = tuple(
            ToolCall(
                name=as_text(call.get("name")),
                arguments=call.get("args"),
                error=as_text(call.get("error")) or "the arguments could not be parsed",
                call_id=as_text(call.get("id")) or None,
            )
            for call in _dicts(message.get("invalid_tool_calls"))
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
    if isinstance(value, list) and any(_plain(item) is not None for item in value):
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
                yield Slice(state, update[1], f"{where}/{node}{update[0]}", line, node)


def _messages(state: Any) -> tuple[str, list[Any]] | None:
    """Pointer and messages of a state: under `values`, under a checkpoint, or under itself."""
    for path in (("values",), ("checkpoint", "channel_values"), ("channel_values",), ()):
        inner: Any = state
        for key in path:
            inner = inner.get(key) if isinstance(inner, dict) else None
        found = inner.get("messages") if isinstance(inner, dict) else None
        found = [found] if isinstance(found, dict) else found
        if isinstance(found, list) and (path or any(_plain(item) for item in found)):
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


def _plain(item: Any) -> dict[str, Any] | None:
    """A message in any of the three layouts as `{role, content, …}`, None for what is none."""
    if not isinstance(item, dict):
        return None
    inner = item.get("kwargs")
    if isinstance(item.get("id"), list) and isinstance(inner, dict):
        found = _CLASSES.match(as_text(item["id"][-1] if item["id"] else ""))
        return inner | {"role": inner.get("type") or found["type"].lower()} if found else None
    kind = item.get("type")
    if not isinstance(kind, str):
        return None
    found = _CLASSES.match(kind)
    role = found["type"].lower() if found else kind
    data = item.get("data")
    if isinstance(data, dict):
        return {**data, "role": role}
    if by_role(role) is None and role not in ("chat", "remove"):
        return None
    return item | {"role": role} if "content" in item else None


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


def _changed(source: OpenSource, message: dict[str, Any]) -> dict[str, Any]:
    """What a later version of a message says instead."""
    trial = Builder(source, LangGraph.name)
    add_message(trial, _known(message), Raw(record=0))
    step = trial.steps[0]
    return {"content": step.content, "tools": step.tools, "media": step.media}


def _reasoning(message: dict[str, Any]) -> str:
    more = message.get("additional_kwargs")
    return as_text(more.get("reasoning_content")) if isinstance(more, dict) else ""


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


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
    for task in _dicts(state.get("tasks")):
        if task.get("error"):
            return Outcome("failure", answer, reason=as_text(task["error"]), by="tasks.error")
    if state.get("status") == "error":
        return Outcome("failure", answer, reason=as_text(state.get("error")) or None, by="status")
    return Outcome(answer=answer)
