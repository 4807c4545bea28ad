"""Chat-completion messages: lists as people save them, logs of single calls, displayed chats.

A log of one call holds `messages` and the `response`; a run is the last call and its reply. Where
a model without function calling was used, `raw_messages` hold the conversation before it was
rewritten as text, and the steps are made from those. `messages_display` is a chat as text.

Where every call of a run has a file of its own, each file is a trace of its own: it repeats all
that came before, so the last one is the whole run and the earlier ones are the run as it stood
then. They are not joined, because no file names its run: two runs that begin with the same prompts
could not be told apart, and calls with a shortened history would be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import add_message, first_question, is_message, note_prompt
from tracekit.ingest.documents import Document, documents
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, Task, Time, Trace, Usage

_TURN = re.compile(r"^(user|assistant|tool|system): ?", re.MULTILINE)
_READ = ("messages", "raw_messages", "response")


class OpenAIChat:
    """Reads message lists of the OpenAI chat API, with or without the reply of a call."""

    name: ClassVar[str] = "openai-chat-messages"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of logged calls and displayed chats; a bare message list is nobody's own."""
        value = peek(head)
        call = _call(value)
        if isinstance(value, dict) and isinstance(value.get("messages_display"), str):
            return 0.9
        if call is not None:
            logged = not {"response", "latency_sec", "raw_messages"}.isdisjoint(call)
            return 0.7 if logged else 0.25
        items = value if isinstance(value, list) else [value]
        return 0.2 if items and is_message(items[0]) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per call or conversation; messages one a line are one conversation."""
        loose: list[tuple[Raw, dict[str, Any]]] = []
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
                continue
            value, line = document.value, document.line
            if line is not None and is_message(value):
                source.see(line)
                loose.append((Raw(record=line, line=line), value))
            elif isinstance(value, dict) and isinstance(value.get("messages_display"), str):
                yield _displayed(source, self.name, document)
            elif isinstance(value, list):
                yield from _conversation(source, self.name, {"messages": value}, document, "")
            elif (call := _call(value)) is not None:
                yield from _conversation(source, self.name, call, document, "/messages")
            else:
                where = None if line is None else Raw(record=line, line=line)
                yield source.problem(where, "there is no list of messages")
        if loose:
            build = Builder(source, self.name)
            for raw, item in loose:
                add_message(build, item, raw)
            yield _finish(build, source.default_id(), {}, Outcome())


def _call(value: Any) -> dict[str, Any] | None:
    """The object that holds `messages`: the document, or the request that it wraps."""
    if not isinstance(value, dict):
        return None
    for inner in (value, value.get("request"), value.get("body"), value.get("input")):
        if not isinstance(inner, dict) or not isinstance(inner.get("messages"), list):
            continue
        if any(is_message(item) for item in inner["messages"][:3]) or not inner["messages"]:
            return inner if inner is value else {**rest(value, "request", "body", "input"), **inner}
    return None


def _conversation(
    source: OpenSource, format: str, call: dict[str, Any], document: Document, pointer: str
) -> Iterator[Trace | Problem]:
    build = Builder(source, format)
    sent = call["messages"]
    raw_form = call.get("raw_messages")
    original = isinstance(raw_form, list) and len(raw_form) == len(sent)
    messages = raw_form if isinstance(raw_form, list) and original else sent
    items = source.records(messages, "/raw_messages" if original else pointer, document.line)
    as_sent = iter(list(source.records(sent, pointer, document.line)) if original else ())
    for raw, item in items:
        twin = next(as_sent, None)
        if not is_message(item):
            yield source.problem(raw, "this is not a chat message")
            if twin:
                yield source.skip(twin[0], "the rewritten form of what is not a chat message")
            continue
        index = add_message(build, item, raw)
        if twin:
            _note_twin(build, index, *twin)
    yield from _reply(build, call, document)
    yield _finish(build, document.id(source), call, Outcome(answer=_last_words(build)))


def _note_twin(build: Builder, index: int, raw: Raw, item: Any) -> None:
    """A message as it was sent, after it was rewritten; kept when it differs."""
    step = build.steps[index]
    content = as_text(item.get("content")) if isinstance(item, dict) else as_text(item)
    extra = step.extra if content == step.content else {**step.extra, "sent": content}
    build.merge(index, raw, extra=extra)


def _reply(build: Builder, call: dict[str, Any], document: Document) -> Iterator[Problem]:
    """The completion of a logged call; further choices stay in the step's `extra`."""
    response = call.get("response")
    if isinstance(response, dict) and isinstance(response.get("body"), dict):
        response = response["body"]
    choices = response.get("choices") if isinstance(response, dict) else None
    if not isinstance(response, dict) or not isinstance(choices, list):
        return
    for raw, choice in build.source.records(choices, "/response/choices", document.line):
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            yield build.source.problem(raw, "a choice of the response holds no message")
        elif raw.index:
            yield build.source.skip(raw, "an alternative reply, kept with the response")
        else:
            message = {"role": "assistant", **message}
            extra = rest(choice, "message", "index")
            add_message(build, message, raw, time=_time(call), usage=_usage(call), extra=extra)


