"""What `autogen.runtime_logging` notes of a session, in whatever file, to a trace.

The loggers of AutoGen 0.2 and AG2 note completions, events and uses of functions as they happen,
and agents and clients as they are made; `autogen_sqlite` and `autogen_file_log` read them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import is_message
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text, maybe_json, read_call, read_calls, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Inputs, Message, Outcome, Raw, Task, ToolCall, Trace

Row = dict[str, Any]
"""Members of a note by name; those of the database's columns."""
Table = Literal["chat_completions", "events", "function_calls"]


_PRINTED = re.compile(r"\s*\w{1,99}\(id=")
"""A reply as Python prints it, which could not be taken apart."""


class Note(NamedTuple):
    """Something that happened."""

    raw: Raw
    table: Table
    row: Row


def read_session(
    source: OpenSource,
    format: str,
    session: str,
    happened: Sequence[Note],
    agents: Sequence[Row],
    clients: Sequence[Row],
) -> Iterator[Trace | Problem]:
    """The trace of a session, its notes in order; `session` may be empty."""
    build = Builder(source, format, framework="autogen")
    by_wrapper = {as_text(row["wrapper_id"]): row for row in agents if row.get("wrapper_id")}
    for row in agents:
        setup = maybe_json(row.get("init_args"))
        prompt = setup.get("system_message") if isinstance(setup, dict) else None
        told = read_content(prompt).text  # several prompts may be listed
        build.agent(as_text(row.get("name")), role=as_text(row.get("class")), system_prompt=told)
    for raw, table, row in happened:
        if table == "chat_completions":
            agent = by_wrapper.get(as_text(row.get("wrapper_id")), {})
            named = row.get("source_name") or row.get("agent_name") or agent.get("name")
            _completion(build, raw, row, as_text(named) or None)
        elif table == "function_calls":
            _function(build, raw, row)
        else:
            problem = _event(build, raw, row)
            if problem is not None:
                yield problem
    extra: dict[str, Any] = {"session_id": session} if session else {}
    extra |= {"agents": list(agents), "clients": list(clients)}
    yield build.trace(
        session or source.default_id(),
        task=Task(question=_question(build)),
        outcome=Outcome(),
        extra=extra,
        sha256=source.sha256,
    )


def _question(build: Builder) -> str:
    """The first message that was passed; without events, what the first prompt asked."""
    for step in build.steps:
        if step.extra.get("event_name"):
            return step.content
    given = build.steps[0].inputs if build.steps else None
    asked = [m.content for m in given.messages if m.role == "user"] if given else []
    return asked[-1] if asked else ""


def _completion(build: Builder, raw: Raw, row: Row, who: str | None) -> None:
    """A completion; a failed one left text instead of a response."""
    request, response = maybe_json(row.get("request")), maybe_json(row.get("response"))
    asked = request if isinstance(request, dict) else {"request": request}
    messages = asked.get("messages")
    given = tuple(
        Message(
            item["role"], read_content(item.get("content")).text, as_text(item.get("name")) or None
        )
        for item in (messages if isinstance(messages, list) else ())
        if is_message(item)
    )
    reply = _reply(response)
    content = read_content(reply.get("content")) if reply else None
    tools = read_calls(reply.get("tool_calls")) if reply else ()
    if reply and isinstance(reply.get("function_call"), dict):
        tools = (*tools, read_call(reply["function_call"]))
    answered = response if isinstance(response, dict) else {}
    model = answered.get("model") or asked.get("model")
    build.add(
        who,
        content if content is not None else as_text(answered.get("response") or response),
        raw,
        tools=tools,
        inputs=Inputs(messages=given),
        usage=read_usage(answered.get("usage"), model, row.get("cost")),
        time=read_time(row.get("start_time"), row.get("end_time")),
        extra=rest(row, "request", "response", "cost", "start_time", "end_time", "session_id")
        | {"request": rest(asked, "messages", "model")}
        | ({} if reply or _PRINTED.match(as_text(response)) else {"failed": True}),
    )


def _reply(response: Any) -> dict[str, Any] | None:
    choices = response.get("choices") if isinstance(response, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return message if isinstance(message, dict) else None


def _event(build: Builder, raw: Raw, row: Row) -> Problem | None:
    """A message that arrived, or the reply of a function; silent events hold no step."""
    state = maybe_json(row.get("json_state"))
    state = state if isinstance(state, dict) else {"state": state}
    here = as_text(row.get("source_name")) or None
    arrived = "message" in state
    said = state.get("message") if arrived else state.get("reply")
    message = said if isinstance(said, dict) else {"content": said}
    content = read_content(message.get("content"))
    tools = (*read_calls(message.get("tool_calls")), *_answers(build, message))
    if not content.text and not tools and not content.tools:
        return build.source.skip(raw, f"event {row.get('event_name')} carries no message")
    who = as_text(state.get("sender")) or as_text(message.get("name")) or None if arrived else here
    last = build.steps[-1] if build.steps else None
    relayed = arrived and _relays(build, who)
    if (
        last is not None
        and last.content == content.text
        and (relayed or last.agent in (who, "unknown"))
    ):
        first = arrived and not relayed and last.to is None
        changes = {"to": build.agent(here)} if first and here else {}
        build.merge(last.index, raw, **changes)
        return None
    extra = rest(row, "json_state", "timestamp") | rest(state, "message", "reply", "sender")
    index = build.add(
        who, content, raw, to=here if arrived else None, tools=tools,
        time=read_time(row.get("timestamp")), extra=extra,
    )  # fmt: skip
    if not arrived and not tools:
        build.steps[index] = msgspec.structs.replace(build.steps[index], kind="message")
    return None


def _answers(build: Builder, message: dict[str, Any]) -> Iterator[ToolCall]:
    """What tools returned, as a message passes it on."""
    listed = message.get("tool_responses")
    for part in listed if isinstance(listed, list) else ():
        if isinstance(part, dict):
            call_id = as_text(part.get("tool_call_id")) or None
            asked = build.asked(call_id)
            text = as_text(part.get("content"))
            yield ToolCall(asked.name if asked else "", result=text, call_id=call_id)


def _relays(build: Builder, who: str | None) -> bool:
    """Whether somebody only passes on to all what one member of the group said."""
    return any(agent.id == who and agent.role == "GroupChatManager" for agent in build.agents)


def _function(build: Builder, raw: Raw, row: Row) -> None:
    """A function that an agent ran: request and answer in one row (schema 2)."""
    call = ToolCall(
        name=as_text(row.get("function_name")),
        arguments=maybe_json(row.get("args")),
        result=as_text(_decoded(row.get("returns"))),
    )
    build.add(
        as_text(row.get("source_name")) or None,
        call.result or "",
        raw,
        tools=(call,),
        time=read_time(row.get("timestamp")),
        extra=rest(row, "function_name", "args", "returns", "timestamp"),
    )


def _decoded(value: Any) -> Any:
    """What was returned: text stands there as a JSON string."""
    if isinstance(value, str) and value.startswith('"'):
        try:
            return msgspec.json.decode(value, type=str)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return value
    return value
