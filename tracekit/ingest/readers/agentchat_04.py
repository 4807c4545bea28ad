"""AutoGen AgentChat 0.4 and later: message lists, task results, and saved states of teams.

A team's state holds the thread of its manager and, for every agent, the context its model saw and
the messages it has yet to see: copies, which are merged into the step of the thread they repeat.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import Document, documents
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import Content, as_text, read_calls, read_content
from tracekit.ingest.peek import peek
from tracekit.ingest.sources import OpenSource
from tracekit.names import folded, speaker
from tracekit.trace import Outcome, Raw, StepKind, Task, ToolCall, Trace

_KNOWN = ("source", "content", "models_usage", "created_at", "type", "target", "thought")
KINDS: dict[str, StepKind] = {
    "SystemMessage": "system", "ThoughtEvent": "thought", "HandoffMessage": "handoff",
    "SelectSpeakerEvent": "handoff", "StopMessage": "final",
}  # fmt: skip
"""Kinds of the steps whose type tells more than who speaks."""
_STATES = frozenset({"agent_states", "llm_context", "message_thread"})
_LISTS = ("message_thread", "messages", "message_buffer")


class AgentChat04:
    """Reads message dumps and states of AgentChat teams and agents."""

    name: ClassVar[str] = "autogen-agentchat-04"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of typed messages and states; older dumps have only `source` and `content`."""
        value = peek(head)
        keys = value.keys() & _STATES if isinstance(value, dict) else ()
        if keys and as_text(value.get("type")).endswith("State"):
            return 0.95
        items = value.get("messages") if isinstance(value, dict) else value
        whole = items[:-1] or items if isinstance(items, list) else []  # the last may be cut off
        sure = min(map(_surely_message, whole[:5]), default=0.0)
        return max(sure, _surely_message(value))

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per document; messages one a line are one run."""
        loose: list[tuple[Raw, Any]] = []
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
            elif document.line is not None and _surely_message(document.value):
                loose.append((Raw(record=document.line, line=document.line), document.value))
            else:
                yield from _document(source, self.name, document)
        if loose:
            build = Builder(source, self.name, framework="autogen")
            yield from _thread(build, loose)
            yield _finish(build, source.default_id(), {})


def _surely_message(item: Any) -> float:
    if not isinstance(item, dict) or not isinstance(item.get("source"), str):
        return 0.0
    typed = _type(item).endswith(("Message", "Event"))
    if typed and ("content" in item or "models_usage" in item):
        return 0.9 if "models_usage" in item or "created_at" in item else 0.8
    if item.keys() >= {"source", "content", "models_usage"}:
        return 0.7  # a long text hides the type
    return 0.6 if item.keys() == {"source", "content"} else 0.0


def _type(item: dict[str, Any]) -> str:
    """The type of a message without its parameter: `StructuredMessage[Plan]`."""
    return as_text(item.get("type")).partition("[")[0]


def _document(source: OpenSource, format: str, document: Document) -> Iterator[Trace | Problem]:
    """A list, a task result or a state; the longest thread gives the steps."""
    found = dict(_lists(document.value, ""))
    threads = [pointer for pointer in found if pointer.endswith("/message_thread")]
    state = document.value if isinstance(document.value, dict) else {}
    if not found and any(isinstance(state.get(key), dict) for key in _STATES):
        yield source.skip_file("the state was saved before anybody spoke", line=document.line)
        return
    if not found:
        yield source.problem(None, "there is no list of messages", line=document.line)
        return
    main = min(threads or found, key=lambda pointer: (_depth(pointer), -len(found[pointer])))
    build = Builder(
        source, format, framework="autogen", version=as_text(state.get("version")) or None
    )
    yield from _thread(build, source.records(found.pop(main), main, document.line))
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for step in build.steps:
        places[step.agent, step.content].append(step.index)
    for pointer, copies in found.items():
        yield from _copies(build, places, source.records(copies, pointer, document.line))
    _team(build, state)
    yield _finish(build, document.id(source), state)


def _depth(pointer: str) -> int:
    """How many teams a thread is inside: an agent may be a team of its own."""
    return pointer.count("/agent_states/")


def _lists(node: Any, pointer: str) -> Iterator[tuple[str, list[Any]]]:
    """Every list of messages in a state, with its pointer."""
    if isinstance(node, list):
        first = node[0] if node else None
        if isinstance(first, dict) and ("content" in first or _surely_message(first)):
            yield pointer, node
        return
    if isinstance(node, dict):
        for key, child in node.items():
            if isinstance(child, dict) or key in _LISTS:
                yield from _lists(child, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")


def _thread(build: Builder, items: Any) -> Iterator[Problem]:
    listed = list(items)
    whole = {as_text(i.get("source")) for _, i in listed if isinstance(i, dict) and not _piece(i)}
    for raw, item in listed:
        if not isinstance(item, dict):
            yield build.source.problem(raw, "a message is not an object")
        elif _piece(item) and as_text(item.get("source")) in whole:
            yield build.source.skip(raw, "a streamed piece of a message that is logged whole")
        else:
            _add(build, raw, item)


def _piece(item: dict[str, Any]) -> bool:
    return item.get("type") == "ModelClientStreamingChunkEvent"


def _add(build: Builder, raw: Raw, item: dict[str, Any]) -> None:
    kind = as_text(item.get("type"))
    content = _content(build, item, kind)
    extra = rest(item, *_KNOWN) | ({"type": kind} if kind else {})
    if item.get("thought"):
        extra["thought"] = item["thought"]
    system = kind == "SystemMessage"
    who = as_text(item.get("source")) or ("system" if system else None)
    usage = item.get("models_usage")
    build.add(
        who,
        content,
        raw,
        kind=KINDS.get(kind),
        to=as_text(item.get("target")) or None,
        usage=read_usage(usage),
        time=read_time(None, item.get("created_at")),
        extra=extra,
    )


def _content(build: Builder, item: dict[str, Any], kind: str) -> Content:
    """Text, calls, or results; only the type of the message tells lists of them apart."""
    content = item.get("content")
    ran = item.get("result")
    if content is None and isinstance(ran, dict):  # CodeExecutionEvent
        content = ran.get("output")
    listed = content if isinstance(content, list) else []
    if kind in (
        "ToolCallExecutionEvent",
        "ToolCallResultMessage",
        "FunctionExecutionResultMessage",
    ):
        tools = tuple(_result(build, part) for part in listed if isinstance(part, dict))
        return Content("\n".join(tool.result or "" for tool in tools), tools=tools)
    if listed and all(isinstance(p, dict) and {"name", "arguments"} <= p.keys() for p in listed):
        return Content(tools=read_calls(listed))
    if listed:
        return read_content([_part(part) for part in listed])
    return read_content(content) if not isinstance(content, dict) else Content(as_text(content))


def _part(part: Any) -> Any:
    """An image is dumped as its base64 `data` alone."""
    if isinstance(part, dict) and isinstance(part.get("data"), str) and "type" not in part:
        return {"type": "image", **part}
    return part


def _result(build: Builder, part: dict[str, Any]) -> ToolCall:
    call_id = as_text(part.get("call_id")) or None
    request = build.asked(call_id)
    text = as_text(part.get("content"))
    return ToolCall(
        name=as_text(part.get("name")) or (request.name if request else ""),
        result=text,
        error=text if part.get("is_error") else None,
        call_id=call_id,
    )


def _copies(
    build: Builder, places: dict[tuple[str, str], list[int]], items: Iterator[tuple[Raw, Any]]
) -> Iterator[Problem]:
    """What an agent has in its own context: copies of steps, in their order."""
    after = -1
    for raw, item in items:
        if not isinstance(item, dict):
            yield build.source.problem(raw, "a message is not an object")
            continue
        who = speaker(as_text(item.get("source"))).name
        text = _content(build, item, as_text(item.get("type"))).text
        found = places.get((who, text), ())
        index = next((i for i in found if i > after), found[-1] if found else None)
        if index is None:
            yield build.source.skip(raw, "only in an agent's own context; kept in `extra`")
            build.agent(who)
            continue
        build.merge(index, raw)
        after = index


def _team(build: Builder, state: dict[str, Any]) -> None:
    """Agents of a team that never spoke, and the manager's place above them."""
    states = state.get("agent_states")
    names = [speaker(str(name)).name for name in states] if isinstance(states, dict) else []
    for name in names:
        manages = folded(name).endswith(("groupchatmanager", "graphmanager"))
        if not manages and name != "collect_output_messages":
            build.agent(name)
    if any(step.agent == "user" for step in build.steps):
        build.agent("user", role="user")


