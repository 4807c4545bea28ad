"""Google ADK: saved sessions, and evaluation sets (the current schema and the first one).

Every event of a session that has content or hands over is a step by its `author`, answers of tools
included. An evaluation case is an expected conversation: questions, tool uses, interim and final
responses are its records. API dumps write the members in camelCase.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.peek import peek_keys
from tracekit.ingest.sources import OpenSource
from tracekit.names import by_role, handoff_target
from tracekit.trace import Outcome, Raw, Status, Task, ToolCall, Trace

_VERDICTS: dict[str, Status] = {"1": "success", "2": "failure"}
"""How ADK numbers passed and failed evaluations."""


class GoogleAdk:
    """Reads sessions and evaluation sets of the Agent Development Kit."""

    name: ClassVar[str] = "google-adk"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when events name an author and an invocation, or cases expect tool uses."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return 0.0
        session = b'"events"' in head and b'"author"' in head
        if session and (b'"invocation_id"' in head or b'"invocationId"' in head):
            return 0.9
        if re.search(rb'"eval_?cases"', head, re.I) and b'"conversation"' in head:
            return 0.9
        keys = peek_keys(head)  # a long state or first event hides the rest
        if "state" in keys and ({"app_name", "user_id"} <= keys or {"appName", "userId"} <= keys):
            return 0.75
        first = b'"expected_tool_use"' in head and b'"query"' in head
        bare = b'"author"' in head and re.search(rb'"invocation_?id"', head, re.I)
        return 0.9 if first else 0.7 if bare else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per session or evaluation case; events one a line are one session."""
        lines: _Run | None = None
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
                continue
            if document.line is not None and _is_event(document.value):
                lines = lines or _Run(source, {}, "", None)
                raw = Raw(record=document.line, line=document.line)
                yield from lines.event(raw, document.value)
                continue
            found = False
            for where, record in _runs(document.value):
                found = True
                run = _Run(source, record, where, document.line)
                position = where.replace("/", "-")
                yield from run.read(document.id(source) + position)
            if not found:
                what = "there are neither events nor evaluation cases"
                yield source.problem(None, what, line=document.line)
        if lines is not None:
            yield lines.trace(source.default_id(), ())


def _is_event(value: Any) -> bool:
    return isinstance(value, dict) and "author" in value and "events" not in value


