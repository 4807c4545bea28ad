"""LangGraph graphs as replayable systems: their own checkpoints, forked.

A run goes into a checkpointer and through tracekit's live capture. Before every step stands the
LangGraph checkpoint of its super-step; to resume is to put that checkpoint into a thread of its
own, to write the changed message there as if the node had said it (`update_state`), and to go on
(`invoke(None)`). Needs the extra `langgraph`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tracekit.errors import UsageError
from tracekit.optional import require
from tracekit.replay.adapters.langgraph_state import (
    Place,
    State,
    Watch,
    as_messages,
    as_said,
    decoded,
    encoded,
)
from tracekit.replay.adapters.recording import (
    MemoryRecorder,
    Origin,
    changed_steps,
    checked,
    expect_step,
    normalised,
    waited,
    whole,
)
from tracekit.replay.adapters.tools import serving
from tracekit.replay.tools import answered
from tracekit.replay.types import Checkpoint, Intervention
from tracekit.trace import Agent, Outcome, Step, Task, Trace

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

Graph = Any
"""A compiled LangGraph graph (`langgraph.graph.state.CompiledStateGraph`)."""
Saver = Any
"""A LangGraph checkpointer (`langgraph.checkpoint.base.BaseCheckpointSaver`)."""

THREADS = 512
"""Runs whose checkpoints are kept in memory; older ones are run again when asked for."""

Returns = Callable[[dict[str, Any], str, "list[BaseMessage]"], Any]
"""State, node, messages -> what the node would return if it said these messages."""


class LangGraphSystem:
    """A `Replayable` around a graph.

    `build(task, seed)` makes the compiled graph; models must be seeded with `seed` for replays to
    be exact. `start(task)` is its input. `check(trace)` says how a run ended.

    A node that keeps more in the state than messages is given a `returns`, so that a changed
    message has the consequences that the node's own would have. Channels in `hidden` are the
    graph's book-keeping and stay out of traces. `agents` adds roles to the roster that the
    recording shows. `trusted` are (module, class) pairs of the user's own types in the state.
    `checkpointer` keeps the runs, in memory by default; with one of one's own, threads are named
    `NAME-...` in it. `asynchronous` is for graphs with async nodes. `limit` are super-steps.

    Nodes that run side by side in one super-step, and what happens inside a subgraph, can be
    resumed from the super-step only: there is no checkpoint before their further steps.
    """

    def __init__(
        self,
        build: Callable[[Task, int], Graph],
        start: Callable[[Task], Any],
        check: Callable[[Trace], Outcome | bool],
        *,
        name: str = "langgraph",
        messages: str = "messages",
        returns: Returns | None = None,
        hidden: Collection[str] = (),
        agents: Callable[[Task], Sequence[Agent]] | None = None,
        trusted: Sequence[tuple[str, str]] = (),
        checkpointer: Saver | None = None,
        asynchronous: bool = False,
        limit: int = 150,
    ) -> None:
        self.build, self.start, self._check = build, start, check
        self.name, self.messages, self.hidden = name, messages, frozenset(hidden)
        self.returns: Returns = returns or (lambda _, __, said: {messages: said})
        self.agents, self.trusted, self.limit = agents, tuple(trusted), limit
        self.asynchronous = asynchronous
        self._own = checkpointer is None
        self.saver = checkpointer or _in_memory()
        self._threads: dict[str, None] = {}

    # --- the protocol -------------------------------------------------------------------------

    def run(self, task: Task, seed: int) -> Trace:
        """One run of the graph, on a thread of its own."""
        origin = Origin(self.name, seed)
        thread = self._fresh(origin.id(task))
        return self._played(task, origin, thread, self.start(task), None)

    def checkpoints(self, trace: Trace) -> list[Checkpoint]:
        """The states before the super-steps that speak.

        They are read from the thread of the run. When that is gone, because the run was made by
        another process, it is made once more; `UsageError` when it comes out differently.
        """
        origin = Origin.of(trace, self.name)
        places = _places(origin, len(trace.steps))
        saved = self._saved(trace.id)
        if not all(place.superstep - 1 in saved for place in places):
            self._again(trace, origin)
            saved = self._saved(trace.id)
        known: dict[str, Any] = {
            "task": trace.task,
            "origin": msgspec.structs.replace(origin, places=[]),
            "source": trace.source,
            "agents": trace.agents,
            "calls": [call for _, call in answered(trace)],
        }
        found = []
        for place in _resumable(places):
            step = min(place.steps)
            state = State(
                **known,
                made=sum(index < step for index, _ in answered(trace)),
                steps=trace.steps[:step],
                at=trace.steps[step],
                places=[each for each in places if each.superstep < place.superstep],
                place=place,
                saved=encoded(saved[place.superstep - 1]),
            )
            found.append(Checkpoint(trace.id, step, msgspec.to_builtins(state)))
        return found

    def resume(self, checkpoint: Checkpoint, intervention: Intervention | None, seed: int) -> Trace:
        """The run from a checkpoint on. Raises `UsageError` when the change is for another step."""
        expect_step(checkpoint.step, intervention)
        state = State.of(checkpoint)
        origin = state.origin.then(checkpoint.step, intervention, seed)
        id = origin.id(state.task)
        # A repetition leaves the thread of the run alone.
        aside = id == checkpoint.trace_id
        thread = self._forked(checkpoint.trace_id, f"{id}~again" if aside else id, state)
        try:
            with serving(state.calls, state.made):
                return self._continued(origin, thread, state, intervention)
        finally:
            if aside:
                self.saver.delete_thread(thread)

    def check(self, trace: Trace) -> Outcome:
        """How the run ended, by the check that the system was given."""
        return checked(trace, self._check(trace))

    def values(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """The channels of the graph at a checkpoint."""
        found: dict[str, Any] = decoded(State.of(checkpoint).saved, self.trusted)[0][
            "channel_values"
        ]
        return found

    # --- threads ------------------------------------------------------------------------------

    def _fresh(self, thread: str) -> str:
        """An empty thread; in memory, the oldest ones make room."""
        self.saver.delete_thread(thread)
        self._threads.pop(thread, None)
        self._threads[thread] = None
        while self._own and len(self._threads) > THREADS:
            oldest = next(iter(self._threads))
            del self._threads[oldest]
            self.saver.delete_thread(oldest)
        return thread

    def _saved(self, thread: str) -> dict[int, Any]:
        """The checkpoints of a thread by super-step."""
        config: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
        return {each.metadata["step"]: each for each in self.saver.list(config)}

    def _again(self, trace: Trace, origin: Origin) -> None:
        """Make a run once more whose thread is gone."""
        made = self.run(trace.task, origin.seed)
        for change in origin.changes:
            before = next((c for c in self.checkpoints(made) if c.step == change.step), None)
            if before is None:
                break
            made = self.resume(before, change.intervention, change.seed)
        if made.steps != trace.steps or made.id != trace.id:
            raise UsageError(
                f"the thread of trace {trace.id} is gone and the run comes out differently when it "
                "is made again: seed the models, or keep threads in a checkpointer that lasts"
            )

    def _forked(self, source: str, target: str, state: State) -> str:
        """A thread that stands at the checkpoint, with the checkpoints before it where known."""
        checkpoint, metadata = decoded(state.saved, self.trusted)
        # LangGraph goes on from the greatest id; those before it are smaller.
        saved = self._saved(source).values()
        before = [each for each in saved if each.checkpoint["id"] < checkpoint["id"]]
        thread = self._fresh(target)
        for each in before:
            self._put(thread, each.checkpoint, each.metadata)
        self._put(thread, checkpoint, metadata)
        return thread

    def _put(self, thread: str, checkpoint: Any, metadata: Any) -> None:
        config: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
        self.saver.put(config, checkpoint, metadata, checkpoint["channel_versions"])

    # --- the graph ----------------------------------------------------------------------------

    def _graph(self, task: Task, seed: int) -> Graph:
        graph = self.build(task, seed)
        return graph.copy(update={"checkpointer": self.saver})

    def _watched(
        self, task: Task, origin: Origin, thread: str, given: Any, begun: Trace | None, **how: Any
    ) -> tuple[Trace, Watch]:
        """Run a thread on, and what was seen of it."""
        recorder = MemoryRecorder(begun)
        watch = Watch(recorder)
        graph = self._graph(task, origin.last_seed)
        config: Any = {**_config(thread), "callbacks": [watch], "recursion_limit": self.limit}
        try:
            if self.asynchronous:
                waited(graph.ainvoke(given, config, **how))
            else:
                graph.invoke(given, config, **how)
        except Exception:  # an error of the graph is how the run ended, and is in the trace
            if not recorder.traces:
                raise
        return recorder.trace(), watch

    def _played(
        self,
        task: Task,
        origin: Origin,
        thread: str,
        given: Any,
        begun: Trace | None,
        places: Sequence[Place] = (),
    ) -> Trace:
        """Run a thread to its end."""
        ran: list[Place] = []
        recorded = begun
        waiting = given is not None or self._graph(task, 0).get_state(_config(thread)).next
        if waiting or begun is None:
            recorded, watch = self._watched(task, origin, thread, given, begun)
            ran = watch.ran
        assert recorded is not None
        origin = msgspec.structs.replace(
            origin, places=[msgspec.to_builtins(p) for p in (*places, *ran)]
        )
        known = self.agents(task) if self.agents is not None else ()
        steps = normalised(recorded.steps, self.hidden)
        trace = whole(recorded, task, origin, steps, known)
        return msgspec.structs.replace(trace, outcome=self.check(trace))

    def _continued(
        self, origin: Origin, thread: str, state: State, change: Intervention | None
    ) -> Trace:
        """A thread that stands at a checkpoint, with a change there, run to its end."""
        begun, places = self._begun(state), state.places
        if change is not None and change.actions is not None:
            begun = self._told(thread, origin, state, change)
            places = [*places, _moved(state.place, state.at.index, len(begun.steps))]
        elif change is not None:
            begun, ran = self._acted_on(thread, origin, state, change)
            places = [*places, *ran]
        return self._played(state.task, origin, thread, None, begun, places)

    def _begun(self, state: State) -> Trace:
        """The run as far as it has come."""
        return Trace(
            id="", source=state.source, task=state.task, agents=state.agents, steps=state.steps
        )

    def _told(self, thread: str, origin: Origin, state: State, change: Intervention) -> Trace:
        """Let the node have said the changed messages; the trace up to there."""
        steps = changed_steps(state.at, change.actions or ())
        self._write(thread, origin, state, steps)
        begun = self._begun(state)
        return msgspec.structs.replace(begun, steps=(*state.steps, *steps))

    def _write(self, thread: str, origin: Origin, state: State, steps: Sequence[Step]) -> None:
        graph, node = self._graph(state.task, origin.last_seed), state.place.node
        values = graph.get_state(_config(thread)).values
        update = self.returns(values, node, as_messages(steps, state.at))
        goto = list(state.place.goto)
        if goto:
            asked = steps[-1].to if steps else None
            goto = [asked] if asked is not None and asked in graph.nodes else goto
            command = require("langgraph.types", extra="langgraph").Command
            update = command(update=update, goto=goto)
        self._update(graph, thread, update, node)

    def _update(self, graph: Graph, thread: str, update: Any, node: str) -> None:
        """Put an update into a thread as if the node had returned it."""
        if self.asynchronous:
            waited(graph.aupdate_state(_config(thread), update, as_node=node))
        else:
            graph.update_state(_config(thread), update, as_node=node)

    def _acted_on(
        self, thread: str, origin: Origin, state: State, change: Intervention
    ) -> tuple[Trace, list[Place]]:
        """Let the node act on other messages, aside, and bring what it says into the thread."""
        checkpoint, metadata = decoded(state.saved, self.trusted)
        given = [as_said(message) for message in change.inputs or ()]
        checkpoint["channel_values"] = {**checkpoint["channel_values"], self.messages: given}
        aside = self._fresh(f"{thread}~aside")
        self._put(aside, checkpoint, metadata)
        begun, watch = self._watched(
            state.task, origin, aside, None, self._begun(state), interrupt_after="*"
        )
        self.saver.delete_thread(aside)
        graph = self._graph(state.task, origin.last_seed)
        self._update(graph, thread, watch.returned, state.place.node)
        return begun, watch.ran


def _config(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


def _in_memory() -> Saver:
    saver: Saver = require("langgraph.checkpoint.memory", extra="langgraph").InMemorySaver()
    return saver


def _places(origin: Origin, steps: int) -> list[Place]:
    try:
        places = msgspec.convert(origin.places, list[Place])
    except msgspec.ValidationError as error:
        raise UsageError(f"the places of a LangGraph run are damaged: {error}") from None
    if any(not 0 <= step < steps for place in places for step in place.steps):
        raise UsageError("the places of a LangGraph run point to steps that it does not have")
    return places


def _resumable(places: list[Place]) -> list[Place]:
    """Super-steps in which one node alone speaks."""
    speaking = [place for place in places if place.steps]
    numbers = [place.superstep for place in places]
    return [place for place in speaking if numbers.count(place.superstep) == 1]


def _moved(place: Place, first: int, end: int) -> Place:
    return msgspec.structs.replace(place, steps=tuple(range(first, end)))
