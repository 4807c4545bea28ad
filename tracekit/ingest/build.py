"""Putting a trace together: the one place where indices, rosters and raw pointers are made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tracekit.ingest.parts import Content
from tracekit.ingest.sources import OpenSource
from tracekit.names import UNKNOWN, Speaker, speaker
from tracekit.trace import Agent, Label, Outcome, Raw, Source, Step, StepKind, Task, ToolCall, Trace


class Builder:
    """Collects the agents and steps of one trace, in log order.

    Readers call `add` once for every record that is a step and `merge` for every record that adds
    to one; indices stay dense and every agent that speaks is on the roster.
    """

    def __init__(
        self,
        source: OpenSource,
        format: str,
        *,
        framework: str | None = None,
        version: str | None = None,
    ) -> None:
        self.source = source
        self.version = version
        """Version of the framework or format; a reader may learn it late."""
        self._origin = Source(format=format, path=source.path, framework=framework)
        self._agents: dict[str, Agent] = {}
        self.steps: list[Step] = []
        self._callers: dict[str, int] = {}

    @property
    def agents(self) -> tuple[Agent, ...]:
        """The roster so far."""
        return tuple(self._agents.values())

    def agent(self, name: str, **fields: Any) -> str:
        """Put an agent on the roster, or add what is newly known of it; returns its id."""
        id = speaker(name).name
        if id not in self._agents:
            self._agents[id] = Agent(id=id, name=name)
        news = {key: value for key, value in fields.items() if value}
        if news:
            self._agents[id] = msgspec.structs.replace(self._agents[id], **news)
        return id

    def adopt(self, roster: Iterable[Agent]) -> None:
        """Put agents on the roster as they are, for logs that hold tracekit's own."""
        self._agents.update((agent.id, agent) for agent in roster)

    def add(
        self,
        who: str | None,
        content: str | Content,
        raw: Raw | Iterable[Raw],
        *,
        kind: StepKind | None = None,
        to: str | None = None,
        tools: tuple[ToolCall, ...] = (),
        **fields: Any,
    ) -> int:
        """Append a step; returns its index.

        `who` is the speaker as the record writes it (None = unknown); decorations such as
        `(-> WebSurfer)` are taken apart here. `kind` is derived from the tools when not given.
        A tool answer finds the step that asked for it by call id and gets it as `parent`.
        """
        said = speaker(who) if who else Speaker(UNKNOWN)
        agent = self.agent(said.name)
        if isinstance(content, Content):
            tools = (*content.tools, *tools)
            fields.setdefault("media", content.media)
            if kind is None and content.thought and not tools:
                kind = "thought"
            content = content.text
        addressed = to or said.to
        index = len(self.steps)
        step = Step(
            index=index,
            agent=agent,
            kind=kind or _kind(said, tools),
            content=content,
            to=self.agent(addressed) if addressed else None,
            tools=tools,
            raw=(raw,) if isinstance(raw, Raw) else tuple(raw),
            speaker=who if who and who != self._agents[agent].name else None,
            **fields,
        )
        self._note_requests(index, tools)
        for call in tools:
            if call.call_id is None or (call.result is None and call.error is None):
                continue
            if step.parent is None and call.call_id in self._callers:
                step = msgspec.structs.replace(step, parent=self._callers[call.call_id])
        self.steps.append(step)
        return index

    def resume(self, step: Step) -> None:
        """Append a step that was made before, as it is."""
        self._note_requests(step.index, step.tools)
        self.steps.append(step)

    def _note_requests(self, index: int, tools: tuple[ToolCall, ...]) -> None:
        """Keep the calls that a step asks for, so that their answers find it."""
        for call in tools:
            if call.call_id is not None and call.result is None and call.error is None:
                self._callers[call.call_id] = index

    def asked(self, call_id: str | None) -> ToolCall | None:
        """The request with that call id, None when the log holds none."""
        index = self._callers.get(call_id) if call_id else None
        if index is None:
            return None
        calls = self.steps[index].tools  # a merged record may have changed them
        return next((call for call in calls if call.call_id == call_id), None)

    def merge(self, index: int, raw: Raw, **changes: Any) -> None:
        """A further record of step `index`: note where it lies and change the given fields."""
        step = self.steps[index]
        self.steps[index] = msgspec.structs.replace(step, raw=(*step.raw, raw), **changes)
        self._note_requests(index, changes.get("tools", ()))

    def trace(
        self,
        id: str,
        *,
        task: Task | None = None,
        outcome: Outcome | None = None,
        labels: Iterable[Label] = (),
        extra: dict[str, Any] | None = None,
        sha256: str | None = None,
    ) -> Trace:
        """The finished trace."""
        return Trace(
            id=id,
            source=msgspec.structs.replace(self._origin, version=self.version, sha256=sha256),
            task=task or Task(),
            agents=self.agents,
            steps=tuple(self.steps),
            outcome=outcome or Outcome(),
            labels=tuple(labels),
            extra=extra or {},
        )


def rest(record: dict[str, Any], *known: str) -> dict[str, Any]:
    """What a record holds besides the members that the schema models.

    >>> rest({"content": "x", "seed": 3}, "content")
    {'seed': 3}
    """
    return {key: value for key, value in record.items() if key not in known}


def _kind(said: Speaker, tools: tuple[ToolCall, ...]) -> StepKind:
    if said.aside == "thought":
        return "thought"
    if said.aside == "final answer":
        return "final"
    if not tools:
        return "message"
    answered = tools[0].result is not None or tools[0].error is not None
    return "tool_result" if answered else "tool_call"
