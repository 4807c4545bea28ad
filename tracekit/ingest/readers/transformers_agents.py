"""Benchmark runs of transformers.agents, the predecessor of smolagents: one question a line.

The first intermediate step holds the task and the system prompt; the others are turns of one
agent: what the model wrote, the tool it called, what came back. The outcome is derived from the
true answer: a prediction is right that holds it, as number or as whole words without case and
punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import is_message
from tracekit.ingest.documents import Document, each
from tracekit.ingest.meters import as_number
from tracekit.ingest.parts import as_text, maybe_json, read_content
from tracekit.ingest.peek import peek_items
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Inputs, Message, Outcome, Raw, Status, StepKind, Task, ToolCall, Trace

_MARKS = frozenset({"prediction", "intermediate_steps", "true_answer"})
_KNOWN = ("question", "prediction", "intermediate_steps", "true_answer", "agent_error")
_TURN = ("llm_output", "tool_call", "observation", "error", "agent_memory", "facts", "plan")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class TransformersAgents:
    """Reads results of the agent reasoning benchmark."""

    name: ClassVar[str] = "transformers-agents-benchmark"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of a question with prediction, intermediate steps and true answer."""
        found = max((len(item.keys() & _MARKS) for item in peek_items(head)[:1]), default=0)
        return {3: 0.95, 2: 0.6}.get(found, 0.0)

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per question."""
        return each(source, lambda run: bool(_MARKS & run.keys()), _run, "this is not a result")


def _run(
    source: OpenSource, document: Document, run: dict[str, Any], pointer: str
) -> Iterator[Trace | Problem]:
    build = Builder(source, TransformersAgents.name, framework="transformers.agents")
    agent = as_text(run.get("agent_name")) or "agent"
    steps = maybe_json(run.get("intermediate_steps"))
    thought = steps if isinstance(steps, list) else []
    for raw, logged in source.records(thought, f"{pointer}/intermediate_steps", document.line):
        item = _pair(maybe_json(logged))
        if not isinstance(item, dict):
            yield source.problem(raw, "a step is not an object")
        elif "task" in item and "llm_output" not in item:
            build.add(
                "user",
                as_text(item["task"]),
                raw,
                extra=rest(item, "task", "system_prompt", "agent_memory"),
            )
            build.agent("user", role="user")
            build.agent(agent, system_prompt=as_text(item.get("system_prompt")))
        elif is_message(item):
            _memory(build, agent, item, raw)
        else:
            _turn(build, agent, item, raw)
    prediction = as_text(run.get("prediction")) or None
    if not thought and prediction is not None:
        where = f"{pointer}/prediction" if document.line is None else f"{document.line}:{pointer}"
        source.see(where)
        build.add(agent, prediction, Raw(record=where, line=document.line), kind="final")
    expected = as_text(run.get("true_answer")) or None
    yield build.trace(
        document.id(source) + pointer.replace("/", "-"),
        task=Task(question=as_text(run.get("question")), expected=expected),
        outcome=_outcome(run, prediction, expected),
        extra=rest(run, *_KNOWN),
        sha256=source.sha256,
    )


def _memory(build: Builder, agent: str, item: dict[str, Any], raw: Raw) -> None:
    """A message of the memory that smolagents' successor of the benchmark writes instead."""
    who = {"user": "user", "system": "system"}.get(item["role"], agent)
    text = read_content(item.get("content")).text
    asked = () if item["role"] != "tool-call" else (ToolCall("", arguments=text),)
    told = () if item["role"] != "tool-response" else (ToolCall("", result=text),)
    kind: StepKind | None = "system" if who == "system" else None
    build.add(who, text, raw, kind=kind, tools=asked or told, extra=rest(item, "content"))
    if who != agent:
        build.agent(who, role=who)


def _pair(logged: Any) -> Any:
    """A turn as LangChain logs it, `[action, observation]`, in the members of the others."""
    if not isinstance(logged, list) or len(logged) != 2:
        return logged
    action, observation = logged
    if not isinstance(action, dict):
        return {"llm_output": action, "observation": observation}
    called = {"tool_name": action.get("tool"), "tool_arguments": action.get("tool_input")}
    kept = rest(action, "log", "tool", "tool_input")
    return {
        "llm_output": action.get("log"),
        "tool_call": called,
        "observation": observation,
        **kept,
    }


def _turn(build: Builder, agent: str, item: dict[str, Any], raw: Raw) -> None:
    error = item.get("error")
    failure = as_text(error.get("message") if isinstance(error, dict) else error) or None
    called = item.get("tool_call")
    tools: tuple[ToolCall, ...] = ()
    if isinstance(called, dict):
        result = as_text(item["observation"]) if item.get("observation") is not None else None
        arguments = called.get("tool_arguments")
        tools = (
            ToolCall(as_text(called.get("tool_name")), arguments, result=result, error=failure),
        )
    planned = [as_text(item[key]) for key in ("facts", "plan") if item.get(key)]
    said = as_text(item.get("llm_output")) or "\n".join(planned) or failure or ""
    memory = item.get("agent_memory")
    given = tuple(
        Message(as_text(m["role"]), read_content(m.get("content")).text)
        for m in (memory if isinstance(memory, list) else ())
        if is_message(m)
    )
    extra = rest(item, *_TURN)
    for key, value in (
        ("error", error),
        ("tool_call", called),
        ("observation", item.get("observation")),
    ):
        if value is not None and (key == "error" or not tools):
            extra[key] = value
    kind: StepKind = "tool_call" if tools else "plan" if planned else "message"
    if tools and "final_answer(" in as_text(tools[0].arguments):
        kind = "final"
    inputs = Inputs(messages=given) if given else None
    build.add(agent, said, raw, kind=kind, tools=tools, inputs=inputs, extra=extra)


def _outcome(run: dict[str, Any], prediction: str | None, expected: str | None) -> Outcome:
    reason = as_text(run.get("agent_error")) or next(
        (key for key in ("iteration_limit_exceeded", "parsing_error") if run.get(key) is True), None
    )
    if expected is None:
        return Outcome(answer=prediction, reason=reason)
    right = prediction is not None and same_answer(prediction, expected)
    status: Status = "success" if right else "failure"
    return Outcome(status, answer=prediction, reason=reason, by="prediction against true_answer")


def same_answer(prediction: str, expected: str) -> bool:
    """Whether a prediction gives the expected answer.

    >>> same_answer("She earns $1,200 in 3 weeks", "3.0"), same_answer("It is Paris.", "paris")
    (True, True)
    >>> same_answer("12", "2"), same_answer("", "paris")
    (False, False)
    """
    number = as_number(expected.replace(",", "").strip(" $%"))
    if number is not None:
        found = _NUMBER.findall(prediction.replace(",", ""))
        return any(abs(float(one) - number) < 1e-6 for one in found)
    wanted = _words(expected)
    said = _words(prediction)
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(said)} "


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
