"""What the adapters have in common: traces without clocks and ids, and where a run came from.

A run is recorded by tracekit's own live capture (`tracekit.capture`), into memory. What differs
from run to run although nothing happened differently is taken out: times, raw records and the ids
that a framework makes up. Tool calls keep their ids, which are the model's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Collection, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from threading import RLock
from typing import Any

import msgspec

from tracekit.capture.recorder import Recorder
from tracekit.capture.runs import Run
from tracekit.errors import BackendError, ContractError, UsageError
from tracekit.replay.tools import RecordedTools
from tracekit.replay.types import Action, Intervention
from tracekit.trace import Agent, Outcome, Source, Step, Task, ToolCall, Trace

KEY = "replay"
"""Member of `Trace.extra` that holds the `Origin`."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One resume that a run went through."""

    step: int
    """Index of the step that it was resumed before."""
    seed: int
    """Seed from there on."""
    intervention: Intervention | None = None
    """What was changed; None = nothing but the seed."""

    def precedes(self, step: int) -> bool:
        """Whether it happened before a step; what a dropped one leaves at its place came later."""
        dropped = self.intervention is not None and self.intervention.dropped
        return self.step < step or (dropped and self.step == step)


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a run came about, so that it can be made again in another process."""

    system: str
    """Name of the adapter."""
    seed: int
    """Seed that the run began with."""
    changes: tuple[Change, ...] = ()
    """What was resumed since, in order."""
    places: list[Any] = []
    """Where the framework keeps the states between steps, in its own terms."""

    @property
    def last_seed(self) -> int:
        """The seed in force at the end of the run."""
        return self.changes[-1].seed if self.changes else self.seed

    def then(self, step: int, intervention: Intervention | None, seed: int) -> Origin:
        """The origin of a resume; itself when that repeats what happened anyway."""
        kept = tuple(change for change in self.changes if change.precedes(step))
        if kept == self.changes and intervention is None and seed == self.last_seed:
            return self
        return msgspec.structs.replace(self, changes=(*kept, Change(step, seed, intervention)))

    def id(self, task: Task) -> str:
        """Id of the trace: the same task, seeds and changes give the same one."""
        words = msgspec.json.encode([self.system, task, self.seed, self.changes])
        return f"{self.system}-{hashlib.sha256(words).hexdigest()[:16]}"

    @classmethod
    def of(cls, trace: Trace, system: str) -> Origin:
        """The origin of a trace; raises `UsageError` when it is no run of that system."""
        try:
            found = msgspec.convert(trace.extra.get(KEY), cls)
        except msgspec.ValidationError as error:
            raise UsageError(f"trace {trace.id} is not a run of {system}: {error}") from None
        if found.system != system:
            raise UsageError(f"trace {trace.id} is a run of {found.system!r}, not of {system!r}")
        return found


class MemoryRecorder(Recorder):
    """Keeps what it records; a run can begin with steps that happened before."""

    def __init__(self, begun: Trace | None = None) -> None:
        # Recorder opens its file at once, and there is none here.
        self._redactor, self._check, self._lock = None, None, RLock()
        self._open, self._errors, self._unwritten = {}, Counter(), []
        self.problems, self.written = [], 0
        self._begun = begun
        self.traces: list[Trace] = []
        """The runs that have ended."""

    @property
    def path(self) -> Path:
        """No file."""
        return Path()

    def journal(self, source: Source) -> None:
        """None: there is nothing to come back to after a crash."""

    def run(self, question: str = "", **about: Any) -> Run:
        """Open a run, with the steps that happened before."""
        run = super().run(question, **about)
        if self._begun is not None:
            run.begin(self._begun.agents, self._begun.steps)
        return run

    def write(self, run: Run, trace: Trace) -> bool:
        """Keep a run that has ended."""
        with self._lock:
            self._open.pop(run.key, None)
            self.traces.append(trace)
        return True

    def trace(self) -> Trace:
        """The one run; raises `ContractError` when there are others or it was recorded badly."""
        if self.problems:
            raise ContractError(f"the run could not be recorded: {self.problems[0].what}")
        if len(self.traces) != 1:
            raise ContractError(
                f"{len(self.traces)} runs were recorded instead of one: everything must happen "
                "inside one call"
            )
        return self.traces[0]


class ServedTools(RecordedTools):
    """Recorded tools that remember a refusal: the run after it says nothing about the system."""

    def __init__(self, calls: list[ToolCall], made: int) -> None:
        """Of the calls, the first `made` were made already."""
        super().__init__(calls)
        self.refused: BackendError | None = None
        for call in calls[:made]:
            super().call(call.name, call.arguments)

    def call(self, name: str, arguments: Any) -> ToolCall:
        """The recorded answer; raises `BackendError` when there is none."""
        try:
            return super().call(name, arguments)
        except BackendError as error:
            self.refused = error
            raise

    def expect_complete(self) -> None:
        """Raise `BackendError` when a call was refused, whatever the framework made of that."""
        if self.refused is not None:
            raise self.refused


def normalised(steps: Iterable[Step], hidden: Collection[str] = ()) -> tuple[Step, ...]:
    """Steps without times and raw records, and without updates of the channels in `hidden`.

    Two recordings of the same run are equal when their normalised steps are.
    """
    return tuple(_bare(step, hidden) for step in steps)


def _bare(step: Step, hidden: Collection[str]) -> Step:
    extra = step.extra
    update = extra.get("update")
    if hidden and isinstance(update, dict):
        kept = {key: value for key, value in update.items() if key not in hidden}
        extra = {key: value for key, value in extra.items() if key != "update"}
        if kept:
            extra["update"] = kept
    return msgspec.structs.replace(step, time=None, raw=(), extra=extra)


def whole(
    recorded: Trace,
    task: Task,
    origin: Origin,
    steps: tuple[Step, ...],
    known: Sequence[Agent] = (),
) -> Trace:
    """The trace of a replayable system: what was recorded, without what is by chance."""
    about = {agent.id: agent for agent in known}
    return Trace(
        id=origin.id(task),
        source=recorded.source,
        task=task,
        agents=tuple(_enriched(agent, about.get(agent.id)) for agent in recorded.agents),
        steps=steps,
        outcome=recorded.outcome,
        extra={KEY: msgspec.to_builtins(origin)},
    )


def _enriched(agent: Agent, known: Agent | None) -> Agent:
    """What the recording shows of an agent, completed by what its maker says."""
    if known is None:
        return agent
    shown = {key: value for key, value in msgspec.structs.asdict(agent).items() if value}
    return msgspec.structs.replace(known, **shown)


def checked(trace: Trace, verdict: Outcome | bool) -> Outcome:
    """A checker's verdict as an outcome."""
    if isinstance(verdict, Outcome):
        return verdict
    answer = trace.steps[-1].content if trace.steps else None
    return Outcome("success" if verdict else "failure", answer, by="checker")


def waited(work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns, inside a running event loop as well.

    It runs in a thread of its own: AG2 looks names in annotations up in the frames of all callers,
    and a caller may have another `Context` than AG2's.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, work).result()


def changed_steps(at: Step, actions: Iterable[Action]) -> list[Step]:
    """The steps that stand in the trace instead of the one at their place."""
    return [
        msgspec.structs.replace(
            at,
            index=at.index + n,
            kind=action.kind,
            content=action.content,
            to=action.to or at.to,
            tools=action.tools,
            media=(),
            usage=None,
        )
        for n, action in enumerate(actions)
    ]


def expect_step(step: int, intervention: Intervention | None) -> None:
    """Raises `UsageError` when the change is for another step."""
    if intervention is not None and intervention.step != step:
        raise UsageError(
            f"the intervention is for step {intervention.step}, the checkpoint is before step {step}"
        )
