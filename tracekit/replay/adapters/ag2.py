"""AG2 1.x teams as replayable systems: the program is run again, on the recorded replies.

AG2 keeps no state of a whole team that could be loaded: each agent has its own history, and who
speaks when is decided by a hub, by tools or by the user's own code. All of it follows from what
the models and the tools said. So a checkpoint holds just that, and a resume runs the program from
its beginning, with the recorded replies up to the step. Every history is restored by AG2 itself.
Needs the extra `ag2`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from tracekit.capture.ag2 import Ag2Capture
from tracekit.errors import BackendError, UsageError
from tracekit.replay.adapters.ag2_replies import SILENCE, Reel, Replies
from tracekit.replay.adapters.recording import (
    MemoryRecorder,
    Origin,
    checked,
    expect_step,
    normalised,
    whole,
)
from tracekit.replay.tools import RecordedTools, answered
from tracekit.replay.types import Checkpoint, Intervention
from tracekit.trace import Agent, Inputs, Outcome, Step, Task, ToolCall, Trace


class Team:
    """What `build` returns: the agents, and the program that lets them work.

    `play(capture)` starts everything and waits until the work is done; a program with a hub says
    `capture.watch(hub=hub)`. Agents that are tools of others need not be listed.
    """

    def __init__(
        self, agents: Sequence[Any], play: Callable[[Ag2Capture], Awaitable[object]]
    ) -> None:
        self.agents, self.play = tuple(agents), play


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint of a team holds, all of it JSON."""

    task: Task
    origin: Origin
    steps: tuple[Step, ...]
    """The steps before it."""
    at: Step
    """The step that was taken next."""
    calls: list[ToolCall]
    """All answered calls of the run, for tools that are not to be called twice."""
    made: int
    """How many of them were made before."""

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> State:
        """The state again; raises `UsageError` for what is none."""
        try:
            return msgspec.convert(checkpoint.state, cls)
        except msgspec.ValidationError as error:
            raise UsageError(f"not a checkpoint of an AG2 system: {error}") from None


class Ag2System:
    """A `Replayable` around a team of AG2 agents.

    `build(task, seed)` makes a new team; models must be seeded with `seed` for what follows a step
    to be the same again. `check(trace)` says how a run ended. The program must do the same when it
    hears the same; when it does not, `BackendError`.

    Tools are not called again for the steps before a checkpoint, but for those named in `again`,
    whose results are more than text (a `Handoff`). Tools in `sealed`, which buy, send or delete,
    answer from the recording after the checkpoint as well, and `BackendError` follows from a call
    that is not in it. `limit` is the longest that a run may take, in seconds. `pause` are seconds
    before each recorded reply: on a hub, agents that are woken by one message wait for each other
    only as long as models take their time.

    A dropped message is an empty reply; several actions at one step are one reply. What agents do
    inside a tool of another one is resumed at the step of that tool.
    """

    def __init__(
        self,
        build: Callable[[Task, int], Team],
        check: Callable[[Trace], Outcome | bool],
        *,
        name: str = "ag2",
        again: Collection[str] = (),
        sealed: Collection[str] = (),
        agents: Callable[[Task], Sequence[Agent]] | None = None,
        pause: float = 0.0,
        limit: float = 300.0,
    ) -> None:
        self.build, self._check, self.name = build, check, name
        self.again, self.sealed = frozenset(again), frozenset(sealed)
        self.agents, self.pause, self.limit = agents, pause, limit

    def run(self, task: Task, seed: int) -> Trace:
        """One run of the team."""
        return self._played(task, Origin(self.name, seed), Reel())

    def checkpoints(self, trace: Trace) -> list[Checkpoint]:
        """The replies before every step, as the trace has them.

        Any trace of the same team will do, one that `Ag2Capture` recorded included.
        """
        origin = self._origin(trace)
        calls = answered(trace)
        found = []
        for step in trace.steps:
            if step.extra.get("error"):
                break  # a model that failed cannot be made to fail again
            if _inside(trace, step):
                continue
            state = State(
                task=trace.task,
                origin=origin,
                steps=normalised(trace.steps[: step.index]),
                at=step,
                calls=[call for _, call in calls],
                made=sum(index < step.index for index, _ in calls),
            )
            found.append(Checkpoint(trace.id, step.index, msgspec.to_builtins(state)))
        return found

    def resume(self, checkpoint: Checkpoint, intervention: Intervention | None, seed: int) -> Trace:
        """The run from a checkpoint on. Raises `UsageError` when the change is for another step."""
        expect_step(checkpoint.step, intervention)
        state = State.of(checkpoint)
        tools = RecordedTools(state.calls)
        for call in state.calls[: state.made]:
            tools.call(call.name, call.arguments)
        origin = state.origin.then(checkpoint.step, intervention, seed)
        told = _with_silences(state.steps, state.origin, checkpoint.step)
        reel = Reel(
            told,
            intervention,
            again=self.again,
            tools=tools,
            sealed=self.sealed,
            pause=self.pause,
        )
        return self._played(state.task, origin, reel)

    def check(self, trace: Trace) -> Outcome:
        """How the run ended, by the check that the system was given."""
        return checked(trace, self._check(trace))

    # --- the machine --------------------------------------------------------------------------

    def _origin(self, trace: Trace) -> Origin:
        """Where a trace came from; a recorded one has no seed of ours."""
        if trace.source.framework == "ag2" and "replay" not in trace.extra:
            return Origin(self.name, seed=-1)
        return Origin.of(trace, self.name)

    def _played(self, task: Task, origin: Origin, reel: Reel) -> Trace:
        """The program from its beginning to its end."""
        recorder = MemoryRecorder()
        try:
            _waited(self._program(task, origin.last_seed, reel, recorder))
        except Exception:  # an error of the program is how the run ended, and is in the trace
            if reel.diverged is None and not recorder.traces:
                raise
        recorded = recorder.trace()
        steps = normalised(recorded.steps)
        if reel.diverged is not None or not _begins(steps, reel.steps):
            raise BackendError(
                f"the program did something else than in the recording: {reel.diverged or task.id}; "
                "it must do the same when it hears the same"
            )
        gone = {at for at, step in enumerate(reel.steps) if step is SILENCE}
        if reel.change is not None and reel.change.dropped:
            gone.add(len(reel.steps))
        steps = without(changed(steps, len(reel.steps), reel.change), gone)
        known = self.agents(task) if self.agents is not None else ()
        trace = whole(recorded, task, origin, steps, known)
        return msgspec.structs.replace(trace, outcome=self.check(trace))

    async def _program(self, task: Task, seed: int, reel: Reel, recorder: MemoryRecorder) -> None:
        team = self.build(task, seed)
        capture = Ag2Capture(recorder)
        capture.watch(*team.agents)
        for agent in _all(team.agents):
            agent.add_middleware(Replies(reel, agent))
        with capture.run(task.question) as run:
            reel.run = run
            await asyncio.wait_for(team.play(capture), self.limit)


