"""OpenHands in its three generations.

A list of events (`trajectory.json` of the app), the lines of an evaluation's `output.jsonl` whose
`history` holds such events (older ones in pairs of action and observation), and the event log of
the agent SDK, where every event names its `kind`. Agents are named as the events name them
(`user`, `agent`, `environment`); a delegate acts under its own name until it is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import Document, documents
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.openhands_sdk import Sdk
from tracekit.ingest.parts import as_text, maybe_json, read_call, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, StepKind, Task, ToolCall, Trace


class OpenHands:
    """Reads event lists, evaluation outputs and SDK event logs."""

    name: ClassVar[str] = "openhands"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when events act or observe, or name a kind of the SDK."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return 0.0
        kinds = rb'"kind"\s*:\s*"(?:ActionEvent|ObservationEvent|MessageEvent|SystemPromptEvent|'
        if re.search(kinds + rb'ConversationStateUpdateEvent)"', head):
            return 0.95
        acts = re.search(rb'"(?:action|observation)"\s*:\s*"[a-z_]+"', head) is not None
        if b'"instance_id"' in head and (b'"history"' in head or b'"git_patch"' in head):
            marks = (b'"test_result"', b'"instruction"', b'"agent_class"')
            return 0.9 if sum(mark in head for mark in marks) >= 2 else 0.6 if acts else 0.0
        told = b'"source"' in head and (b'"args"' in head or b'"extras"' in head)
        timed = b'"timestamp"' in head and (b'"cause"' in head or b'"message"' in head)
        return (0.92 if timed else 0.85) if acts and told else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per list of events or line of output; SDK events in lines are one trace."""
        loose: list[tuple[Raw, Any]] = []
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
            elif isinstance(document.value, dict) and isinstance(
                document.value.get("history"), list
            ):
                yield from _output(source, document, document.value)
            elif isinstance(document.value, dict) and "instance_id" in document.value:
                yield _without_history(source, document)
            elif isinstance(document.value, list):
                yield from _events(source, document, document.value)
            elif document.line is not None:
                loose.append((Raw(record=document.line, line=document.line), document.value))
            else:
                yield from _single(source, document)
        if loose:
            yield from _loose(source, loose)


def _without_history(source: OpenSource, document: Document) -> Problem:
    """A run of an evaluation that left nothing but its result."""
    key = document.line if document.line is not None else "/"
    source.see(key)
    raw = Raw(record=key, line=document.line)
    failed = as_text(document.value.get("error")).strip()
    return source.skip(raw, f"a run without a history; its error: {failed[:200] or 'none'}")


def _single(source: OpenSource, document: Document) -> Iterator[Trace | Problem]:
    """A document that is one event, or an object around a list of them."""
    value = document.value
    for key in ("events", "trajectory", "items", "results"):
        if isinstance(value, dict) and isinstance(value.get(key), list):
            yield from _events(source, document, value[key], f"/{key}", rest(value, key))
            return
    if isinstance(value, dict) and (_is_legacy(value) or "kind" in value):
        yield from _events(source, document, [value])
        return
    yield source.problem(None, "there is neither an event nor a history of events")


def _events(
    source: OpenSource,
    document: Document,
    items: list[Any],
    where: str = "",
    extra: dict[str, Any] | None = None,
) -> Iterator[Trace | Problem]:
    pairs = list(source.records(items, where, document.line))
    if any(isinstance(item, dict) and "kind" in item and not _is_legacy(item) for item in items):
        yield from Sdk(source, OpenHands.name).read(pairs, document.id(source))
        return
    run = _Legacy(source)
    for raw, item in pairs:
        yield from run.add(raw, item)
    yield run.trace(document.id(source), {}, extra or {})


def _loose(source: OpenSource, pairs: list[tuple[Raw, Any]]) -> Iterator[Trace | Problem]:
    """Events in lines."""
    if any(isinstance(item, dict) and _is_legacy(item) for _, item in pairs):
        run = _Legacy(source)
        for raw, item in pairs:
            yield from run.add(raw, item)
        yield run.trace(source.default_id(), {}, {})
    else:
        yield from Sdk(source, OpenHands.name).read(pairs, source.default_id())


