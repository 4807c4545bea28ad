"""AG2 1.x teams as replayable systems: the program is run again, on the recorded replies.

AG2 keeps no state of a whole team that could be loaded: each agent has its own history, and who
speaks when is decided by a hub, by tools or by the user's own code. All of it follows from what
the models and the tools said. So a checkpoint holds just that, and a resume runs the program from
its beginning, with the recorded replies up to the step. Every history is restored by AG2 itself.
Needs the extra `ag2`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Any

import msgspec

from tracekit.capture.ag2 import Ag2Capture
from tracekit.errors import BackendError, UsageError
from tracekit.replay.adapters.ag2_replies import SILENCE, Reel, Replies, as_raised, joined
from tracekit.replay.adapters.recording import (
    MemoryRecorder,
    Origin,
    ServedTools,
    changed_steps,
    checked,
    expect_step,
    normalised,
    waited,
    whole,
)
from tracekit.replay.tools import answered
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.trace import Agent, Inputs, Outcome, Step, Task, ToolCall, Trace


class Program:
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
    answer from the recording after the checkpoint as well, and a call that is not in it ends in
    `BackendError`. `limit` is the longest that a run may take, in seconds. `pause` are seconds
    before each recorded reply: on a hub, agents that are woken by one message wait for each other
    only as long as models take their time.

    A dropped message is an empty reply; several actions at one step are one reply, and several steps. What agents do
    inside a tool of another one is resumed at the step of that tool.
    """

    def __init__(
        self,
        build: Callable[[Task, int], Program],
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
        repeated = {
            at for first, end in spans(origin, len(trace.steps)) for at in range(first + 1, end)
        }
        found = []
        for step in trace.steps:
            if step.extra.get("error"):
                break  # a model that failed cannot be made to fail again
            if _inside(trace, step) or step.index in repeated:
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
        tools = ServedTools(state.calls, state.made)
        origin = state.origin.then(checkpoint.step, intervention, seed)
        earlier = spans(state.origin, checkpoint.step)
        reel = Reel(
            taken(state.steps, earlier),
            intervention,
            again=self.again,
            tools=tools,
            sealed=self.sealed,
            pause=self.pause,
        )
        return self._played(state.task, origin, reel, state.steps, earlier)

    def check(self, trace: Trace) -> Outcome:
        """How the run ended, by the check that the system was given."""
        return checked(trace, self._check(trace))

    # --- the machine --------------------------------------------------------------------------

    def _origin(self, trace: Trace) -> Origin:
        """Where a trace came from; a recorded one has no seed of ours."""
        if trace.source.framework == "ag2" and "replay" not in trace.extra:
            return Origin(self.name, seed=-1)
        return Origin.of(trace, self.name)

    def _played(
        self,
        task: Task,
        origin: Origin,
        reel: Reel,
        before: tuple[Step, ...] = (),
        earlier: Sequence[tuple[int, int]] = (),
    ) -> Trace:
        """The program from its beginning to its end; `before` are the steps that are known."""
        recorder = MemoryRecorder()
        try:
            waited(self._run(task, origin.last_seed, reel, recorder))
        except Exception:  # an error of the program is how the run ended, and is in the trace
            if reel.diverged is None and not recorder.traces:
                raise
        if reel.tools is not None:
            reel.tools.expect_complete()
        recorded = recorder.trace()
        steps = normalised(recorded.steps)
        if reel.diverged is not None or not _begins(steps, reel.steps):
            raise BackendError(
                f"the program did something else than in the recording: {reel.diverged or task.id}; "
                "it must do the same when it hears the same"
            )
        steps = (*before, *after(steps, len(before), reel, earlier))
        known = self.agents(task) if self.agents is not None else ()
        trace = whole(recorded, task, origin, steps, known)
        return msgspec.structs.replace(trace, outcome=self.check(trace))

    async def _run(self, task: Task, seed: int, reel: Reel, recorder: MemoryRecorder) -> None:
        program = self.build(task, seed)
        capture = Ag2Capture(recorder)
        capture.watch(*program.agents)
        for agent in _all(program.agents):
            agent.add_middleware(Replies(reel, agent))
        with capture.run(task.question) as run:
            reel.run = run
            await asyncio.wait_for(program.play(capture), self.limit)


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


def _inside(trace: Trace, step: Step) -> bool:
    """Whether the step was taken inside a tool of another agent."""
    while step.parent is not None:
        above = trace.steps[step.parent]
        if above.kind == "tool_result" or step.kind != "tool_result":
            return True
        step = above
    return False


def spans(origin: Origin, before: int) -> list[tuple[int, int]]:
    """Where one reply before a step is no step of the trace or several.

    As the index of the first of them, and the one after the last.
    """
    made = [c.intervention for c in origin.changes if c.precedes(before)]
    changes = [(c.step, len(c.actions)) for c in made if c is not None and c.actions is not None]
    return [(at, at + number) for at, number in changes if number != 1]


def taken(steps: Sequence[Step], earlier: Sequence[tuple[int, int]]) -> list[Step]:
    """The replies that the steps were: dropped ones too, repeated ones once."""
    found: list[Step] = []
    done = 0
    for first, end in earlier:
        found += steps[done:first]
        said = joined([Action.of(step) for step in steps[first:end]])
        found.append(changed_steps(steps[first], [said])[0] if end > first else SILENCE)
        done = end
    return [*found, *steps[done:]]


def _begins(steps: Sequence[Step], known: Sequence[Step]) -> bool:
    """Whether the run begins with the known replies."""
    return len(steps) >= len(known) and all(
        _gist(step) == _gist(told)
        for step, told in zip(steps, known, strict=False)
        if told is not SILENCE
    )


def _gist(step: Step) -> tuple[object, ...]:
    """What a reply says and asks for; of an error, what is raised and not how it is told."""
    calls = [
        (call.name, call.arguments, call.result, call.error and as_raised(call.error), call.call_id)
        for call in step.tools
    ]
    failed = any(call.error is not None for call in step.tools)
    return step.agent, "" if failed else step.content, calls


def after(
    steps: Sequence[Step], before: int, reel: Reel, earlier: Sequence[tuple[int, int]]
) -> Iterator[Step]:
    """What the trace has after its first `before` steps: the change as it was asked for, the rest.

    `steps` are counted in replies; they and what they refer to are counted anew.
    """
    places = _places(before, earlier)
    for step in steps[len(reel.steps) :]:
        first = places[-1].stop if places else 0
        said = [step]
        change = reel.due(step.index)
        if change is not None and change.actions is not None:
            said = changed_steps(step, change.actions)
            if step.kind == "tool_result":
                said = [each if each.tools else with_tools(each, step) for each in said]
        elif change is not None:
            inputs = Inputs(messages=change.inputs or ())
            said = [msgspec.structs.replace(step, inputs=inputs)]
        for n, each in enumerate(said):
            yield _moved(each, first + n, places)
        places.append(range(first, first + len(said)))


def with_tools(step: Step, answered: Step) -> Step:
    """An answer that does not say which call it answers."""
    return msgspec.structs.replace(step, tools=answered.tools)


def _places(steps: int, earlier: Sequence[tuple[int, int]]) -> list[range]:
    """For each reply, the steps of the trace that it is."""
    found: list[range] = []
    done = 0
    for first, end in earlier:
        found += [range(at, at + 1) for at in range(done, first)]
        found.append(range(first, end))
        done = end
    return [*found, *(range(at, at + 1) for at in range(done, steps))]


def _moved(step: Step, index: int, places: Sequence[range]) -> Step:
    """A step at its place in the trace."""
    inputs = step.inputs
    if inputs is not None:
        heard = tuple(at for reply in inputs.steps for at in places[reply])
        inputs = msgspec.structs.replace(inputs, steps=heard)
    parent = next(iter(places[step.parent]), None) if step.parent is not None else None
    return msgspec.structs.replace(step, index=index, parent=parent, inputs=inputs)
