"""LangGraph's states as JSON, messages as steps and back, and which node said which step."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from tracekit.capture.langchain import TracekitCallback
from tracekit.capture.langchain_events import Event
from tracekit.capture.langchain_values import commands_in, gotos
from tracekit.errors import UsageError
from tracekit.optional import require
from tracekit.replay.adapters.recording import MemoryRecorder, Origin
from tracekit.replay.types import Checkpoint
from tracekit.trace import Agent, Message, Source, Step, Task, ToolCall

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

lc: Any = require("langchain_core.messages", extra="langgraph")
serde: Any = require("langgraph.checkpoint.serde.jsonplus", extra="langgraph")


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run of one node."""

    superstep: int
    """LangGraph's number of the super-step; the checkpoint before it has one less."""
    node: str
    """Name of the node."""
    steps: tuple[int, ...] = ()
    """Indices of the steps that it took."""
    goto: tuple[str, ...] = ()
    """Nodes that it named in a `Command`."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint of a graph holds, all of it JSON."""

    task: Task
    origin: Origin
    source: Source
    agents: tuple[Agent, ...]
    steps: tuple[Step, ...]
    """The steps before it."""
    at: Step
    """The step that was taken next."""
    calls: list[ToolCall]
    """All answered calls of the run, for tools that are not to be called twice."""
    made: int
    """How many of them were made before."""
    places: list[Place]
    place: Place
    saved: str
    """LangGraph's checkpoint and its metadata, by LangGraph's own serializer, as base64."""

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> State:
        """The state again; raises `UsageError` for what is none."""
        try:
            return msgspec.convert(checkpoint.state, cls)
        except msgspec.ValidationError as error:
            raise UsageError(f"not a checkpoint of a LangGraph system: {error}") from None


def encoded(saved: Any) -> str:
    """A `CheckpointTuple` as text. Raises `UsageError` for a state that only pickle could hold."""
    metadata = {key: saved.metadata.get(key) for key in ("source", "step", "parents")}
    try:
        kind, data = serde.JsonPlusSerializer().dumps_typed([saved.checkpoint, metadata])
    except TypeError as error:
        raise UsageError(f"the state of the graph cannot be written: {error}") from None
    return f"{kind}:{base64.b64encode(data).decode()}"


_NEEDED = {"id", "channel_values", "channel_versions"}


def decoded(text: str, trusted: Sequence[tuple[str, str]] = ()) -> tuple[Any, Any]:
    """Checkpoint and metadata; of classes, LangChain's own and those in `trusted` are made.

    Nothing is unpickled. Raises `UsageError` for what is no checkpoint.
    """
    kind, _, data = text.partition(":")
    reader = serde.JsonPlusSerializer(allowed_msgpack_modules=list(trusted) or None)
    try:
        if kind != "msgpack":
            raise ValueError(f"it is written as {kind[:40]!r}")
        checkpoint, metadata = reader.loads_typed((kind, base64.b64decode(data, validate=True)))
        if not checkpoint.keys() >= _NEEDED or not isinstance(metadata.get("step"), int):
            raise ValueError("members are missing")
        return {**checkpoint}, {**metadata}
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise UsageError(f"not a checkpoint of LangGraph: {error}") from None


class Watch(TracekitCallback):
    """Records a run, and notes which node took which steps and what it returned."""

    def __init__(self, recorder: MemoryRecorder) -> None:
        super().__init__(recorder)
        self.ran: list[Place] = []
        self.returned: Any = None
        """What the last node returned."""

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **about: Any) -> None:
        """A graph, a node or a chain returns."""
        event = self._events.get(run_id)
        super().on_chain_end(outputs, run_id=run_id, **about)
        self._note(event, outputs)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **about: Any) -> None:
        """A graph, a node or a chain raises."""
        event = self._events.get(run_id)
        super().on_chain_error(error, run_id=run_id, **about)
        self._note(event, None)

    def _note(self, event: Event | None, outputs: Any) -> None:
        """The run of a node of the graph itself, not of one inside a subgraph."""
        if event is None or not event.is_node:
            return
        meta = event.metadata
        if "|" in str(meta.get("langgraph_checkpoint_ns")):
            return
        goto = tuple(name for command in commands_in(outputs) for name in gotos(command))
        steps = tuple(sorted(event.steps))
        self.ran.append(Place(meta["langgraph_step"], meta["langgraph_node"], steps, goto))
        self.returned = outputs


def as_messages(steps: Iterable[Step], at: Step) -> list[BaseMessage]:
    """Steps as the messages that their node would add to the state; `at` is the recorded one."""
    found: list[BaseMessage] = []
    for step in steps:
        if step.kind == "tool_result":
            found += _answers(step, at)
        else:
            found.append(_said(step))
    return found


def _said(step: Step) -> BaseMessage:
    asks = [call for call in step.tools if call.result is None and call.error is None]
    calls = [
        {
            "name": call.name,
            "args": call.arguments
            if isinstance(call.arguments, dict)
            else {"input": call.arguments},
            "id": call.call_id or f"call-{step.index}-{n}",
        }
        for n, call in enumerate(asks)
    ]
    kwargs = {"to": step.to} if step.to is not None else {}
    message: BaseMessage = lc.AIMessage(
        step.content, name=step.agent, tool_calls=calls, additional_kwargs=kwargs
    )
    return message


def _answers(step: Step, at: Step) -> list[BaseMessage]:
    """One message for each call that the step answers; without calls, the recorded ones."""
    calls = step.tools or at.tools
    said = step.content
    return [
        lc.ToolMessage(
            said if not step.tools or len(calls) == 1 else call.result or call.error or said,
            tool_call_id=call.call_id or "",
            name=call.name or None,
            status="error" if call.error is not None and step.tools else "success",
        )
        for call in calls
    ]


def as_said(message: Message) -> BaseMessage:
    """A message that an agent is given instead of what it would have seen."""
    kinds = {"system": lc.SystemMessage, "developer": lc.SystemMessage, "assistant": lc.AIMessage}
    kind = kinds.get(message.role, lc.HumanMessage)
    found: BaseMessage = kind(message.content, name=message.name)
    return found
