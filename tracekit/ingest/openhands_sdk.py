"""Events of the OpenHands agent SDK: every one names its `kind`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.meters import read_time
from tracekit.ingest.parts import as_text, read_call, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, StepKind, Task, ToolCall, Trace

_SILENT = {
    "ConversationStateUpdateEvent": "the state or the statistics of the conversation",
    "PauseEvent": "the run was paused",
    "CondensationRequest": "the history is to be condensed",
    "Condensation": "the history was condensed",
    "LLMCompletionLogEvent": "a log of a model call",
}
_FAILED = ("error", "stuck")
_READ = (
    "kind", "source", "timestamp", "thought", "tool_call", "tool_name", "tool_call_id",
    "observation", "action_id", "llm_message", "system_prompt", "tools",
)  # fmt: skip


class Sdk:
    """The reading of one conversation."""

    def __init__(self, source: OpenSource, format: str) -> None:
        self.source = source
        self.build = Builder(source, format, framework="openhands-sdk")
        self.by_id: dict[str, int] = {}
        self.status = ""
        self.stats: Any = None
        self.answer: str | None = None
        self.failure: str | None = None

    def read(
        self, pairs: Iterable[tuple[Raw, Any]], id: str, record: dict[str, Any] | None = None
    ) -> Iterator[Trace | Problem]:
        """The trace of the events; `record` is the line of an evaluation around them."""
        for raw, event in pairs:
            if not isinstance(event, dict):
                yield self.source.problem(raw, "an event is not an object")
                continue
            kind = as_text(event.get("kind"))
            if kind in _SILENT:
                self._note(event)
                yield self.source.skip(raw, f"{kind}: {_SILENT[kind]}")
            else:
                index = self._step(raw, kind, event)
                if event.get("id"):
                    self.by_id[as_text(event["id"])] = index
        yield self._trace(id, record or {})

    def _note(self, event: dict[str, Any]) -> None:
        value = event.get("value")
        if event.get("key") == "execution_status":
            self.status = as_text(value)
        elif event.get("key") == "stats":
            self.stats = value

    def _step(self, raw: Raw, kind: str, event: dict[str, Any]) -> int:
        if kind == "ActionEvent":
            content, step_kind, tools = self._action(event)
        elif kind in ("ObservationEvent", "UserRejectObservation", "AgentErrorEvent"):
            content, step_kind, tools = self._answer(event)
        elif kind == "SystemPromptEvent":
            content, step_kind, tools = _text(event.get("system_prompt")), "system", ()
            offered = event.get("tools")
            listed = offered if isinstance(offered, list) else []
            names = [as_text(_table(tool).get("name")) for tool in listed]
            self.build.agent(
                as_text(event.get("source")) or "agent",
                system_prompt=content,
                tools=tuple(name for name in names if name),
            )
        else:
            message = _table(event.get("llm_message"))
            told = next((event[k] for k in ("error", "detail", "summary") if event.get(k)), None)
            content, step_kind, tools = _text(told or message.get("content")), None, ()
            if kind == "CondensationSummaryEvent":
                step_kind = "system"
            if kind.endswith("ErrorEvent"):
                self.failure = content
        who = as_text(event.get("source")) or "environment"
        index = self.build.add(
            who,
            content,
            raw,
            kind=step_kind,
            tools=tools,
            parent=self.by_id.get(as_text(event.get("action_id"))),
            time=read_time(event.get("timestamp")),
            extra={k: v for k, v in rest(event, *_READ).items() if v not in (None, [], {}, "")},
        )
        if who == "user":
            self.build.agent("user", role="user")
        return index

    def _action(self, event: dict[str, Any]) -> tuple[str, StepKind, tuple[ToolCall, ...]]:
        action = _table(event.get("action"))
        name = as_text(event.get("tool_name"))
        call = read_call(event["tool_call"]) if isinstance(event.get("tool_call"), dict) else None
        if call is None or not call.name:
            given = rest(action, "kind")
            call = ToolCall(name, given, call_id=as_text(event.get("tool_call_id")) or None)
        content = _text(event.get("thought"))
        if action.get("kind") == "FinishAction" or name == "finish":
            self.answer = as_text(action.get("message")) or content
            return self.answer, "final", ()
        if action.get("kind") == "ThinkAction" or name == "think":
            return as_text(action.get("thought")) or content, "thought", (call,)
        return content, "tool_call", (call,)

    def _answer(self, event: dict[str, Any]) -> tuple[str, StepKind, tuple[ToolCall, ...]]:
        seen = _table(event.get("observation"))
        told = event.get("error") or event.get("rejection_reason")
        text = _text(seen.get("content") or seen.get("output") or told)
        code = seen.get("exit_code")
        failed = bool(seen.get("is_error") or told)
        error = text or "error" if failed else f"exit code {code}" if _nonzero(code) else None
        answer = ToolCall(
            as_text(event.get("tool_name")),
            result=text,
            error=error,
            call_id=as_text(event.get("tool_call_id")) or None,
        )
        return text, "tool_result", (answer,)

    def _trace(self, id: str, record: dict[str, Any]) -> Trace:
        first = (s.content for s in self.build.steps if s.agent == "user")
        outcome = Outcome(answer=self.answer, reason=self.status or None)
        if self.failure is not None:
            outcome = Outcome("failure", self.answer, reason=self.failure, by="error event")
        elif self.status in _FAILED:
            outcome = Outcome("failure", self.answer, reason=self.status, by="execution_status")
        extra = rest(record, "history", "instruction") | (
            {"stats": self.stats} if self.stats is not None else {}
        )
        task_id = as_text(record.get("instance_id")) or None
        return self.build.trace(
            id,
            task=Task(as_text(record.get("instruction")) or next(first, ""), id=task_id),
            outcome=outcome,
            extra=extra,
            sha256=self.source.sha256,
        )


def _nonzero(code: Any) -> bool:
    return isinstance(code, int) and not isinstance(code, bool) and code != 0


def _text(value: Any) -> str:
    return read_content(value).text


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
