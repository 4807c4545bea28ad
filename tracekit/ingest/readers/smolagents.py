"""smolagents: the memory of an agent, as `agent.memory.get_full_steps()` gives it.

The list holds a system prompt, the task, plans, and actions; an action is one turn with thought,
calls and observations, and each item is one step. Fields moved between versions: `step` became
`step_number`, times went into `timing`, and `token_usage` came.
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
from tracekit.ingest.parts import as_text, read_calls, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, StepKind, Task, ToolCall, Trace

AGENT = "agent"
"""The agent of a memory whose owner the file does not name."""

_ACTION = ("model_input_messages", "model_output_message", "observations", "action_output")


class Smolagents:
    """Reads memory dumps of one agent."""

    name: ClassVar[str] = "smolagents"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when a task is followed by actions of the library."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"[", b"{"):
            return 0.0
        known = sum(f'"{key}"'.encode() in head for key in _ACTION)
        task = re.search(rb'"task"\s*:', head) is not None
        if b'"agent_name"' in head and b'"true_answer"' in head:
            return 0.0  # results of a benchmark, one run a line
        if task and b'"task_images"' in head and known:
            return 0.9
        return 0.7 if known >= 3 and (task or b'"tool_calls"' in head) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per memory."""
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
                continue
            value, where = _steps(document.value)
            if value is None:
                yield source.problem(None, "there is no list of memory steps", line=document.line)
                continue
            memory = _Memory(source)
            for raw, item in source.records(value, where, document.line):
                if isinstance(item, dict):
                    memory.add(raw, item)
                else:
                    yield source.problem(raw, "a memory step is not an object")
            outer = document.value if isinstance(document.value, dict) else {}
            yield memory.trace(document.id(source), outer, where[1:])


def _steps(value: Any) -> tuple[list[Any] | None, str]:
    """The list of steps, alone or as a member of an object, and its pointer."""
    if isinstance(value, list):
        return value, ""
    if isinstance(value, dict):
        for key in ("steps", "memory", "agent_memory", "full_steps"):
            if isinstance(value.get(key), list):
                return value[key], f"/{key}"
    return None, ""


class _Memory:
    """The steps of one memory."""

    def __init__(self, source: OpenSource) -> None:
        self.source = source
        self.build = Builder(source, Smolagents.name, framework="smolagents")
        self.question = ""
        self.answer: str | None = None

    def add(self, raw: Raw, item: dict[str, Any]) -> None:
        """Append one memory step."""
        build = self.build
        if "task" in item and not any(key in item for key in _ACTION):
            text = as_text(item["task"])
            self.question = self.question or text
            build.add("user", text, raw, extra=_rest(item, "task"))
            build.agent("user", role="user")
        elif "system_prompt" in item and not any(key in item for key in _ACTION):
            prompt = as_text(item["system_prompt"])
            build.add("system", prompt, raw, kind="system", extra=_rest(item, "system_prompt"))
            build.agent("system", role="system")
            build.agent(AGENT, system_prompt=prompt)
        elif "output" in item and not any(key in item for key in _ACTION):
            self.answer = as_text(item["output"])
            build.add(AGENT, self.answer, raw, kind="final", extra=_rest(item, "output"))
        else:
            self._act(raw, item)

    def _act(self, raw: Raw, item: dict[str, Any]) -> None:
        said = item.get("model_output_message")
        said = said if isinstance(said, dict) else {"content": said}
        text = item.get("plan") or item.get("model_output") or said.get("content")
        tools = _calls(item)
        last = item.get("is_final_answer") is True
        kind: StepKind | None = "final" if last and not tools else None
        kind = "plan" if "plan" in item else "tool_call" if tools else kind
        timing = item["timing"] if isinstance(item.get("timing"), dict) else item
        self.build.add(
            AGENT,
            read_content(text).text,
            raw,
            kind=kind,
            tools=tools,
            time=read_time(timing.get("start_time"), timing.get("end_time")),
            usage=read_usage(item.get("token_usage") or said.get("token_usage")),
            extra=_rest(item, "model_output", "plan", "tool_calls", "token_usage", "observations"),
        )
        self._note_prompt(item.get("model_input_messages"))
        final = next((c for c in tools if c.name == "final_answer"), None)
        if item.get("is_final_answer") is True or final is not None:
            given = final.arguments if final else None
            inner = given.get("answer", given) if isinstance(given, dict) else given
            self.answer = as_text(item.get("action_output") or inner) or self.answer

    def _note_prompt(self, messages: Any) -> None:
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict) and message.get("role") == "system":
                self.build.agent(AGENT, system_prompt=read_content(message.get("content")).text)
                return

    def trace(self, id: str, outer: dict[str, Any], steps: str) -> Trace:
        """The finished trace."""
        return self.build.trace(
            id,
            task=Task(question=self.question),
            outcome=Outcome(answer=self.answer),
            extra=rest(outer, steps),
            sha256=self.source.sha256,
        )


def _calls(item: dict[str, Any]) -> tuple[ToolCall, ...]:
    """The calls of an action; what was observed and what went wrong belongs to the last."""
    calls = read_calls(item.get("tool_calls"))
    if not calls:
        return ()
    observed = item.get("observations")
    result = None if observed is None else read_content(observed).text
    error = item.get("error")
    if isinstance(error, dict):
        error = error.get("message") or error
    last = msgspec.structs.replace(calls[-1], result=result, error=as_text(error) or None)
    return (*calls[:-1], last)


_TOLD = ("start_time", "end_time", "timing", "model_input_messages")


def _rest(item: dict[str, Any], *known: str) -> dict[str, Any]:
    """What is left of a memory step; the prompt repeats the steps before it and is let go."""
    left = rest(item, *known, *_TOLD)
    if not item.get("tool_calls") and item.get("observations") is not None:
        left["observations"] = item["observations"]
    return {key: value for key, value in left.items() if value is not None}
