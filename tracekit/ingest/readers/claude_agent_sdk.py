"""Claude Agent SDK: what went over the stdio of the program, recorded or as `stream-json` output.

Recordings hold `messages` with a `direction`; a stream has one message a line. User and assistant
messages are steps; control messages and hooks are not. The closing `result` repeats the last text
and says how the loop ended, which is not whether the task was solved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, Task, ToolCall, Trace

MAIN = "claude"
"""The main agent; the log gives it no name."""


class ClaudeAgentSdk:
    """Reads recordings and streams of the SDK."""

    name: ClassVar[str] = "claude-agent-sdk"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of directed messages, or of a stream that opens with its `init`."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return 0.0
        if b'"direction"' in head and re.search(rb'"direction"\s*:\s*"(?:send|recv)"', head):
            return 0.95 if b'"cli_version"' in head or b'"control_request"' in head else 0.6
        opening = re.search(rb'"subtype"\s*:\s*"init"', head) and b'"session_id"' in head
        if opening and b'"parentUuid"' not in head:
            return 0.85
        turns = b'"parent_tool_use_id"' in head and b'"session_id"' in head
        return 0.7 if turns and b'"parentUuid"' not in head else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file, or per session of a stream to which runs were appended."""
        run: _Run | None = None
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
                continue
            value = document.value
            if document.line is not None and isinstance(value, dict) and "messages" not in value:
                if run is not None and run.ends_before(value):
                    yield run.trace(source.default_id(), {})
                    run = None
                run = run or _Run(source)
                yield from run.add(Raw(record=document.line, line=document.line), value)
                continue
            items = value.get("messages") if isinstance(value, dict) else value
            if not isinstance(items, list):
                yield source.problem(None, "there is no list under `messages`")
                continue
            alone = _Run(source)
            where = "/messages" if isinstance(value, dict) else ""
            yield from alone.all(source.records(items, where, document.line))
            extra = rest(value, "messages") if isinstance(value, dict) else {}
            yield alone.trace(document.id(source), extra)
        if run is not None:
            yield run.trace(source.default_id(), {})


class _Run:
    """The messages of one conversation."""

    def __init__(self, source: OpenSource) -> None:
        self.source = source
        self.build = Builder(source, ClaudeAgentSdk.name, framework="claude-agent-sdk")
        self.agents: dict[str, str] = {}
        """Calls that started sub-agents, and the kinds of these."""
        self.spoken: dict[str, int] = {}
        self.session = ""
        self.outcome = Outcome()
        self.result: dict[str, Any] = {}

    def ends_before(self, message: dict[str, Any]) -> bool:
        """Whether a message opens another session."""
        id = as_text(message.get("session_id"))
        opens = message.get("type") == "system" and message.get("subtype") == "init"
        return bool(opens and self.build.steps and id and id != self.session)

    def all(self, pairs: Iterable[tuple[Raw, Any]]) -> Iterator[Problem]:
        for raw, item in pairs:
            yield from self.add(raw, item)

    def add(self, raw: Raw, item: Any) -> Iterator[Problem]:
        """One recorded or streamed message."""
        message = item.get("message", item) if _recorded(item) else item
        if not isinstance(message, dict):
            yield self.source.problem(raw, "a message is not an object")
            return
        kind = as_text(message.get("type"))
        self.session = as_text(message.get("session_id")) or self.session
        if kind in ("user", "assistant") and isinstance(message.get("message"), dict):
            self._say(raw, kind, message)
        elif kind == "result":
            yield from self._end(raw, message)
        elif kind == "system" and message.get("subtype") == "init":
            tools = message.get("tools")
            names = tuple(as_text(t) for t in tools) if isinstance(tools, list) else ()
            self.build.agent(MAIN, tools=names)
            self.build.version = as_text(message.get("claude_code_version")) or None
            yield self.source.skip(raw, "opens the session: tools and model")
        else:
            what = f"{kind[:40] or 'a message without a type'}: a message of the protocol"
            yield self.source.skip(raw, what)

    def _say(self, raw: Raw, kind: str, message: dict[str, Any]) -> None:
        said = message["message"]
        content = read_content(said.get("content"))
        tools = tuple(self._named(call) for call in content.tools)
        agent = self.agents.get(as_text(message.get("parent_tool_use_id")), MAIN)
        answers = any(call.result is not None for call in tools)
        who = agent if kind == "assistant" else "tool" if answers else "user"
        if who == "user" and agent != MAIN:
            who = MAIN  # the prompt of a sub-agent
        started = self._start(who, tools)
        index = self.build.add(
            who,
            msgspec.structs.replace(content, tools=tools),
            raw,
            to=started,
            time=read_time(message.get("timestamp")),
            extra=_extra(message, said),
        )
        if who in ("user", "tool"):
            self.build.agent(who, role=who)
        if kind == "assistant":
            self._count(index, said)

    def _named(self, call: ToolCall) -> ToolCall:
        request = self.build.asked(call.call_id) if call.result is not None else None
        return msgspec.structs.replace(call, name=request.name) if request else call

    def _start(self, who: str, tools: tuple[ToolCall, ...]) -> str | None:
        started = None
        for call in tools:
            if call.name in ("Task", "Agent") and call.result is None and call.call_id:
                given = call.arguments if isinstance(call.arguments, dict) else {}
                kind = as_text(given.get("subagent_type")) or "general-purpose"
                self.agents[call.call_id] = self.build.agent(kind, parent=self.build.agent(who))
                started = started or kind
        return started

    def _count(self, index: int, said: dict[str, Any]) -> None:
        """Usage once for each answer of the model, which may come in several messages."""
        usage = read_usage(said.get("usage"), said.get("model"))
        first = self.spoken.setdefault(as_text(said.get("id")) or f"#{index}", index)
        step = self.build.steps[first]
        if usage and (usage.output_tokens or 0) >= (
            step.usage.output_tokens or 0 if step.usage else 0
        ):
            self.build.steps[first] = msgspec.structs.replace(step, usage=usage)

    def _end(self, raw: Raw, message: dict[str, Any]) -> Iterator[Problem]:
        answer = as_text(message.get("result")) or None
        status = as_text(message.get("subtype")) or None
        failed = message.get("is_error") is True or bool(status and status.startswith("error"))
        self.outcome = Outcome(
            "failure" if failed else "unknown",
            answer,
            reason=status,
            by="result.subtype" if failed else None,
        )
        self.result = rest(message, "type", "result")
        last = self.build.steps[-1] if self.build.steps else None
        if last is not None and answer and last.content.strip() == answer.strip():
            self.build.merge(last.index, raw)
        else:
            yield self.source.skip(raw, "closes the session: how the loop ended")

    def trace(self, id: str, extra: dict[str, Any]) -> Trace:
        """The finished trace."""
        if self.result:
            extra = extra | {"result": self.result}
        steps = self.build.steps
        return self.build.trace(
            self.session if self.session not in ("", "default") else id,
            task=Task(question=next((s.content for s in steps if s.agent == "user"), "")),
            outcome=self.outcome,
            extra=extra,
            sha256=self.source.sha256,
        )


def _recorded(item: Any) -> bool:
    return isinstance(item, dict) and "direction" in item


def _extra(message: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    left = rest(message, "type", "message", "timestamp", "session_id")
    extra = {key: value for key, value in left.items() if value is not None}
    more = rest(said, "role", "content", "type")
    return extra | ({"message": more} if more else {})
