"""OpenCode: recorded plug-in events `[name, payload, …]`, and the JSON of `opencode export`.

A message consists of parts, and every part that says or does something is a step; its updates and
deltas are merged into it, the last one counts. A sub-agent has a session of its own whose parent
is the session that called the tool `task`; all sessions under one root are one trace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import as_count, as_number, read_time
from tracekit.ingest.parts import as_text
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, Task, ToolCall, Trace, Usage


class OpenCodeEvents:
    """Reads event recordings and exported sessions."""

    name: ClassVar[str] = "opencode-events"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of events about sessions and parts with their ids."""
        events = re.search(rb'"(?:message\.part\.updated|message\.updated|session\.created)"', head)
        if events and b"ses_" in head:
            return 0.95
        printed = re.search(rb'"type"\s*:\s*"(?:step_start|step_finish|tool_use|text)"', head)
        if printed and b'"part"' in head and re.search(rb'"sessionID"\s*:\s*"ses_', head):
            return 0.9
        exported = b'"parts"' in head and b'"info"' in head and b'"ses_' in head
        return 0.85 if exported and head.lstrip()[:1] == b"{" else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per root session."""
        log = _Log(source)
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
            elif document.line is not None:
                raw = Raw(record=document.line, line=document.line)
                yield from log.add(raw, document.value)
            elif isinstance(document.value, dict) and isinstance(
                document.value.get("messages"), list
            ):
                yield from log.export(document.value)
            elif isinstance(document.value, list):
                for raw, item in source.records(document.value, ""):
                    yield from log.add(raw, item)
            else:
                yield source.problem(None, "there are neither events nor messages")
        if not source.account.records:
            yield source.skip_file("there are no events in it")
        yield from log.traces()


class _Part:
    """A part of a message as far as it is known."""

    def __init__(self, session: str, message: str) -> None:
        self.session, self.message = session, message
        self.raws: list[Raw] = []
        self.value: dict[str, Any] = {}


class _Log:
    """Everything that was recorded, by session."""

    def __init__(self, source: OpenSource) -> None:
        self.source = source
        self.sessions: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, dict[str, Any]] = {}
        self.parts: dict[str, _Part] = {}
        self.prompts: dict[str, str] = {}
        self.tools: list[str] = []
        self.errors: dict[str, str] = {}
        self.finished: dict[str, list[tuple[Raw, dict[str, Any]]]] = {}

    def add(self, raw: Raw, value: Any) -> Iterator[Problem]:
        """One recorded event."""
        if isinstance(value, dict) and isinstance(value.get("part"), dict):
            told = {"type": "message.part.updated", "properties": {"part": value["part"]}}
            value = ["event", {"event": told}]  # as `opencode run --format json` prints them
        elif isinstance(value, dict) and isinstance(value.get("type"), str):
            value = ["event", {"event": value}]
        if not isinstance(value, list) or not value or not isinstance(value[0], str):
            yield self.source.problem(raw, "not an event of the form [name, payload]")
            return
        name = value[0]
        given, made = [_table(value[i]) if len(value) > i else {} for i in (1, 2)]
        if name == "event":
            event = _table(given.get("event") or given)
            done = self._event(raw, as_text(event.get("type")), _table(event.get("properties")))
            name = as_text(event.get("type")) or name
        elif name == "chat.message":
            self._message(_table(made.get("message")))
            found = [self._part(raw, part) for part in _list(made.get("parts"))]
            done = any(found)
        else:
            done = False
            self._set_up(name, given, made)
        if not done:
            yield self.source.skip(raw, f"{name[:60]}: says or does nothing")

    def _set_up(self, name: str, given: dict[str, Any], made: dict[str, Any]) -> None:
        if name.endswith("system.transform"):
            session = as_text(given.get("sessionID"))
            prompt = "\n".join(as_text(text) for text in _list(made.get("system")))
            if len(prompt) > len(self.prompts.get(session, "")):
                self.prompts[session] = prompt
        elif name == "tool.definition":
            tool = as_text(given.get("toolID"))
            if tool and tool not in self.tools:
                self.tools.append(tool)

    def _event(self, raw: Raw, kind: str, told: dict[str, Any]) -> bool:
        """Whether the event told something about a part that is a step."""
        if kind.startswith("session."):
            info = _table(told.get("info"))
            id = as_text(info.get("id") or told.get("sessionID"))
            if info:
                self.sessions.setdefault(id, {}).update(info)
            if kind == "session.error":
                error = _table(told.get("error"))
                reason = _table(error.get("data")).get("message") or error.get("name")
                self.errors[id] = as_text(reason) or "session.error"
            return False
        if kind == "message.updated":
            self._message(_table(told.get("info")))
            return False
        if kind == "message.part.updated":
            return self._part(raw, told.get("part"))
        if kind == "message.part.delta":
            part = self.parts.get(as_text(told.get("partID")))
            if part is not None:
                part.raws.append(raw)
                return True
        return False

    def _message(self, info: dict[str, Any]) -> None:
        if info.get("id"):
            self.messages.setdefault(as_text(info["id"]), {}).update(info)

    def _part(self, raw: Raw, value: Any) -> bool:
        part = _table(value)
        id, message = as_text(part.get("id")), as_text(part.get("messageID"))
        if part.get("type") == "step-finish":
            self.finished.setdefault(message, []).append((raw, part))
            return True
        if part.get("type") not in ("text", "reasoning", "tool", "file", "subtask"):
            return False
        id = id or f"#{len(self.parts)}"
        if id not in self.parts:
            self.parts[id] = _Part(as_text(part.get("sessionID")), message)
        self.parts[id].raws.append(raw)
        self.parts[id].value = part
        return True

    def export(self, value: dict[str, Any]) -> Iterator[Problem]:
        """The sessions of an export: every part is a record."""
        info = _table(value.get("info"))
        session = as_text(info.get("id"))
        self.sessions[session] = info
        for index, message in enumerate(value["messages"]):
            head = _table(_table(message).get("info"))
            self._message(head)
            own = {"sessionID": head.get("sessionID") or session, "messageID": head.get("id")}
            parts = _list(_table(message).get("parts"))
            if not parts:  # else every part is a record of its own
                self.source.see(f"/messages/{index}")
                raw = Raw(record=f"/messages/{index}", index=index)
                yield self.source.skip(raw, "a message without parts")
            for raw, part in self.source.records(parts, f"/messages/{index}/parts"):
                if not self._part(raw, own | _table(part)):
                    yield self.source.skip(raw, "a part that says or does nothing")

    def _root(self, session: str) -> str:
        seen = {session}
        while (above := as_text(self.sessions.get(session, {}).get("parentID"))) not in ("", *seen):
            session = above
            seen.add(session)
        return session

    def traces(self) -> Iterator[Trace | Problem]:
        """The traces, in the order in which their sessions begin."""
        roots: dict[str, list[_Part]] = {}
        for part in self.parts.values():
            roots.setdefault(self._root(part.session), []).append(part)
        for root, parts in roots.items():
            yield _Session(self, root).read(parts)
        for waiting in self.finished.values():
            for raw, _ in waiting:
                yield self.source.skip(raw, "step-finish: of a message without parts")


class _Session:
    """The trace of one root session and the sub-agents under it."""

    def __init__(self, log: _Log, root: str) -> None:
        self.log, self.root = log, root
        version = as_text(log.sessions.get(root, {}).get("version")) or None
        self.build = Builder(log.source, OpenCodeEvents.name, framework="opencode", version=version)
        self.last: dict[str, str] = {}

    def read(self, parts: list[_Part]) -> Trace:
        log, build = self.log, self.build
        for part in parts:
            self._add(part)
        main = self.last.get(self.root)
        for session, agent in self.last.items():
            above = as_text(log.sessions.get(session, {}).get("parentID"))
            build.agent(
                agent,
                system_prompt=log.prompts.get(session),
                tools=tuple(log.tools),
                parent=self.last.get(above) if self.last.get(above) != agent else None,
            )
        steps = build.steps
        own = [s for s in steps if s.extra.get("sessionID") == self.root and s.agent == main]
        said = [s for s in own if s.content and s.kind == "message"]
        outcome = Outcome(answer=said[-1].content if said else None)
        errors = [log.errors[s] for s in (self.root, "") if s in log.errors]
        if errors:
            outcome = Outcome("failure", outcome.answer, reason=errors[0], by="session.error")
        return build.trace(
            self.root or log.source.default_id(),
            task=Task(question=next((s.content for s in steps if s.agent == "user"), "")),
            outcome=outcome,
            extra=rest(log.sessions.get(self.root, {}), "id", "version"),
            sha256=log.source.sha256,
        )

    def _add(self, part: _Part) -> None:
        value = part.value
        message = self.log.messages.get(part.message, {})
        who = self._who(part, message)
        state = _table(value.get("state"))
        clock = _table(state.get("time") or value.get("time") or message.get("time"))
        tools: tuple[ToolCall, ...] = ()
        if value.get("type") == "tool":
            failed = state.get("status") == "error"
            error = as_text(state.get("error")) or "error" if failed else None
            done = state.get("output")
            tools = (
                ToolCall(
                    as_text(value.get("tool")),
                    arguments=state.get("input"),
                    result=None if done is None else as_text(done),
                    error=error,
                    call_id=as_text(value.get("callID")) or None,
                ),
            )
        given = _table(state.get("input"))
        index = self.build.add(
            who,
            as_text(value.get("text") or value.get("filename") or ""),
            part.raws,
            kind="tool_call" if tools else "thought" if value["type"] == "reasoning" else None,
            to=as_text(given.get("subagent_type")) or None,
            tools=tools,
            time=read_time(clock.get("start") or clock.get("created"), clock.get("end")),
            extra=_extra(value, state),
        )
        if who == "user":
            self.build.agent("user", role="user")
        else:
            self._count(index, part.message, message)

    def _who(self, part: _Part, message: dict[str, Any]) -> str:
        agent = as_text(message.get("agent") or message.get("mode")) or "assistant"
        above = as_text(self.log.sessions.get(part.session, {}).get("parentID"))
        if message.get("role") == "user":
            return self.last.get(above, "assistant") if above else "user"
        self.last[part.session] = agent
        return agent

    def _count(self, index: int, id: str, message: dict[str, Any]) -> None:
        """Note the tokens of a message at its first step."""
        for raw, finish in self.log.finished.pop(id, ()):
            tokens = _table(finish.get("tokens"))
            cache = _table(tokens.get("cache"))
            before = self.build.steps[index].usage or Usage()
            counts = (tokens.get("input"), cache.get("read"), cache.get("write"))
            used = sum(as_count(count) or 0 for count in counts)
            made = (as_count(tokens.get("output")) or 0) + (as_count(tokens.get("reasoning")) or 0)
            usage = Usage(
                input_tokens=(before.input_tokens or 0) + used,
                output_tokens=(before.output_tokens or 0) + made,
                cost=(before.cost or 0.0) + (as_number(finish.get("cost")) or 0.0),
                model=as_text(message.get("modelID")) or None,
            )
            self.build.merge(index, raw, usage=usage)


def _extra(value: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    left = rest(value, "type", "text", "state", "time", "tool", "callID")
    more = rest(state, "input", "output", "error", "time")
    return left | ({"state": more} if more else {})


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
