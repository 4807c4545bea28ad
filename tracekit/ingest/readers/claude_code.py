"""Claude Code sessions: JSON Lines of user, assistant and bookkeeping records.

Every user and assistant line is a step. One answer of the model is written as several lines with
the same `message.id` and the same `usage`, growing: it is counted once, at the first of them.
Sub-agents are started by the tool `Task` (later `Agent`). Their lines have `isSidechain` and stand
in the session itself (1.0) or in `<session>/subagents/agent-<id>.jsonl` (2.x), which is a trace of
its own whose prompt comes from the main agent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.decode import decode_json
from tracekit.ingest.documents import documents, in_lines
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.sources import Line, OpenSource
from tracekit.trace import Outcome, Raw, Task, ToolCall, Trace, Usage

MAIN = "claude"
"""The agent of a session; the log gives it no name."""

_TEAMMATE = re.compile(r'\s*<teammate-message teammate_id="(?P<who>[^"\n]{1,80})"')
"""Members of a team read each other's messages as if the user had typed them."""
_DELEGATES = ("Task", "Agent")
_BOOKKEEPING = {
    "file-history-snapshot": "a snapshot of file states",
    "progress": "progress of a hook or a sub-agent",
    "queue-operation": "a change of the input queue",
    "summary": "a summary of an earlier session",
    "system": "a notice of the program",
    "attachment": "an attachment of the program",
}


class ClaudeCode:
    """Reads session files and the files of their sub-agents."""

    name: ClassVar[str] = "claude-code"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when lines carry a session id beside the chain of parents."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n\0")[:1] not in (b"{", b"["):
            return 0.0
        if b'"sessionId"' in head and (b'"parentUuid"' in head or b'"isSidechain"' in head):
            return 0.95
        first = head.lstrip().split(b"\n", 1)[0]
        kind = re.search(rb'"type"\s*:\s*"(summary|file-history-snapshot|queue-operation)"', first)
        marks = (b'"leafUuid"', b'"snapshot"', b'"operation"')
        return 0.6 if kind and any(mark in first for mark in marks) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per session in the file, in the order in which the sessions begin."""
        sessions: dict[str, _Session] = {}
        owners: dict[str, _Session] = {}
        for raw, record in _records(source):
            if isinstance(record, Problem):
                yield record
                continue
            above = owners.get(as_text(record.get("parentUuid")))
            id = as_text(record.get("sessionId"))
            session = above or sessions.get(id)
            if record.get("type") not in ("user", "assistant") or not _message(record):
                yield source.skip(raw, _no_message(record))
            else:
                if session is None:
                    session = sessions[id] = _Session(source, id)
                session.add(raw, record)
            if session is not None and record.get("uuid"):
                owners[as_text(record["uuid"])] = session
                session.follow(record)
        for session in sessions.values():
            yield session.trace()


def _records(source: OpenSource) -> Iterator[tuple[Raw, dict[str, Any] | Problem]]:
    """The lines of a session; of an export the items of its list, or its documents."""
    if in_lines(source):
        for line in source.lines():
            yield line.raw, _record(source, line)
        return
    for document in documents(source):
        if isinstance(document, Problem):
            yield Raw(record=""), document
            continue
        listed = isinstance(document.value, list)
        pairs = source.records(document.value if listed else [document.value], "", document.line)
        for raw, item in pairs:
            yield raw, _object(source, raw, item)


def _record(source: OpenSource, line: Line) -> dict[str, Any] | Problem:
    try:
        record = decode_json(line.data, source.limits.depth)
    except ValueError as error:
        return source.problem(line.raw, f"the line is not a JSON document: {error}")
    return _object(source, line.raw, record)


def _object(source: OpenSource, raw: Raw, record: Any) -> dict[str, Any] | Problem:
    if not isinstance(record, dict):
        return source.problem(raw, "the line is not an object")
    return _typed_ahead(record) or record


def _typed_ahead(record: dict[str, Any]) -> dict[str, Any] | None:
    """What the user typed while the agent worked, as the user's line that it stands for."""
    told = record.get("attachment")
    if not isinstance(told, dict) or told.get("type") != "queued_command":
        return None
    if told.get("commandMode", "prompt") != "prompt" or not told.get("prompt"):
        return None
    return record | {"type": "user", "message": {"role": "user", "content": told["prompt"]}}


