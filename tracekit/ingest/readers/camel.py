"""CAMEL and OWL: role-playing rounds of two agents, and results of the GAIA benchmark.

In a round the `user` agent instructs and the `assistant` agent solves, calling tools on the way.
A result of GAIA holds the messages of one agent and the tools it called. Result files are
documents in a row, whatever their name says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import Document, documents
from tracekit.ingest.meters import as_number
from tracekit.ingest.parts import as_text, maybe_json, read_content
from tracekit.ingest.peek import peek
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, Status, Task, ToolCall, Trace

_ROUND = frozenset({"user", "assistant"})
_RESULT = frozenset({"model_answer", "ground_truth", "history", "tool_calls", "score"})
_KNOWN = ("task_id", "model_answer", "ground_truth", "tool_calls", "history", "error", "score")
_DONE = "CAMEL_TASK_DONE"


class Camel:
    """Reads OWL chat histories and CAMEL's GAIA results."""

    name: ClassVar[str] = "camel"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of rounds with `user`, `assistant` and `tool_calls`, and of GAIA results."""
        value = peek(head)
        first = value[0] if isinstance(value, list) and value else value
        if not isinstance(first, dict):
            return 0.0
        if isinstance(value, list) and first.keys() >= _ROUND and isinstance(first["user"], str):
            return 0.9 if "tool_calls" in first else 0.4
        if "model_answer" in first and len(first.keys() & _RESULT) >= 3:
            return 0.9
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per chat, or per result."""
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
            elif isinstance(document.value, list):
                results = [item for item in document.value if _is_result(item)]
                if results:
                    for position, item in enumerate(document.value):
                        yield from _result(source, self.name, item, document, f"/{position}")
                else:
                    yield from _chat(source, self.name, document)
            else:
                yield from _result(source, self.name, document.value, document, "")


def _is_result(item: Any) -> bool:
    return isinstance(item, dict) and "model_answer" in item


def _chat(source: OpenSource, format: str, document: Document) -> Iterator[Trace | Problem]:
    build = Builder(source, format, framework="camel")
    for position, item in enumerate(document.value):
        key = f"/{position}"
        if not isinstance(item, dict):
            source.see(key)
            yield source.problem(Raw(record=key), "a round is not an object")
            continue
        asked = item.get("user")
        if asked is not None:
            _say(build, "user", asked, _raw(source, f"{key}/user", position))
        calls = list(source.records(_listed(item.get("tool_calls")), f"{key}/tool_calls"))
        answer = _raw(source, f"{key}/assistant", position)
        extra = rest(item, "user", "assistant", "tool_calls")
        raws = [answer, *(raw for raw, _ in calls)]
        tools = tuple(_call(call) for _, call in calls)
        _say(build, "assistant", item.get("assistant"), *raws, tools=tools, extra=extra)
    build.agent("user", role="instructor")
    build.agent("assistant", role="executor")
    said = [step.content for step in build.steps]
    yield build.trace(
        document.id(source),
        task=Task(question=said[0] if said else ""),
        outcome=Outcome(answer=said[-1] if said else None),
        sha256=source.sha256,
    )


def _raw(source: OpenSource, key: str, index: int | None = None) -> Raw:
    source.see(key)
    return Raw(record=key, index=index)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _say(build: Builder, who: str, content: Any, *raws: Raw, **fields: Any) -> None:
    text = read_content(content)
    done = _DONE in text.text[:200] if who == "user" else False
    build.add(who, text, raws, kind="final" if done else "message", **fields)


def _call(call: Any) -> ToolCall:
    """A call with its result; OWL and CAMEL name the members differently."""
    if not isinstance(call, dict):
        return ToolCall("", arguments=call)
    return ToolCall(
        name=as_text(call.get("tool_name") or call.get("func_name")),
        arguments=maybe_json(call.get("args", call.get("arguments"))),
        result=as_text(call["result"]) if call.get("result") is not None else None,
        call_id=as_text(call.get("tool_call_id")) or None,
    )


def _result(
    source: OpenSource, format: str, run: Any, document: Document, pointer: str
) -> Iterator[Trace | Problem]:
    if not _is_result(run):
        yield source.problem(None, "this is not a result of the benchmark", line=document.line)
        return
    build = Builder(source, format, framework="camel")
    for raw, item in source.records(
        _listed(run.get("history")), f"{pointer}/history", document.line
    ):
        if not isinstance(item, dict):
            yield source.problem(raw, "a message is not an object")
            continue
        who = as_text(item.get("role_name") or item.get("role")) or None
        extra = {key: value for key, value in rest(item, "role_name", "content").items() if value}
        build.add(who, read_content(item.get("content")), raw, extra=extra)
    calls = list(
        source.records(_listed(run.get("tool_calls")), f"{pointer}/tool_calls", document.line)
    )
    tools = tuple(_call(call) for _, call in calls)
    if build.steps:
        for raw, _ in calls:
            build.merge(len(build.steps) - 1, raw, tools=tools)
    elif calls:
        build.add("Assistant", "", [raw for raw, _ in calls], kind="tool_call", tools=tools)
    task_id = as_text(run.get("task_id")) or None
    yield build.trace(
        document.id(source) + pointer.replace("/", "-"),
        task=Task(
            question=as_text(run.get("Question") or run.get("question")),
            expected=as_text(run.get("ground_truth")) or None,
            id=task_id,
        ),
        outcome=_outcome(run),
        extra=rest(run, *_KNOWN),
        sha256=source.sha256,
    )


def _outcome(run: dict[str, Any]) -> Outcome:
    score = as_number(run.get("score"))
    if isinstance(run.get("score"), bool):
        score = float(run["score"])
    answer, reason = as_text(run.get("model_answer")) or None, as_text(run.get("error")) or None
    if score is None:
        return Outcome(answer=answer, reason=reason)
    status: Status = "success" if score > 0 else "failure"
    return Outcome(status, answer=answer, score=score, reason=reason, by="score")