def _output(
    source: OpenSource, document: Document, record: dict[str, Any]
) -> Iterator[Trace | Problem]:
    """A line of an evaluation's output."""
    run = _Legacy(source)
    history = record["history"]
    sdk = [item for item in history if isinstance(item, dict) and "kind" in item]
    if sdk and not any(_is_legacy(item) for item in sdk):
        pairs = list(source.records(history, "/history", document.line))
        yield from Sdk(source, OpenHands.name).read(pairs, document.id(source), record)
        return
    prefix = "" if document.line is None else f"{document.line}:"
    for index, item in enumerate(history):
        for pointer, event in _unpaired(item, f"/history/{index}"):
            raw = Raw(record=prefix + pointer, line=document.line, index=index)
            source.see(raw.record)
            yield from run.add(raw, event)
    yield run.trace(document.id(source), record, rest(record, "history", "instruction"))


def _unpaired(item: Any, where: str) -> Iterator[tuple[str, Any]]:
    """An event, or the two of an old pair [action, observation]."""
    if isinstance(item, list):
        yield from ((f"{where}/{index}", event) for index, event in enumerate(item))
    else:
        yield where, item


def _is_legacy(event: dict[str, Any]) -> bool:
    return isinstance(event.get("action"), str) or isinstance(event.get("observation"), str)


_KINDS: dict[str, StepKind] = {
    "message": "message", "system": "system", "recall": "system", "think": "thought",
    "finish": "final", "reject": "final", "delegate": "handoff", "null": "message",
    "change_agent_state": "system", "condensation": "system", "condensation_request": "system",
}  # fmt: skip
_SAID = ("content", "thought", "final_thought", "task")


class _Legacy:
    """The events of one run before the SDK."""

    def __init__(self, source: OpenSource) -> None:
        self.source = source
        self.build = Builder(source, OpenHands.name, framework="openhands")
        self.by_id: dict[Any, int] = {}
        self.responses: set[str] = set()
        self.delegates: list[str] = []
        self.answer: str | None = None

    def add(self, raw: Raw, event: Any) -> Iterator[Problem]:
        """One event is one step."""
        if not isinstance(event, dict) or not _is_legacy(event):
            yield self.source.problem(raw, "an event neither acts nor observes")
        elif isinstance(event.get("action"), str):
            self._act(raw, event)
        elif event["observation"] == "null":
            yield self.source.skip(raw, "an action that gave nothing to observe")
        else:
            self._observe(raw, event)

    def _act(self, raw: Raw, event: dict[str, Any]) -> None:
        action = event["action"]
        args = _table(event.get("args"))
        call = self._call(action, args, event)
        said = next(
            (args[key] for key in _SAID if isinstance(args.get(key), str) and args[key]), ""
        )
        if action == "finish":
            said = as_text(args.get("final_thought")) or said or as_text(event.get("message"))
            self.answer = said or self.answer
        elif action in ("edit", "write"):
            said = as_text(args.get("thought"))
        kind = _KINDS.get(action, "tool_call")
        target = as_text(args.get("agent")) if action == "delegate" else ""
        index = self.build.add(
            self._who(event, "agent"),
            read_content(said).text,
            raw,
            kind=kind,
            to=target or None,
            tools=(call,) if kind in ("tool_call", "handoff") else (),
            time=read_time(event.get("timestamp")),
            usage=self._usage(event),
            extra=_extra(event),
        )
        self._remember(event, index)
        if action == "system":
            self.build.version = as_text(args.get("openhands_version")) or None
            prompt, role = as_text(args.get("content")), as_text(args.get("agent_class"))
            self.build.agent(self._who(event, "agent"), system_prompt=prompt, role=role)
        elif target:
            self.build.agent(target, parent=self.build.steps[index].agent)
            self.delegates.append(target)

    def _observe(self, raw: Raw, event: dict[str, Any]) -> None:
        text = read_content(event.get("content")).text
        cause = self.by_id.get(_key(event.get("cause")))
        if cause is None and not {"cause", "id"} & event.keys() and self.build.steps:
            cause = len(self.build.steps) - 1  # old pairs have no ids: the action stands before
        request = self.build.steps[cause].tool if cause is not None else None
        answer = ToolCall(
            name=request.name if request else "",
            result=text,
            error=_error(event, text),
            call_id=request.call_id if request else None,
        )
        state = event["observation"] in ("agent_state_changed", "recall", "condense")
        if event["observation"] == "delegate" and self.delegates:
            self.delegates.pop()
        index = self.build.add(
            self._who(event, "environment"),
            text,
            raw,
            kind="system" if state else "tool_result" if request or answer.error else None,
            parent=cause,
            tools=(answer,) if request or (answer.error and not state) else (),
            time=read_time(event.get("timestamp")),
            extra=_extra(event),
        )
        self._remember(event, index)

    def _who(self, event: dict[str, Any], default: str) -> str:
        who = as_text(event.get("source")) or default
        if who == "user":
            self.build.agent("user", role="user")
        return self.delegates[-1] if who == "agent" and self.delegates else who

    def _remember(self, event: dict[str, Any], index: int) -> None:
        if event.get("id") is not None:
            self.by_id[_key(event["id"])] = index

    def _call(self, action: str, args: dict[str, Any], event: dict[str, Any]) -> ToolCall:
        """The call as the model wrote it, else as the event holds it."""
        meta = _table(event.get("tool_call_metadata"))
        call_id = as_text(meta.get("tool_call_id")) or None
        for asked in _asked(meta.get("model_response")):
            if asked.call_id == call_id and asked.name:
                return asked
        given = rest(args, "thought", "hidden", "blocking", "confirmation_state", "is_static")
        name = as_text(meta.get("function_name")) or as_text(args.get("name")) or action
        return ToolCall(name, arguments=given, call_id=call_id)

    def _usage(self, event: dict[str, Any]) -> Any:
        """Tokens of the model's answer, once, though several actions may come from it."""
        answer = _table(_table(event.get("tool_call_metadata")).get("model_response"))
        id = as_text(answer.get("id"))
        if not answer or id in self.responses:
            return None
        self.responses.add(id or str(len(self.responses)))
        return read_usage(answer.get("usage"), answer.get("model"))

    def trace(self, id: str, record: dict[str, Any], extra: dict[str, Any]) -> Trace:
        """The finished trace; `record` is the line of an evaluation, empty for bare events."""
        first = (s.content for s in self.build.steps if s.agent == "user" and s.kind == "message")
        question = as_text(record.get("instruction")) or next(first, "")
        tested = _table(record.get("test_result"))
        return self.build.trace(
            id,
            task=Task(
                question=question,
                expected=as_text(tested.get("ground_truth")) or None,
                id=as_text(record.get("instance_id")) or None,
            ),
            outcome=_outcome(record, self.answer),
            extra=extra,
            sha256=self.source.sha256,
        )