def _message(record: dict[str, Any]) -> dict[str, Any]:
    message = record.get("message")
    return message if isinstance(message, dict) else {}


def _no_message(record: dict[str, Any]) -> str:
    kind = as_text(record.get("type"))[:40]
    what = _BOOKKEEPING.get(kind, "holds no message")
    return f"{kind or 'a record without a type'}: {what}"


class _Session:
    """The steps of one session, or of one sub-agent in a file of its own."""

    def __init__(self, source: OpenSource, id: str) -> None:
        self.source, self.id = source, id
        self.build = Builder(source, ClaudeCode.name, framework="claude-code")
        self.task = _TaskText()
        self.shared: dict[str, Any] = {}
        self.spoken: dict[str, int] = {}
        self.delegated: dict[str, str] = {}
        """Prompts given to sub-agents, and their kinds."""
        self.sides: dict[str, str] = {}
        """Records of side chains, and the sub-agents whose chains they are in."""
        self.main = False

    def add(self, raw: Raw, record: dict[str, Any]) -> None:
        """Append a line that is a step."""
        message = _message(record)
        content = read_content(message.get("content"))
        tools = tuple(self._named(call) for call in content.tools)
        answers = any(call.result is not None for call in tools)
        who = self._speaker(record, content.text, answers)
        for key in ("cwd", "version", "gitBranch", "userType", "slug", "sessionId", "agentId"):
            if record.get(key):
                self.shared.setdefault(key, record[key])
        index = self.build.add(
            who,
            msgspec.structs.replace(content, tools=tools),
            raw,
            to=self._delegate(who, tools),
            time=read_time(record.get("timestamp")),
            extra=self._extra(record, message),
        )
        if who in ("user", "tool"):
            self.build.agent(who, role=who)
        if record["type"] == "assistant":
            self._count(index, message)
        elif not answers:
            self.task.hear(content.text, record)

    def follow(self, record: dict[str, Any]) -> None:
        """Remember whose chain a record is in, whatever its kind."""
        side = self.sides.get(as_text(record.get("parentUuid")))
        if record.get("isSidechain") and side:
            self.sides.setdefault(as_text(record["uuid"]), side)

    def _speaker(self, record: dict[str, Any], text: str, answers: bool) -> str:
        side = self._side(record, text) if record.get("isSidechain") else None
        self.main = self.main or side is None
        if answers:
            return "tool"
        own = side or as_text(record.get("agentName")) or MAIN
        if record["type"] == "assistant":
            return own
        mate = _TEAMMATE.match(text)
        if mate is not None:
            return mate["who"]
        return MAIN if side and record.get("parentUuid") is None else "user"

    def _side(self, record: dict[str, Any], text: str) -> str:
        """The sub-agent of a side chain: known from the chain, by its prompt, or by its id."""
        name = self.sides.get(as_text(record.get("parentUuid"))) or self.delegated.get(text)
        if name is None:
            agent = as_text(record.get("agentId"))
            name = _kind_in_session(self.source, self.id, agent) or agent or "subagent"
            self.build.agent(name, parent=self.build.agent(MAIN))
        if record.get("uuid"):
            self.sides[as_text(record["uuid"])] = name
        return name

    def _delegate(self, who: str, tools: tuple[ToolCall, ...]) -> str | None:
        """Note the sub-agents that a step starts; returns the first."""
        started = [_kind(call) for call in tools if call.name in _DELEGATES and not call.result]
        for call in tools:
            if call.name in _DELEGATES and isinstance(call.arguments, dict):
                self.build.agent(_kind(call), parent=self.build.agent(who))
                if call.arguments.get("prompt"):
                    self.delegated[as_text(call.arguments["prompt"])] = _kind(call)
        return started[0] if started else None

    def _named(self, call: ToolCall) -> ToolCall:
        request = self.build.asked(call.call_id) if call.result is not None else None
        return msgspec.structs.replace(call, name=request.name) if request else call

    def _count(self, index: int, message: dict[str, Any]) -> None:
        """Usage once for each answer of the model: the last of its lines has the final count."""
        usage = read_usage(message.get("usage"), message.get("model"))
        first = self.spoken.setdefault(as_text(message.get("id")) or f"#{index}", index)
        step = self.build.steps[first]
        if usage and (step.usage is None or _out(usage) >= _out(step.usage)):
            self.build.steps[first] = msgspec.structs.replace(step, usage=usage)

    def _extra(self, record: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
        extra = {
            key: value
            for key, value in rest(record, "type", "message", "timestamp").items()
            if key not in self.shared or self.shared[key] != value
        }
        left = rest(message, "role", "content", "type")
        return extra | ({"message": left} if left else {})

    def trace(self) -> Trace:
        """The finished trace."""
        build = self.build
        agent = as_text(self.shared.get("agentId"))
        id = self.id if self.main or not agent else f"{self.id}-{agent}"
        build.version = as_text(self.shared.get("version")) or None
        return build.trace(
            id or self.source.default_id(),
            task=Task(question=self.task.text),
            outcome=Outcome(answer=self._answer()),
            extra=self.shared,
            sha256=self.source.sha256,
        )

    def _answer(self) -> str | None:
        silent = {"user", "tool"} if not self.main else {"user", "tool", *self.sides.values()}
        return next(
            (
                step.content
                for step in reversed(self.build.steps)
                if step.agent not in silent and step.kind == "message" and step.content.strip()
            ),
            None,
        )


class _TaskText:
    """Finds what the user asked: the first text that is not the program's own."""

    def __init__(self) -> None:
        self.text = ""
        self._command = False

    def hear(self, text: str, record: dict[str, Any]) -> None:
        """Take in the next line of the user."""
        text = _own_words(text)
        if self.text or not text.strip() or record.get("isCompactSummary"):
            return
        given = re.search(r"<command-args>(.*?)</command-args>", text, re.DOTALL)
        if given and given[1].strip():
            self.text = given[1].strip()
        elif text.lstrip().startswith(("<command-", "<local-command", "[Request interrupted")):
            self._command = self._command or text.lstrip().startswith("<command-")
        elif not record.get("isMeta"):
            self.text = text
        elif self._command and not text.startswith("Caveat:"):
            self.text = text  # what a slash command stands for


def _own_words(text: str) -> str:
    """What the user wrote, without what the program puts before it."""
    for tag in ("ide_opened_file", "ide_selection", "system-reminder"):
        while text.lstrip().startswith(f"<{tag}>") and f"</{tag}>" in text:
            text = text.partition(f"</{tag}>")[2].lstrip()
    return text


def _kind(call: ToolCall) -> str:
    """The kind of sub-agent that a call starts."""
    given = call.arguments if isinstance(call.arguments, dict) else {}
    return as_text(given.get("subagent_type")) or "general-purpose"


def _out(usage: Usage) -> int:
    return usage.output_tokens or 0


def _kind_in_session(source: OpenSource, session: str, agent: str) -> str | None:
    """The kind of a sub-agent with a file of its own: noted beside it, or told by the session.

    The session lies above the folder of its sub-agents, or beside them (2.0).
    """
    if not re.fullmatch(r"[\w-]+", session) or not re.fullmatch(r"[\w-]+", agent):
        return None
    try:
        noted = decode_json(source.sibling(f"agent-{agent}.meta.json") or b"null")
    except ValueError:
        noted = None
    if isinstance(noted, dict) and noted.get("agentType"):
        return as_text(noted["agentType"])
    data = source.sibling(f"../../{session}.jsonl") or source.sibling(f"{session}.jsonl")
    kinds: dict[str, str] = {}
    for line in (data or b"").split(b"\n"):
        if b'"Task"' not in line and b'"Agent"' not in line and agent.encode() not in line:
            continue
        try:
            record = decode_json(line)
        except ValueError:
            continue
        for call in read_content(_message(record).get("content")).tools if record else ():
            if call.name in _DELEGATES and call.call_id:
                kinds[call.call_id] = _kind(call)
            result = record.get("toolUseResult")
            if isinstance(result, dict) and result.get("agentId") == agent:
                return kinds.get(call.call_id or "")
    return None