def _runs(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Sessions and cases of a document with their pointers."""
    if isinstance(value, dict):
        if isinstance(value.get("events"), list):
            yield "", value
        cases = _get(value, "eval_cases")
        for index, case in enumerate(cases if isinstance(cases, list) else ()):
            if isinstance(case, dict):
                yield f"/{'eval_cases' if 'eval_cases' in value else 'evalCases'}/{index}", case
        results = _get(value, "eval_case_results")
        for index, case in enumerate(results if isinstance(results, list) else ()):
            key = "eval_case_results" if "eval_case_results" in value else "evalCaseResults"
            if isinstance(case, dict):
                yield from ((f"/{key}/{index}{where}", run) for where, run in _runs(case))
        for key in ("session", "session_details", "sessionDetails"):
            if isinstance(value.get(key), dict):
                status = _get(value, "final_eval_status")
                about = {"final_eval_status": status} if status is not None else {}
                yield from ((f"/{key}{where}", run | about) for where, run in _runs(value[key]))
    elif isinstance(value, list):
        if any(isinstance(item, dict) and "author" in item for item in value):
            yield "", {"events": value, "": True}
            return
        for index, item in enumerate(value):
            if isinstance(item, dict) and isinstance(item.get("data"), list):
                yield f"/{index}", item
            else:
                yield from ((f"/{index}{where}", run) for where, run in _runs(item))


class _Run:
    """The reading of one session or case."""

    def __init__(
        self, source: OpenSource, record: dict[str, Any], where: str, line: int | None
    ) -> None:
        self.source, self.record, self.where, self.line = source, record, where, line
        self.build = Builder(source, GoogleAdk.name, framework="google-adk")
        self.failure: str | None = None
        self.expected: str | None = None

    def read(self, fallback: str) -> Iterator[Trace | Problem]:
        record = self.record
        if "events" in record:
            pointer = self.where + ("" if "" in record else "/events")
            for raw, event in self.source.records(record["events"], pointer, self.line):
                yield from self.event(raw, event)
            known: tuple[str, ...] = ("events", "")
        elif isinstance(record.get("data"), list):
            for index, turn in enumerate(record["data"]):
                yield from self._old_turn(f"{self.where}/data/{index}", turn)
            known = ("data",)
        else:
            turns = record.get("conversation")
            for index, turn in enumerate(turns if isinstance(turns, list) else ()):
                yield from self._turn(f"{self.where}/conversation/{index}", turn)
            known = ("conversation",)
        yield self.trace(fallback, known)

    def trace(self, fallback: str, known: tuple[str, ...]) -> Trace:
        """The finished trace; `known` are members of the record that became steps."""
        record = self.record
        id = _get(record, "id") or _get(record, "eval_id") or record.get("name")
        said = [s for s in self.build.steps if s.content and s.agent != "user" and not s.tools]
        outcome = Outcome(answer=said[-1].content if said else None)
        if self.failure is not None:
            outcome = Outcome("failure", outcome.answer, reason=self.failure, by="error_code")
        verdict = _VERDICTS.get(as_text(_get(record, "final_eval_status")))
        if verdict is not None:
            outcome = Outcome(verdict, outcome.answer, reason=self.failure, by="final_eval_status")
        question = next((s.content for s in self.build.steps if s.agent == "user"), "")
        return self.build.trace(
            as_text(id) or fallback,
            task=Task(question=question, expected=self.expected),
            outcome=outcome,
            extra=rest(record, *known),
            sha256=self.source.sha256,
        )

    def event(self, raw: Raw, event: Any) -> Iterator[Problem]:
        """Append an event that is a step, or say why it is none."""
        if not isinstance(event, dict):
            yield self.source.problem(raw, "an event is not an object")
            return
        content = event.get("content")
        actions = event.get("actions")
        actions = actions if isinstance(actions, dict) else {}
        target = _get(actions, "transfer_to_agent")
        error = _get(event, "error_code") or _get(event, "error_message")
        if event.get("partial") is True:
            yield self.source.skip(raw, "a piece of an event that follows whole")
        elif not isinstance(content, dict) and not target and not error:
            yield self.source.skip(raw, "changes the state of the session, nobody speaks")
        else:
            who = as_text(event.get("author"))
            said = content if isinstance(content, dict) else {}
            if not who and not said.get("parts") and not target and not error:
                yield self.source.skip(raw, "an event without an author that says nothing")
                return
            self._say(raw, who, content, event, as_text(target))
            if error:
                self.failure = as_text(_get(event, "error_message") or error)
            else:
                self.failure = None  # the run went on

    def _say(
        self, raw: Raw, who: str, content: Any, event: dict[str, Any], target: str = ""
    ) -> None:
        said = content if isinstance(content, dict) else {}
        parts = [part for part in _list(said.get("parts")) if not _empty(part)]
        read = read_content(parts)
        tools = tuple(self._named(call) for call in read.tools)
        asked = [call for call in tools if call.result is None]
        target = target or next((t for call in asked if (t := _transfer(call))), "")
        usage = _get(event, "usage_metadata")
        nameless = [call.name for call in tools if call.result is not None and not call.call_id]
        index = self.build.add(
            who or as_text(said.get("role")) or None,
            msgspec.structs.replace(read, tools=tools),
            raw,
            kind="handoff" if target and asked else None,
            to=target or None,
            parent=self._asker(nameless[0]) if nameless else None,
            usage=read_usage(usage, _get(event, "model_version")),
            time=read_time(event.get("timestamp")),
            extra=_event_extra(event, said),
        )
        if self.build.steps[index].agent == "user":
            self.build.agent("user", role="user")

    def _named(self, call: ToolCall) -> ToolCall:
        request = self.build.asked(call.call_id) if call.result is not None else None
        return msgspec.structs.replace(call, name=request.name) if request else call

    def _asker(self, tool: str) -> int | None:
        """The last step that called a tool, for answers without an id."""
        return next(
            (
                step.index
                for step in reversed(self.build.steps)
                if any(call.name == tool and call.result is None for call in step.tools)
            ),
            None,
        )

    def _turn(self, where: str, turn: Any) -> Iterator[Problem]:
        """An expected turn of an evaluation case."""
        if not isinstance(turn, dict):
            yield self.source.problem(self._raw(where), "a turn is not an object")
            return
        agent = self._app()
        more = _get(turn, "intermediate_data")
        more = more if isinstance(more, dict) else {}
        if isinstance(_get(turn, "user_content"), dict):
            self._say(self._raw(f"{where}/user_content"), "user", _get(turn, "user_content"), {})
        if isinstance(more.get("invocation_events"), list):
            for index, event in enumerate(more["invocation_events"]):
                event = event if isinstance(event, dict) else {}
                raw = self._raw(f"{where}/intermediate_data/invocation_events/{index}")
                self._say(raw, as_text(event.get("author")) or agent, event.get("content"), {})
        for kind, key in (("function_call", "tool_uses"), ("function_response", "tool_responses")):
            for index, part in enumerate(_list(_get(more, key))):
                raw = self._raw(f"{where}/intermediate_data/{key}/{index}")
                self._say(raw, agent, {"parts": [{kind: part}]}, {})
        for index, pair in enumerate(_list(_get(more, "intermediate_responses"))):
            raw = self._raw(f"{where}/intermediate_data/intermediate_responses/{index}")
            who, parts = pair if isinstance(pair, list) and len(pair) == 2 else (agent, [pair])
            self._say(raw, as_text(who) or agent, {"parts": _list(parts)}, {})
        final = _get(turn, "final_response")
        if isinstance(final, dict):
            self._say(self._raw(f"{where}/final_response"), agent, final, {})

    def _old_turn(self, where: str, turn: Any) -> Iterator[Problem]:
        """An expected turn in the first schema."""
        if not isinstance(turn, dict):
            yield self.source.problem(self._raw(where), "a turn is not an object")
            return
        agent = self._app()
        if turn.get("query") is not None:
            raw = self._raw(f"{where}/query")
            self._say(raw, "user", {"parts": [{"text": as_text(turn["query"])}]}, {})
        for index, use in enumerate(_list(turn.get("expected_tool_use"))):
            use = use if isinstance(use, dict) else {"tool_name": as_text(use)}
            call = {"name": use.get("tool_name"), "args": use.get("tool_input")}
            raw = self._raw(f"{where}/expected_tool_use/{index}")
            self._say(raw, agent, {"parts": [{"function_call": call}]}, {})
        for index, said in enumerate(_list(turn.get("expected_intermediate_agent_responses"))):
            said = said if isinstance(said, dict) else {"text": said}
            raw = self._raw(f"{where}/expected_intermediate_agent_responses/{index}")
            who = as_text(said.get("author")) or agent
            self._say(raw, who, {"parts": [{"text": as_text(said.get("text"))}]}, {})
        if turn.get("reference") is not None:
            raw = self._raw(f"{where}/reference")
            self._say(raw, agent, {"parts": [{"text": as_text(turn["reference"])}]}, {})

    def _raw(self, pointer: str) -> Raw:
        key = pointer if self.line is None else f"{self.line}:{pointer}"
        self.source.see(key)
        return Raw(record=key, line=self.line)

    def _app(self) -> str:
        """Who answers in a case that names no agent: the application, else the bare model."""
        given = _get(self.record, "session_input")
        name = as_text(_get(given, "app_name")) if isinstance(given, dict) else ""
        return name or "assistant"


_EVENT = (
    "content", "author", "partial", "timestamp", "usage_metadata", "usageMetadata",
    "model_version", "modelVersion",
)  # fmt: skip


def _event_extra(event: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    left = {k: v for k, v in rest(event, *_EVENT).items() if v not in (None, {}, [])}
    if by_role(said.get("role")) not in (None, "assistant", "user") or "role" in left:
        left["role"] = said.get("role")
    return left


def _transfer(call: ToolCall) -> str | None:
    """The agent that a call hands over to."""
    if call.name in ("transfer_to_agent", "transfer_to_other_agent"):
        given = call.arguments if isinstance(call.arguments, dict) else {}
        return as_text(_get(given, "agent_name")) or None
    return handoff_target(call.name)


def _empty(part: Any) -> bool:
    return isinstance(part, dict) and all(value is None for value in part.values())


def _get(record: dict[str, Any], key: str) -> Any:
    """A member by its snake_case name or by its camelCase one."""
    if key in record:
        return record[key]
    head, *tail = key.split("_")
    return record.get(head + "".join(word.capitalize() for word in tail))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
