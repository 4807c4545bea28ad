"""Magentic-One's `log.jsonl` (autogen-magentic-one 0.0.1): events of runs appended to one file.

Lines with token counts name no agent: a call of the model comes before what was made of it, so
its tokens belong to the next event. A run starts when the user speaks without having been asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.decode import decode_json
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.peek import peek
from tracekit.ingest.sources import Line, OpenSource
from tracekit.names import speaker
from tracekit.trace import Outcome, StepKind, Task, ToolCall, Trace, Usage

_EVENTS = ("OrchestrationEvent", "AgentEvent", "WebSurferEvent", "LLMCallEvent")
_KNOWN = ("timestamp", "source", "message", "type", "action", "arguments")
_PLANS = ("Initial plan:", "New plan:", "Updated plan:")


class MagenticOneJsonl:
    """Reads logs that hold any number of runs."""

    name: ClassVar[str] = "magentic-one-jsonl"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the first line is one of the log's events."""
        first = peek(head)
        if not isinstance(first, dict) or first.get("type") not in _EVENTS:
            return 0.0
        return 0.95 if "timestamp" in first else 0.6

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per run, in the order of the log."""
        run = _Run(source, self.name, 0)
        for line in source.lines():
            try:
                event = decode_json(line.data, source.limits.depth)
            except ValueError as error:
                yield source.problem(line.raw, f"the line is not JSON: {error}", do="repair it")
                continue
            if not isinstance(event, dict):
                yield source.problem(line.raw, "the line is not an object")
                continue
            if run.begins(event):
                yield from run.close()
                run = _Run(source, self.name, run.number + 1)
            run.add(line, event)
        yield from run.close()


class _Run:
    """The run that is being read."""

    def __init__(self, source: OpenSource, format: str, number: int) -> None:
        self.number = number
        self._build = Builder(source, format, framework="magentic-one")
        self._calls: list[tuple[Line, dict[str, Any]]] = []

    def begins(self, event: dict[str, Any]) -> bool:
        """Whether the user starts another run rather than answering in this one."""
        steps = self._build.steps
        if not steps or speaker(as_text(event.get("source"))).name != "UserProxy":
            return False
        return not any(
            step.to == "UserProxy" or step.content.strip() == "Next speaker UserProxy"
            for step in steps[-2:]
        )

    def add(self, line: Line, event: dict[str, Any]) -> None:
        """Append an event, or keep a model call for the event that follows."""
        if "source" not in event and ("prompt_tokens" in event or "completion_tokens" in event):
            self._calls.append((line, event))
            return
        who = as_text(event.get("source")) or None
        said = speaker(who or "")
        content = read_content(event.get("message"))
        kind: StepKind | None = None
        if said.aside == "thought" and content.text.lstrip().startswith(_PLANS):
            kind = "plan"
        elif said.aside == "termination condition":
            kind = "system"
        action = as_text(event.get("action"))
        tools = (ToolCall(action, event.get("arguments")),) if action else ()
        time = read_time(event.get("timestamp"))
        extra = rest(event, *_KNOWN) | {"type": event.get("type")}
        index = self._build.add(
            who, content, line.raw, kind=kind, tools=tools, time=time, extra=extra
        )
        self._spend(index)

    def _spend(self, index: int) -> None:
        """Give the calls that wait to the step that was made of them."""
        if not self._calls:
            return
        calls = [event for _, event in self._calls]
        counts = [read_usage(event) or Usage() for event in calls]
        usage = Usage(
            input_tokens=sum(count.input_tokens or 0 for count in counts),
            output_tokens=sum(count.output_tokens or 0 for count in counts),
        )
        extra = self._build.steps[index].extra | {"calls": calls}
        for line, _ in self._calls:
            self._build.merge(index, line.raw, usage=usage, extra=extra)
        self._calls.clear()

    def close(self) -> Iterator[Trace | Problem]:
        """The trace of the run; of calls after its last event nothing was logged."""
        build = self._build
        for line, _ in self._calls:
            yield build.source.skip(line.raw, "a model call of which no result was logged")
        if not build.steps:
            return
        user = next((s for s in build.steps if s.agent == "UserProxy"), None)
        if user is not None:
            build.agent("UserProxy", role="user")
        if any(step.agent == "Orchestrator" for step in build.steps):
            build.agent("Orchestrator", role="orchestrator")
        final = [step.content.strip() for step in build.steps if step.kind == "final"]
        yield build.trace(
            build.source.default_id(position=f"-{self.number}"),
            task=Task(question=user.content if user else ""),
            outcome=Outcome(answer=final[-1] if final else None),
            extra={"calls": [event for _, event in self._calls]} if self._calls else {},
            sha256=build.source.sha256,
        )
