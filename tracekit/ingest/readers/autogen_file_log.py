"""`runtime.log` of AG2 and AutoGen 0.2: what `runtime_logging` notes with `logger_type="file"`, a line each.

A line of text opens a session; what follows belongs to it, in the order in which it ended. Replies
of models stand there as Python prints them, and uses of functions without the function's name: it
is that of the call with the same arguments which has no answer yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import rest
from tracekit.ingest.decode import decode_json, decode_text
from tracekit.ingest.parts import maybe_json, read_calls
from tracekit.ingest.peek import peek_keys
from tracekit.ingest.readers.autogen_runtime import Note, Row, read_session
from tracekit.ingest.reprs import read_object_repr
from tracekit.ingest.sources import Line, OpenSource
from tracekit.trace import ToolCall, Trace

_OPENS = "Started new session with Session ID:"
_FAILED = "[file_logger]"
_COMPLETION = frozenset({"invocation_id", "request", "response"})
_EVENT = frozenset({"source_id", "event_name", "json_state"})
_FUNCTION = frozenset({"source_id", "input_args", "returns"})
_AGENT = frozenset({"agent_name", "agent_type", "args"})
_CLIENT = frozenset({"session_id", "wrapper_id", "json_state"})
_KINDS = (_COMPLETION, _EVENT, _FUNCTION, _AGENT, _CLIENT)
_STAMP = re.compile(r"[\w.:-]{1,100}")


class AutoGenFileLog:
    """Reads logs that hold any number of sessions."""

    name: ClassVar[str] = "autogen-file-log"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of the line that opens a session, and of what is noted in one."""
        if head.removeprefix(b"\xef\xbb\xbf").startswith(_OPENS.encode()):
            return 0.95
        keys = peek_keys(head)
        known = "thread_id" in keys and any(kind <= keys for kind in _KINDS)
        return 0.9 if known else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per session in which something happened."""
        session = _Session(source, self.name, "")
        for line in source.lines():
            text = decode_text(line.data).strip()
            if text.startswith(_OPENS):
                yield source.skip(line.raw, "opens a session")
                yield from session.close()
                session = _Session(source, self.name, text.removeprefix(_OPENS).strip())
            elif text.startswith(_FAILED):
                yield source.problem(line.raw, f"not logged: {text[:200]}", severity="warning")
            else:
                yield from session.take(line)
        yield from session.close()


class _Session:
    """The session that is being read."""

    def __init__(self, source: OpenSource, format: str, id: str) -> None:
        self._source, self._format = source, format
        self._id = id if _STAMP.fullmatch(id) else ""
        self._notes: list[Note] = []
        self._agents: list[Row] = []
        self._clients: list[Row] = []
        self._asked: list[ToolCall] = []

    def take(self, line: Line) -> Iterator[Problem]:
        """Keep what a line notes, or say why it cannot be kept."""
        try:
            row = decode_json(line.data, self._source.limits.depth)
        except ValueError as error:
            yield self._source.problem(line.raw, f"the line is not JSON: {error}", do="repair it")
            return
        keys = row.keys() if isinstance(row, dict) else frozenset()
        if keys >= _COMPLETION:
            self._notes.append(Note(line.raw, "chat_completions", self._completion(row)))
        elif keys >= _EVENT:
            self._notes.append(Note(line.raw, "events", row))
        elif keys >= _FUNCTION:
            self._notes.append(Note(line.raw, "function_calls", self._function(row)))
        elif keys >= _AGENT:
            self._agents.append(_agent(row))
            yield self._source.skip(line.raw, "makes an agent: on the roster and in `extra`")
        elif keys >= _CLIENT:
            self._clients.append(row)
            yield self._source.skip(line.raw, "makes a client, kept in `extra`")
        else:
            yield self._source.problem(line.raw, "this is nothing that the logger notes")

    def close(self) -> Iterator[Trace | Problem]:
        """The trace, if anything happened."""
        if self._notes:
            yield from read_session(
                self._source, self._format, self._id, self._notes, self._agents, self._clients
            )

    def _completion(self, row: Row) -> Row:
        """The note with its reply as fields; its calls wait for their answers."""
        reply: Any = row["response"]
        if isinstance(reply, str):
            reply = read_object_repr(reply) or reply
        choices = reply.get("choices") if isinstance(reply, dict) else None
        for choice in choices[:1] if isinstance(choices, list) else ():
            message = choice.get("message") if isinstance(choice, dict) else None
            self._asked += (
                read_calls(message.get("tool_calls")) if isinstance(message, dict) else ()
            )
        return {**row, "response": reply}

    def _function(self, row: Row) -> Row:
        """The note in the columns of the database, with the name of the call that it answers."""
        arguments = maybe_json(row["input_args"])
        found = next((call for call in self._asked if call.arguments == arguments), None)
        if found is not None:
            self._asked.remove(found)
        known = {"function_name": found.name if found else "", "args": arguments}
        return {**rest(row, "input_args"), **known}


def _agent(row: Row) -> Row:
    """The note in the columns of the database."""
    known = {"agent_id": row.get("id"), "name": row["agent_name"], "class": row["agent_type"]}
    return {
        **rest(row, "id", "agent_name", "agent_type", "args"),
        **known,
        "init_args": row["args"],
    }
