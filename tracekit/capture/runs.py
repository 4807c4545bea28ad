"""One run while it goes on: its roster, its steps so far, and what later prompts repeat of them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from tracekit.ingest.build import Builder
from tracekit.ingest.journal import JOURNAL, Instalment
from tracekit.ingest.parts import Content
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.history import History
from tracekit.ingest.spans.messages import Said
from tracekit.names import UNKNOWN, folded, handoff_target, speaker
from tracekit.trace import (
    Agent,
    Inputs,
    Outcome,
    Raw,
    Source,
    Step,
    StepKind,
    Task,
    ToolCall,
    Trace,
)

if TYPE_CHECKING:
    from tracekit.capture.journals import Journal
    from tracekit.capture.recorder import Check, Recorder

BY_TOOL = "the tool that was called names the agent"
BY_CHANGE = "the agent changes from one step to the next"


class Run:
    """A run that is being recorded; made by `Recorder.run`.

    Steps are numbered in the order in which they begin. Machine errors (a full disk) are noted
    in the recorder and do not stop the run.
    """

    def __init__(
        self,
        recorder: Recorder,
        id: str,
        source: Source,
        task: Task,
        extra: dict[str, Any],
        check: Check | None,
    ) -> None:
        self.id, self.task, self.extra = id, task, extra
        self.key = uuid.uuid4().hex
        """Unique among the runs of a recorder, whatever their ids."""
        self.history = History()
        self.lock = threading.RLock()
        self.ended = False
        self._recorder, self._source, self._check = recorder, source, check
        nowhere = OpenSource(Path(), "")
        self._build = Builder(nowhere, source.format, framework=source.framework)
        self._build.version = source.version
        self._noted: dict[str, Agent] = {}
        self._journal: Journal | None = None
        with recorder.guard("the journal could not be opened"):
            self._journal = recorder.journal(source)
        self._write(Instalment(schema=JOURNAL, id=id, source=source, task=task, extra=extra))

    @property
    def steps(self) -> list[Step]:
        """The steps so far; those that go on are marked `unfinished` in `extra`."""
        return self._build.steps

    @property
    def agents(self) -> tuple[Agent, ...]:
        """The roster so far."""
        return self._build.agents

    def begin(self, agents: Iterable[Agent], steps: Iterable[Step]) -> None:
        """Take over what happened before the recording began, for a run that is taken up again."""
        with self.lock:
            self._build.adopt(agents)
            for step in steps:
                self._build.resume(step)
                self.history.add(step)
                self._write_step(step.index)

    def agent(self, name: str, **fields: Any) -> str:
        """Put an agent on the roster, or add what is newly known of it; returns its id."""
        with self.lock:
            return self._build.agent(name, **fields)

    def ask(self, question: str) -> None:
        """Say what the team was asked."""
        with self.lock:
            self.task = msgspec.structs.replace(self.task, question=question)
            self._write(Instalment(task=self.task))

    def know(self, extra: dict[str, Any]) -> None:
        """Add to the `extra` of the trace."""
        with self.lock:
            self.extra = {**self.extra, **extra}
            self._write(Instalment(extra=self.extra))

    def step(
        self,
        who: str | None,
        content: str | Content = "",
        *,
        record: str | None = None,
        open: bool = False,
        kind: StepKind | None = None,
        to: str | None = None,
        tools: Iterable[ToolCall] = (),
        given: list[Said] | None = None,
        extra: dict[str, Any] | None = None,
        **fields: Any,
    ) -> int:
        """Note a step; returns its index.

        `open` marks a step that has begun and will be `finish`ed. `given` is what the agent was
        given: messages that repeat earlier steps become references to them. `record` is the key
        of the event in its own system. Further fields are those of `Step`.
        """
        tools = tuple(tools)
        with self.lock:
            known = dict(extra or {})
            if open:
                known["unfinished"] = True
            handoff = self._handoff(who, to, kind, fields.get("parent"))
            if handoff:
                known.setdefault("handoff", handoff)
            if given is not None:
                fields["inputs"] = self.inputs(who, given)
            index = self._build.add(
                who,
                content,
                (Raw(record=record),) if record is not None else (),
                kind=kind,
                to=to,
                tools=tools,
                extra=known,
                **fields,
            )
            if not open:
                self.history.add(self.steps[index])
            self._write_step(index)
            return index

    def finish(self, index: int, **changes: Any) -> None:
        """What is known of a step when it ends; `extra` is added to, other fields are replaced."""
        with self.lock:
            step = self.steps[index]
            if changes.get("to") is not None:
                changes["to"] = self._build.agent(changes["to"])
            extra = {**step.extra, **changes.pop("extra", {})}
            extra.pop("unfinished", None)
            self.steps[index] = msgspec.structs.replace(step, extra=extra, **changes)
            self.history.add(self.steps[index])
            self._write_step(index)

    def amend(self, index: int, *, to: str | None = None, **extra: Any) -> None:
        """Add to the `extra` of a step that has ended, and say whom it addressed."""
        with self.lock:
            step = self.steps[index]
            addressed = self._build.agent(to) if to is not None else step.to
            extra = {**step.extra, **extra}
            self.steps[index] = msgspec.structs.replace(step, to=addressed, extra=extra)
            self._write_step(index)

    def inputs(self, who: str | None, messages: list[Said]) -> Inputs | None:
        """The messages as references to earlier steps; the first system prompt goes to the roster."""
        prompt = None
        if who is not None:
            prompt = self._prompt(who, messages)
        return self.history.inputs(messages, prompt)

    def _prompt(self, who: str, messages: list[Said]) -> str | None:
        known = next((a for a in self._build.agents if a.id == speaker(who).name), None)
        if known is not None and known.system_prompt:
            return known.system_prompt
        said = next(
            (m.text for m in messages if m.role in ("system", "developer") and m.text), None
        )
        if said:
            self._build.agent(speaker(who).name, system_prompt=said)
        return said

    def target(self, calls: Iterable[ToolCall]) -> str | None:
        """The agent that a request hands over to, spelled as the roster has it; None = nobody."""
        for call in calls:
            named = handoff_target(call.name)
            if named is not None:
                team = {folded(agent.name): agent.name for agent in self._build.agents}
                return team.get(folded(named), named)
        return None

    def _handoff(
        self, who: str | None, to: str | None, kind: StepKind | None, parent: int | None
    ) -> dict[str, str] | None:
        """How control moved, as far as the events show, with what shows it."""
        if to is not None and kind == "handoff":
            return {"to": to, "evidence": BY_TOOL}
        last = self.steps[-1].agent if self.steps else None
        acting = speaker(who).name if who else None
        if acting is None or last is None or UNKNOWN in (last, acting) or last == acting:
            return None
        above = self.steps[parent].agent if parent is not None else None
        inside = f"the step runs inside a step of {last}"
        return {"from": last, "to": acting, "evidence": inside if above == last else BY_CHANGE}

    def end(
        self,
        answer: str | None = None,
        *,
        outcome: Outcome | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Trace | None:
        """Write the run; a checker's word counts more than `outcome`. None when it ended before."""
        with self.lock:
            if self.ended:
                return None
            self.ended = True
            self.extra = {**self.extra, **(extra or {})}
            self._final(answer)
            found = outcome or Outcome()
            if found.answer is None and answer:
                found = msgspec.structs.replace(found, answer=answer)
            trace = self._checked(self._trace(found))
            self._write(Instalment(outcome=trace.outcome, extra=self.extra))
            self._close(self._recorder.write(self, trace))
            return trace

    def abandon(self) -> None:
        """Write the run as one that did not end."""
        with self.lock:
            if not self.ended:
                self.ended = True
                self.extra = {**self.extra, "unfinished": True}
                self._close(self._recorder.write(self, self._trace(Outcome())))

    def _trace(self, outcome: Outcome) -> Trace:
        return self._build.trace(self.id, task=self.task, outcome=outcome, extra=self.extra)

    def _final(self, answer: str | None) -> None:
        """Mark the last step as final when it holds the run's answer."""
        last = self.steps[-1] if self.steps else None
        if last is None or last.kind != "message" or not answer:
            return
        if last.content.strip() == answer.strip():
            self.steps[-1] = msgspec.structs.replace(last, kind="final")
            self._write_step(last.index)

    def _checked(self, trace: Trace) -> Trace:
        """The trace with the outcome that the user's checker gives it."""
        if self._check is None:
            return trace
        verdict: Outcome | bool | None = None
        with self._recorder.guard("the checker failed"):
            verdict = self._check(trace)
        if isinstance(verdict, bool):
            verdict = msgspec.structs.replace(
                trace.outcome, status="success" if verdict else "failure", by="checker"
            )
        return trace if verdict is None else msgspec.structs.replace(trace, outcome=verdict)

    def _write_step(self, index: int) -> None:
        self._write(Instalment(agents=self._news(), steps=(self.steps[index],)))

    def _news(self) -> tuple[Agent, ...]:
        """Agents that the journal does not know yet, or not like this."""
        news = tuple(a for a in self._build.agents if self._noted.get(a.id) is not a)
        self._noted.update((agent.id, agent) for agent in news)
        return news

    def _write(self, new: Instalment) -> None:
        if self._journal is not None:
            with self._recorder.guard("the journal could not be written"):
                self._journal.write(self._recorder.clean(new))

    def _close(self, written: bool) -> None:
        if self._journal is not None:
            with self._recorder.guard("the journal could not be closed"):
                self._journal.close(keep=not written)
            self._journal = None

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        with self._recorder.guard("the run could not be ended"):
            self.end(outcome=None if error is None else failed(error))


def failed(error: BaseException) -> Outcome:
    """The outcome of a run that an exception ended."""
    return Outcome("failure", reason=told(error), by="the exception that ended the run")


def told(error: BaseException) -> str:
    """An exception as text: its type and what it says."""
    said = str(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