def _all(agents: Sequence[Any]) -> list[Any]:
    """The agents and those that they have as tools, each once."""
    found: list[Any] = []
    todo = list(agents)
    while todo:
        agent = todo.pop(0)
        if not any(agent is known for known in found):
            found.append(agent)
            todo += [tool.agent for tool in agent.tools if hasattr(tool, "agent")]
    return found


def _waited(program: Any) -> None:
    """Run a program to its end, inside a running event loop as well."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(program)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, program).result()


def _inside(trace: Trace, step: Step) -> bool:
    """Whether the step was taken inside a tool of another agent."""
    while step.parent is not None:
        above = trace.steps[step.parent]
        if above.kind == "tool_result" or step.kind != "tool_result":
            return True
        step = above
    return False


def _with_silences(steps: Sequence[Step], origin: Origin, before: int) -> list[Step]:
    """The steps as they were taken, with those that were dropped since."""
    taken = list(steps)
    drops = [c for c in origin.changes if c.precedes(before) and c.intervention is not None]
    for earlier, drop in enumerate(c for c in drops if c.intervention and c.intervention.dropped):
        taken.insert(drop.step + earlier, SILENCE)
    return taken


def _begins(steps: Sequence[Step], taken: Sequence[Step]) -> bool:
    """Whether the run begins with the recorded contents; of a run, only the last is `final`."""
    return len(steps) >= len(taken) and all(
        (step.agent, step.content, step.tools) == (known.agent, known.content, known.tools)
        for step, known in zip(steps, taken, strict=False)
        if known is not SILENCE
    )


def changed(steps: tuple[Step, ...], at: int, change: Intervention | None) -> tuple[Step, ...]:
    """The steps with the change as it was asked for: its kind, its addressee, its inputs."""
    if change is None or at >= len(steps) or change.dropped:
        return steps
    step = steps[at]
    if change.actions is None:
        step = msgspec.structs.replace(step, inputs=Inputs(messages=change.inputs or ()))
    else:
        (first, *rest) = change.actions
        content = step.content if rest else first.content
        to = first.to or step.to
        step = msgspec.structs.replace(step, kind=first.kind, to=to, content=content)
    return (*steps[:at], step, *steps[at + 1 :])


def without(steps: tuple[Step, ...], gone: Collection[int]) -> tuple[Step, ...]:
    """The steps but for some, with references counted anew."""
    if not gone:
        return steps
    kept = [step for step in steps if step.index not in gone]
    new = {step.index: at for at, step in enumerate(kept)}
    return tuple(_moved(step, new) for step in kept)


def _moved(step: Step, new: dict[int, int]) -> Step:
    inputs = step.inputs
    if inputs is not None:
        known = tuple(new[index] for index in inputs.steps if index in new)
        inputs = msgspec.structs.replace(inputs, steps=known)
    parent = new.get(step.parent) if step.parent is not None else None
    return msgspec.structs.replace(step, index=new[step.index], parent=parent, inputs=inputs)