def _asked(response: Any) -> Iterator[ToolCall]:
    """The calls in a model's answer as it was logged."""
    choices = _table(response).get("choices")
    for choice in choices if isinstance(choices, list) else ():
        calls = maybe_json(_table(_table(choice).get("message")).get("tool_calls"))
        for call in calls if isinstance(calls, list) else ():
            yield read_call(call)


def _error(event: dict[str, Any], text: str) -> str | None:
    if event["observation"] == "error":
        return text or "error"
    extras = _table(event.get("extras"))
    for place in (_table(extras.get("metadata")), extras):
        code = place.get("exit_code")
        if isinstance(code, int) and not isinstance(code, bool) and code != 0:
            return f"exit code {code}"
    return None


def _outcome(record: dict[str, Any], answer: str | None) -> Outcome:
    """What a judge said about the run: never what the agent said about itself."""
    tested = _table(record.get("test_result"))
    answer = answer or as_text(tested.get("git_patch") or record.get("git_patch")) or None
    for place, name in (
        (record, ""),
        (_table(record.get("report")), "report."),
        (tested, "test_result."),
        (_table(tested.get("report")), "test_result.report."),
    ):
        for key in ("resolved", "success", "score"):
            if isinstance(place.get(key), bool):
                return Outcome("success" if place[key] else "failure", answer, by=name + key)
    if record.get("error"):
        return Outcome("failure", answer, reason=as_text(record["error"]), by="error")
    return Outcome(answer=answer)


def _extra(event: dict[str, Any]) -> dict[str, Any]:
    left = rest(event, "source", "timestamp", "content", "tool_call_metadata", "llm_metrics")
    if isinstance(left.get("args"), dict):
        left["args"] = rest(left["args"], *_SAID)
    return {key: value for key, value in left.items() if value not in (None, {}, "")}


def _key(id: Any) -> str:
    return as_text(id)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