def _finish(build: Builder, id: str, state: dict[str, Any]) -> Trace:
    user = next((s.content for s in build.steps if s.agent == "user" and s.content), "")
    said = [s.content for s in build.steps if s.agent not in ("user", "system") and s.content]
    asked = next((t for t in _values(state, "task") if isinstance(t, str) and t), "")
    outcome = Outcome(
        answer=said[-1] if said else None, reason=as_text(state.get("stop_reason")) or None
    )
    extra = _without_copies(state, build)
    task = Task(question=asked or user)
    return build.trace(id, task=task, outcome=outcome, extra=extra, sha256=build.source.sha256)


def _values(node: Any, key: str) -> Iterator[Any]:
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        for child in node.values():
            yield from _values(child, key)


def _without_copies(node: dict[str, Any], build: Builder) -> dict[str, Any]:
    """A state without the messages that became steps; those that did not are kept."""
    texts = {step.content for step in build.steps}
    kept: dict[str, Any] = {}
    for key, child in node.items():
        if isinstance(child, dict):
            kept[key] = _without_copies(child, build)
        elif key in _LISTS and isinstance(child, list):
            strange = [
                m
                for m in child
                if not isinstance(m, dict) or as_text(m.get("content")) not in texts
            ]
            kept |= {key: strange} if strange else {}
        else:
            kept[key] = child
    return kept
