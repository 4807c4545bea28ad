"""Calls of the OpenAI Responses API, and lists of its items as the Agents SDK keeps them.

A log of a call holds the request's `input` and the response's `output`; a batch wraps the response
in a `body`, and a response may lie alone. Calls that name the one before them by
`previous_response_id` are one run, in whatever order they lie; where several go on from one call,
each is the run that it saw, with what they share repeated. Where every call repeats what came
before, each is a trace of its own, as with `openai-chat-messages`. Items one a line, or in a list,
are one conversation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import add_message, first_question, is_message
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text, maybe_json, read_call, read_content
from tracekit.ingest.peek import peek
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, Task, ToolCall, Trace

LOOKED = 40
"""Items that are looked at to tell the format."""
REPEATED = 2**22
"""Characters of calls that are repeated at most in a file, for runs that branch off others."""
_TYPES = frozenset({"function_call", "function_call_output", "reasoning", "item_reference"})
_PARTS = frozenset({"input_text", "output_text"})
_ARGUMENTS = ("arguments", "input", "action", "code", "queries", "operation")
_RESULTS = ("output", "results", "outputs", "result", "error", "tools")
_READ = ("input", "output", "instructions")


class OpenAIResponses:
    """Reads calls of the Responses API and conversations made of its items."""

    name: ClassVar[str] = "openai-responses"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of responses; items are known by their types, or by the types of their parts."""
        value = peek(head)
        items = value[:LOOKED] if isinstance(value, list) else [value]
        if any(_call(item) is not None for item in items[:1]):
            return 0.9
        if is_message(value) and b'"call_id"' in head:  # items one a line begin with a message
            items += map(peek, head.split(b"\n", LOOKED)[1:LOOKED])
        return 0.75 if any(_is_item(item) for item in items) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per chain of calls or conversation."""
        links: list[_Link] = []
        loose: _Run | None = None
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
                continue
            value, line = document.value, document.line
            if line is not None and _call(value) is None and isinstance(value, dict):
                source.see(line)
                loose = loose or _Run(source, self.name, source.default_id())
                yield from loose.items([(Raw(record=line, line=line), value)])
                continue
            several = isinstance(value, list) and any(_call(item) is not None for item in value)
            for position, one in enumerate(value if several else [value]):
                where = f"/{position}" if several else ""
                id = document.id(source) + where.replace("/", "-")
                if (call := _call(one, where)) is not None:
                    links.append(_Link(call, id, line))
                else:
                    yield from _conversation(_Run(source, self.name, id), one, where, line)
        if loose is not None:
            yield loose.close()
        yield from _chain(links, source)
        yield from _runs(links, source, self.name)


class _Call(NamedTuple):
    """A call: request and response, with the pointers to them."""

    request: dict[str, Any]
    asked: str
    response: dict[str, Any]
    answered: str


class _Link(msgspec.Struct, eq=False):
    """A call in its chain."""

    call: _Call
    id: str
    """Of the run, where the call begins one."""
    line: int | None
    before: _Link | None = None
    """The call that it goes on from."""
    after: list[_Link] = []
    """Calls that go on from it, in the order of the file."""
    size: int = 0
    """Characters of the calls up to this one, where that counts."""

    @property
    def names(self) -> tuple[str, str]:
        """Id of its response, and of the one that it goes on from; empty = none."""
        request, response = self.call.request, self.call.response
        before = request.get("previous_response_id") or response.get("previous_response_id")
        return as_text(response.get("id")), as_text(before)

    def path(self) -> list[_Link]:
        """The calls up to this one, the first one first."""
        found, at = [], self.before
        while at is not None:
            found.append(at)
            at = at.before
        return [*reversed(found), self]


class _Run:
    """The run that is being read, call by call."""

    def __init__(self, source: OpenSource, format: str, id: str) -> None:
        self.id = id
        self.build = Builder(source, format)
        self._extra: dict[str, Any] = {}
        self._reason: str | None = None

    def call(self, call: _Call, line: int | None) -> Iterator[Problem]:
        """Append what was asked and answered."""
        source, build = self.build.source, self.build
        asked = call.request.get("input")
        where = f"{call.asked}/input"
        if isinstance(asked, list):
            yield from self.items(source.records(asked, where, line))
        elif asked is not None:
            raw = Raw(record=where if line is None else f"{line}:{where}", line=line)
            source.see(raw.record)
            add_message(build, {"role": "user", "content": as_text(asked)}, raw)
        before = len(build.steps)
        yield from self.items(
            source.records(call.response["output"], f"{call.answered}/output", line)
        )
        told = call.request.get("instructions") or call.response.get("instructions")
        if isinstance(told, str):
            build.agent("assistant", system_prompt=told)
        if len(build.steps) > before:
            self._meter(before, call)
        failed = call.response.get("error") or call.response.get("incomplete_details")
        self._reason = as_text(failed) or None
        own = call.request if call.request is not call.response else {}
        self._extra = {"request": rest(own, *_READ), "response": rest(call.response, *_READ)}

    def items(self, items: Iterator[tuple[Raw, Any]] | list[tuple[Raw, Any]]) -> Iterator[Problem]:
        """Append items of a request or a response."""
        for raw, item in items:
            problem = _add(self.build, raw, item)
            if problem is not None:
                yield problem

    def close(self) -> Trace:
        """The trace."""
        last = self.build.steps[-1] if self.build.steps else None
        spoken = last is not None and last.kind == "message" and last.agent == "assistant"
        return self.build.trace(
            self.id,
            task=Task(question=first_question(self.build)),
            outcome=Outcome(answer=last.content if last and spoken else None, reason=self._reason),
            extra=self._extra,
            sha256=self.build.source.sha256,
        )

    def _meter(self, index: int, call: _Call) -> None:
        """Tokens and time of a call go to the first step that it made."""
        model = call.response.get("model") or call.request.get("model")
        usage = read_usage(call.response.get("usage"), model)
        made = call.response.get("created_at") or call.request.get("timestamp")
        step = self.build.steps[index]
        self.build.steps[index] = msgspec.structs.replace(step, usage=usage, time=read_time(made))


def _conversation(run: _Run, value: Any, where: str, line: int | None) -> Iterator[Trace | Problem]:
    """The run of a list of items."""
    source = run.build.source
    if isinstance(value, list) and value:
        yield from run.items(source.records(value, where, line))
        yield run.close()
    else:
        yield source.problem(None, "this is neither a call nor a list of items", line=line)


def _chain(links: list[_Link], source: OpenSource) -> Iterator[Problem]:
    """Tell calls which ones come before and after them; where that cannot be, warn."""
    known: dict[str, _Link] = {}
    for link in links:
        own, _ = link.names
        known.setdefault(own, link)
    for link in links:
        _, before = link.names
        link.before = known.get(before) if before else None
        if before and link.before is None:
            yield _doubt(source, link, "the call before this one is not in the file")
    for link in _circular(links):
        link.before = None
        yield _doubt(source, link, "the calls before this one lead back to it")
    for link in links:
        if link.before is not None:
            link.before.after.append(link)


def _circular(links: list[_Link]) -> Iterator[_Link]:
    """One call of every circle, which the caller cuts there."""
    done: set[_Link] = set()
    for link in links:
        walked: set[_Link] = set()
        at: _Link | None = link
        while at is not None and at not in done:
            done.add(at)
            walked.add(at)
            at = at.before
        if at in walked:
            yield at


def _doubt(source: OpenSource, link: _Link, what: str) -> Problem:
    do = "put all calls of a run into one file"
    what += ": the run begins in its middle"
    return source.problem(None, what, severity="warning", line=link.line, do=do)


def _runs(links: list[_Link], source: OpenSource, format: str) -> Iterator[Trace | Problem]:
    """A run for every call that begins one, then for every call that branches off another run."""
    branching, left = any(len(link.after) > 1 for link in links), REPEATED
    heads = deque(link for link in links if link.before is None)
    while heads:
        head = heads.popleft()
        run = _Run(source, format, head.id)
        if head.before is not None and head.before.size <= left:
            left -= head.before.size
            for one in head.before.path():
                deque(run.call(one.call, one.line), maxlen=0)  # its problems are known by now
        elif head.before is not None:
            yield _doubt(source, head, "too much would be repeated of the run it branches off")
        for link in _onwards(head):
            yield from run.call(link.call, link.line)
            if branching:
                sofar = 0 if link.before is None else link.before.size
                link.size = sofar + len(as_text([link.call.request, link.call.response]))
            heads.extend(link.after[1:])
        yield run.close()


def _onwards(link: _Link) -> Iterator[_Link]:
    """A call and those that go on from it, the first one of several each time."""
    yield link
    while link.after:
        link = link.after[0]
        yield link


def _call(value: Any, where: str = "") -> _Call | None:
    """The call that a log of one holds, in whatever wrapping."""
    if not isinstance(value, dict):
        return None
    for path in (("response", "body"), ("response",), ("body",), ("output",), ()):
        response = _at(value, path)
        if response is not None and _is_response(response):
            answered = "".join(f"/{name}" for name in path)
            for way in (("request", "body"), ("request",), ("body",), ()):
                request = _at(value, way)
                if request is not None and "input" in request:
                    asked = "".join(f"/{name}" for name in way)
                    return _Call(request, where + asked, response, where + answered)
            return _Call(response, where + answered, response, where + answered)
    return None


def _at(value: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any] | None:
    found: Any = value
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _is_response(value: dict[str, Any]) -> bool:
    output = value.get("output")
    if not isinstance(output, list):
        return False
    return value.get("object") == "response" or any(_is_item(item) for item in output)


def _is_item(item: Any) -> bool:
    """Whether something is an item of this API and of no other."""
    if not isinstance(item, dict):
        return False
    if as_text(item.get("type")) in _TYPES:
        return bool(item.keys() & {"call_id", "summary", "id"})
    parts = item.get("content")
    listed = parts if isinstance(parts, list) else []
    typed = {as_text(part.get("type")) for part in listed if isinstance(part, dict)}
    return isinstance(item.get("role"), str) and not typed.isdisjoint(_PARTS)


def _add(build: Builder, raw: Raw, item: Any) -> Problem | None:
    """One item as a step, or why it is none."""
    if not isinstance(item, dict):
        return build.source.problem(raw, "this is not an item")
    kind = as_text(item.get("type"))
    if isinstance(item.get("role"), str) and kind in ("", "message"):
        add_message(build, {"content": None, **rest(item, "type")}, raw)
    elif kind == "reasoning":
        shown = read_content(item.get("summary") or item.get("content")).text
        if not shown:
            return build.source.skip(raw, "reasoning that is not shown")
        extra = rest(item, "type", "summary", "content")
        build.add("assistant", shown, raw, kind="thought", extra=extra)
    elif kind == "function_call":
        call = read_call(rest(item, "id"))
        extra = rest(item, "type", "name", "arguments", "call_id")
        build.add("assistant", "", raw, tools=(call,), extra=extra)
    elif kind.endswith("_output"):
        _add_output(build, raw, item)
    elif kind.endswith("_call"):
        _add_hosted(build, raw, item, kind)
    elif kind == "item_reference":
        return build.source.skip(raw, "refers to an item that is not in the log")
    elif not kind:
        return build.source.problem(raw, "this is not an item")
    else:
        build.add("assistant", as_text(item), raw, kind="system", extra={"type": kind})
    return None


def _add_output(build: Builder, raw: Raw, item: dict[str, Any]) -> None:
    """What a tool of the caller answered."""
    call_id = as_text(item.get("call_id")) or None
    asked = build.asked(call_id)
    content = read_content(item.get("output"))
    call = ToolCall(asked.name if asked else "", result=content.text, call_id=call_id)
    extra = rest(item, "type", "call_id", "output")
    build.add("tool", content.text, raw, tools=(call,), media=content.media, extra=extra)
    build.agent("tool", role="tool")


def _add_hosted(build: Builder, raw: Raw, item: dict[str, Any], kind: str) -> None:
    """A call of a tool that the provider runs; its answer may stand in the same item."""
    arguments = next((item[key] for key in _ARGUMENTS if item.get(key) is not None), None)
    result = next((item[key] for key in _RESULTS if item.get(key) is not None), None)
    call = ToolCall(
        as_text(item.get("name")) or kind.removesuffix("_call"),
        arguments=maybe_json(arguments),
        result=None if result is None else as_text(result),
        error=as_text(item.get("error")) or None,
        call_id=as_text(item.get("call_id")) or None,
    )
    extra = rest(item, "name", "call_id", *_ARGUMENTS, *_RESULTS)
    build.add("assistant", "", raw, kind="tool_call", tools=(call,), extra=extra)
