"""Anthropic Managed Agents: recorded calls `[method, payload]`, or the events of a session alone.

The stream of a session echoes what was sent to it, so an event that was sent is merged into its
echo. Tools answer events by the id of the event that asked for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, StepKind, Task, ToolCall, Trace

_EVENT = re.compile(rb'"(?:user|agent)\.(?:message|tool_use|custom_tool_use|tool_result|thinking)"')
_SAYS = ("user.message", "agent.message", "agent.thinking", "user.interrupt", "system.message")


class AnthropicManagedAgents:
    """Reads recordings and event lists of managed sessions."""

    name: ClassVar[str] = "anthropic-managed-agents"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of recorded calls of the sessions API, or of its event ids."""
        if b'"client.beta.sessions.' in head or b'"beta.sessions.' in head:
            return 0.95
        return 0.85 if _EVENT.search(head) and b"sevt_" in head else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file."""
        session = _Session(source)
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
                continue
            value, line = document.value, document.line
            if line is not None:
                yield from session.add(Raw(record=line, line=line), value)
                continue
            inner = value.get("data", value.get("events")) if isinstance(value, dict) else value
            items = inner if isinstance(inner, list) else [value]
            for raw, item in source.records(items, "" if inner is value else "/data"):
                yield from session.add(raw, item)
        yield session.trace()


class _Session:
    """The calls and events of one session."""

    def __init__(self, source: OpenSource) -> None:
        self.source = source
        self.build = Builder(source, AnthropicManagedAgents.name, framework="managed-agents")
        self.id = ""
        self.agent = "agent"
        self.model: str | None = None
        self.threads: dict[str, str] = {}
        self.sent: list[tuple[Raw, dict[str, Any]]] = []
        self.request: int | None = None
        self.failure: str | None = None
        self.extra: dict[str, Any] = {}

    def add(self, raw: Raw, value: Any) -> Iterator[Problem]:
        """One recorded call, or one bare event."""
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            yield from self._event(raw, value)
            return
        if not isinstance(value, list) or not value or not isinstance(value[0], str):
            yield self.source.problem(raw, "neither a recorded call nor an event")
            return
        method, payload = value[0], value[1] if len(value) > 1 else None
        if method.endswith("events.send"):
            yield from self._send(raw, payload)
        elif isinstance(payload, dict) and ".events." in method and "type" in payload:
            yield from self._event(raw, payload)
        else:
            if isinstance(payload, dict) and method.endswith("sessions.create"):
                self._create(payload)
            yield self.source.skip(raw, f"{method[:60]}: sets up the session")

    def _create(self, payload: dict[str, Any]) -> None:
        self.id = as_text(payload.get("id"))
        self.extra = rest(payload, "id", "agent")
        given = payload.get("agent")
        if not isinstance(given, dict):
            return
        self.agent = as_text(given.get("name")) or self.agent
        model = given.get("model")
        self.model = as_text(model.get("id") if isinstance(model, dict) else model) or None
        tools = given.get("tools")
        listed = tools if isinstance(tools, list) else []
        names = [t.get("name") or t.get("type") for t in listed if isinstance(t, dict)]
        self.build.agent(
            self.agent,
            system_prompt=as_text(given.get("system")),
            tools=tuple(as_text(name) for name in names if name),
        )

    def _send(self, raw: Raw, payload: Any) -> Iterator[Problem]:
        """Events that were sent wait for their echo."""
        session, body = (
            payload if isinstance(payload, list) and len(payload) == 2 else ("", payload)
        )
        self.id = self.id or (session if isinstance(session, str) else "")
        events = body.get("events") if isinstance(body, dict) else None
        listed = events if isinstance(events, list) else []
        found = [event for event in listed if isinstance(event, dict)]
        if not found:
            yield self.source.skip(raw, "sends no event")
        self.sent.extend((raw, event) for event in found)

    def _event(self, raw: Raw, event: dict[str, Any]) -> Iterator[Problem]:
        kind = as_text(event.get("type"))
        thread = as_text(event.get("session_thread_id"))
        if thread and event.get("agent_name"):
            self.threads[thread] = as_text(event["agent_name"])
        if kind == "span.model_request_start":
            self.request = len(self.build.steps)
        if kind.endswith(("_tool_use", ".tool_use", "_tool_result", ".tool_result")):
            self._tool(raw, kind, event)
        elif kind in _SAYS or kind.startswith(("agent.thread_message", "agent.message")):
            self._say(raw, kind, event)
        elif kind == "span.model_request_end" and self._used(raw, event):
            return
        else:
            if kind == "session.error":
                error = event.get("error")
                told = error.get("message") if isinstance(error, dict) else error
                self.failure = as_text(told) or "session.error"
            yield self.source.skip(raw, f"{kind[:60]}: the state of the session")

    def _say(self, raw: Raw, kind: str, event: dict[str, Any]) -> None:
        content = read_content(event.get("content") or event.get("thinking") or event.get("text"))
        who = self._who(kind, event)
        step_kind: StepKind | None = "thought" if kind == "agent.thinking" else None
        to = as_text(event.get("to_agent_name")) or None
        self._add(raw, who, content.text, event, step_kind, (), to)

    def _tool(self, raw: Raw, kind: str, event: dict[str, Any]) -> None:
        if kind.endswith("tool_use"):
            id = as_text(event.get("id")) or None
            call = ToolCall(as_text(event.get("name")), event.get("input"), call_id=id)
            self._add(raw, self._who(kind, event), "", event, "tool_call", (call,))
            return
        text = read_content(event.get("content")).text
        ids = (event.get(key) for key in ("tool_use_id", "custom_tool_use_id", "mcp_tool_use_id"))
        id = as_text(next((id for id in ids if id), None)) or None
        asked = self.build.asked(id)
        error = text or "error" if event.get("is_error") else None
        answer = ToolCall(asked.name if asked else "", result=text, error=error, call_id=id)
        self._add(raw, "tool", text, event, "tool_result", (answer,))

    def _add(
        self,
        raw: Raw,
        who: str,
        text: str,
        event: dict[str, Any],
        kind: StepKind | None,
        tools: tuple[ToolCall, ...],
        to: str | None = None,
    ) -> None:
        left = rest(event, "type", "content", "processed_at", "input", "name", "thinking")
        echoed = self._echoed(event)
        self.build.add(
            who,
            text,
            [raw, *([echoed] if echoed else [])],
            kind=kind,
            tools=tools,
            to=to,
            time=read_time(event.get("processed_at")),
            extra=left | {"type": event.get("type")},
        )
        if who in ("user", "tool"):
            self.build.agent(who, role=who)

    def _echoed(self, event: dict[str, Any]) -> Raw | None:
        """The record that sent this event, when there is one."""
        for index, (raw, sent) in enumerate(self.sent):
            same = all(event.get(key) == sent[key] for key in ("type", "content") if key in sent)
            if same and sent is not event:
                del self.sent[index]
                return raw
        return None

    def _who(self, kind: str, event: dict[str, Any]) -> str:
        if kind.startswith("user."):
            return "user"
        if kind.startswith("system."):
            return "system"
        thread = as_text(event.get("session_thread_id"))
        named = event.get("from_agent_name") or event.get("agent_name")
        return as_text(named) or self.threads.get(thread) or self.agent

    def _used(self, raw: Raw, event: dict[str, Any]) -> bool:
        """Note the tokens of a request at the first step that came of it."""
        usage = read_usage(event.get("model_usage"), self.model)
        first, self.request = self.request, None
        if usage is None or first is None or first >= len(self.build.steps):
            return False
        self.build.merge(first, raw, usage=usage)
        return True

    def trace(self) -> Trace:
        """The finished trace; what was sent and never echoed comes last."""
        waiting, self.sent = self.sent, []
        for raw, event in waiting:
            kind = as_text(event.get("type"))
            (self._tool if kind.endswith("tool_result") else self._say)(raw, kind, event)
        steps = self.build.steps
        said = [s for s in steps if s.extra.get("type") == "agent.message" and s.content]
        answer = said[-1].content if said else None
        outcome = Outcome(answer=answer)
        if self.failure is not None:
            outcome = Outcome("failure", answer, reason=self.failure, by="session.error")
        return self.build.trace(
            self.id or self.source.default_id(),
            task=Task(question=next((s.content for s in steps if s.agent == "user"), "")),
            outcome=outcome,
            extra=self.extra,
            sha256=self.source.sha256,
        )
