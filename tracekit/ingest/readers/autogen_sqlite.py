"""The database that `autogen.runtime_logging` writes, schema 1 and 2, to traces by session."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import is_message
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text, maybe_json, read_call, read_calls, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Inputs, Message, Outcome, Raw, Task, ToolCall, Trace

Row = dict[str, Any]
_STEPS = {"chat_completions": "start_time", "events": "timestamp", "function_calls": "timestamp"}
_QUERIES = {
    "chat_completions": "SELECT rowid AS rowid_, * FROM chat_completions",
    "events": "SELECT rowid AS rowid_, * FROM events",
    "function_calls": "SELECT rowid AS rowid_, * FROM function_calls",
    "agents": "SELECT rowid AS rowid_, * FROM agents",
    "oai_clients": "SELECT rowid AS rowid_, * FROM oai_clients",
}


def read_database(source: OpenSource, format: str) -> Iterator[Trace | Problem]:
    """One trace per session, in order of time; a damaged database gives what can be read."""
    tables: dict[str, list[Row]] = {}
    with source.on_disk() as path:
        for table, query in _QUERIES.items():
            try:
                tables[table] = _rows(f"file:{quote(str(path))}?mode=ro&immutable=1", query)
            except sqlite3.Error as error:
                tables[table] = []
                if "no such table" not in str(error):
                    what = f"table {table} cannot be read: {error}"
                    yield source.problem(None, what, do="restore the database")
    agents = {as_text(row.get("agent_id")): row for row in tables["agents"]}
    sessions = list(dict.fromkeys(as_text(row.get("session_id")) for row in tables["agents"]))
    steps: dict[str, list[tuple[str, str, Row]]] = {session: [] for session in sessions}
    for table, clock in _STEPS.items():
        for row in tables[table]:
            source.see(_key(table, row))
            session = as_text(row.get("session_id"))
            if not session:
                owner = agents.get(as_text(row.get("source_id")), {})
                session = as_text(owner.get("session_id")) or (sessions[0] if sessions else "")
            steps.setdefault(session, []).append((as_text(row.get(clock)), table, row))
    for session, happened in steps.items():
        happened.sort(key=lambda step: step[0])
        yield from _session(source, format, session, happened, tables)


def _rows(uri: str, query: str) -> list[Row]:
    base = sqlite3.connect(uri, uri=True)  # `immutable` keeps SQLite from writing beside it
    try:
        base.text_factory = lambda data: data.decode("utf-8", "replace")
        base.row_factory = sqlite3.Row
        return [{name: _cell(row[name]) for name in row.keys()} for row in base.execute(query)]  # noqa: SIM118
    except UnicodeDecodeError as error:  # names of columns, and sqlite's own messages
        raise sqlite3.DatabaseError(f"text that is not UTF-8: {error.reason}") from None
    finally:
        base.close()


def _cell(value: Any) -> Any:
    """A cell as a JSON value: blobs are text of odd columns, infinities are none."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(table: str, row: Row) -> str:
    return f"{table}/{row['rowid_']}"


def _session(
    source: OpenSource,
    format: str,
    session: str,
    happened: list[tuple[str, str, Row]],
    tables: dict[str, list[Row]],
) -> Iterator[Trace | Problem]:
    build = Builder(source, format, framework="autogen")
    mine = [row for row in tables["agents"] if as_text(row.get("session_id")) == session]
    by_wrapper = {row["wrapper_id"]: row for row in mine if row.get("wrapper_id") is not None}
    for row in mine:
        setup = maybe_json(row.get("init_args"))
        prompt = setup.get("system_message") if isinstance(setup, dict) else None
        build.agent(as_text(row.get("name")), role=as_text(row.get("class")), system_prompt=prompt)
    for _, table, row in happened:
        if table == "chat_completions":
            agent = by_wrapper.get(row.get("wrapper_id"), {})
            named = row.get("source_name") or row.get("agent_name") or agent.get("name")
            _completion(build, row, as_text(named) or None)
        elif table == "function_calls":
            _function(build, row)
        else:
            problem = _event(build, row)
            if problem is not None:
                yield problem
    extra: dict[str, Any] = {"session_id": session} if session else {}
    extra["agents"] = [rest(row, "rowid_") for row in mine]
    extra["clients"] = [rest(row, "rowid_") for row in tables["oai_clients"]]
    id = session or source.default_id()
    yield build.trace(
        id,
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


def _completion(build: Builder, row: Row, who: str | None) -> None:
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
        Raw(record=_key("chat_completions", row)),
        tools=tools,
        inputs=Inputs(messages=given),
        usage=read_usage(answered.get("usage"), model, row.get("cost")),
        time=read_time(row.get("start_time"), row.get("end_time")),
        extra=rest(
            row, "rowid_", "request", "response", "cost", "start_time", "end_time", "session_id"
        )
        | {"request": rest(asked, "messages", "model")}
        | ({} if reply else {"failed": True}),
    )


def _reply(response: Any) -> dict[str, Any] | None:
    choices = response.get("choices") if isinstance(response, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    return message if isinstance(message, dict) else None


def _event(build: Builder, row: Row) -> Problem | None:
    """A message that arrived, or the reply of a function; silent events hold no step."""
    raw = Raw(record=_key("events", row))
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
    extra = rest(row, "rowid_", "json_state", "timestamp") | rest(
        state, "message", "reply", "sender"
    )
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


def _function(build: Builder, row: Row) -> None:
    """A function that an agent ran: request and answer in one row (schema 2)."""
    call = ToolCall(
        name=as_text(row.get("function_name")),
        arguments=maybe_json(row.get("args")),
        result=as_text(row.get("returns")),
    )
    build.add(
        as_text(row.get("source_name")) or None,
        call.result or "",
        Raw(record=_key("function_calls", row)),
        tools=(call,),
        time=read_time(row.get("timestamp")),
        extra=rest(row, "rowid_", "function_name", "args", "returns", "timestamp"),
    )