def _usage(call: dict[str, Any]) -> Usage | None:
    response = call["response"]
    model = response.get("model") or call.get("model")
    return read_usage(response.get("usage"), model, call.get("cost"))


def _time(call: dict[str, Any]) -> Time | None:
    """A call is logged when it has ended."""
    ended = read_time(None, call.get("timestamp"))
    seconds = call.get("latency_sec")
    if ended is None or ended.end is None or not isinstance(seconds, int | float):
        return ended
    return Time(start=ended.end - seconds, end=ended.end)


def _last_words(build: Builder) -> str | None:
    """What the assistant said last, unless it was asking for a tool."""
    last = build.steps[-1] if build.steps else None
    finished = last is not None and last.kind == "message" and last.agent != "user"
    return last.content if last is not None and finished else None


def _finish(build: Builder, id: str, call: dict[str, Any], outcome: Outcome) -> Trace:
    note_prompt(build)
    tools = call.get("tools") or call.get("functions")
    if isinstance(tools, list) and any(step.agent == "assistant" for step in build.steps):
        build.agent("assistant", tools=tuple(filter(None, map(_tool_name, tools))))
    extra = rest(call, *_READ)
    response = call.get("response")
    if isinstance(response, dict):
        extra["response"] = rest(response, "choices")
        choices = response.get("choices")
        if isinstance(choices, list) and len(choices) > 1:
            extra["response"]["choices"] = choices[1:]
    elif response is not None:
        extra["response"] = response
    task = Task(question=first_question(build))
    return build.trace(id, task=task, outcome=outcome, extra=extra, sha256=build.source.sha256)


def _tool_name(tool: Any) -> str:
    inner = tool.get("function", tool) if isinstance(tool, dict) else None
    return as_text(inner.get("name")) if isinstance(inner, dict) else ""


def _displayed(source: OpenSource, format: str, document: Document) -> Trace:
    """A chat as text; `assistant: None` stands for a request whose tool was not displayed."""
    build = Builder(source, format, framework="tau-bench")
    text = document.value["messages_display"]
    turns = list(_TURN.finditer(text))
    ends = [turn.start() for turn in turns[1:]] + [len(text)]
    bodies = [(turn[1], text[turn.end() : end]) for turn, end in zip(turns, ends, strict=False)]
    before = text[: turns[0].start()] if turns else text
    if before:
        bodies.insert(0, ("", before))
    for raw, (role, body) in source.records(bodies, "/messages_display", document.line):
        hidden = role == "assistant" and body.strip() == "None"
        message = {"role": role, "content": "" if hidden else body.removesuffix("\n")}
        index = add_message(build, message, raw, kind="tool_call" if hidden else None)
        if role == "tool" and index and build.steps[index - 1].agent == "assistant":
            step = build.steps[index]
            build.steps[index] = msgspec.structs.replace(step, parent=index - 1)
    task = Task(question=first_question(build))
    extra = rest(document.value, "messages_display")
    return build.trace(document.id(source), task=task, extra=extra, sha256=source.sha256)
