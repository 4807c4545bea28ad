"""AG2 runs made again: what agents and tools said before a step is said again, word for word.

A middleware stands next to the model and next to every tool, inside of those that record. As long
as the run has not reached the step it was resumed before, the reply comes from the recording; at
the step from the intervention; after it from the model itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tracekit.capture.runs import Run
from tracekit.errors import BackendError
from tracekit.ingest.parts import as_text
from tracekit.names import speaker
from tracekit.optional import require
from tracekit.replay.adapters.recording import ServedTools
from tracekit.replay.types import Action, Intervention
from tracekit.trace import Message, Step, ToolCall

if TYPE_CHECKING:
    from ag2.middleware import BaseMiddleware
else:
    BaseMiddleware = require("ag2.middleware", extra="ag2").BaseMiddleware

events: Any = require("ag2.events", extra="ag2")
_Next = Callable[[Any, Any], Awaitable[Any]]

SILENCE = Step(index=0, agent="")
"""Stands for a step that was dropped: an empty reply, whoever gave it."""


class Reel:
    """The recorded part of a run, dropped steps included, and what is to be different at its end."""

    def __init__(
        self,
        steps: Sequence[Step] = (),
        change: Intervention | None = None,
        *,
        again: Collection[str] = (),
        tools: ServedTools | None = None,
        sealed: Collection[str] = (),
        pause: float = 0.0,
    ) -> None:
        self.steps, self.change, self.pause = tuple(steps), change, pause
        self.again = frozenset(again)
        self.tools, self.sealed = tools, frozenset(sealed)
        self.run: Run | None = None
        """The run that is recorded meanwhile."""
        self.diverged: str | None = None
        """Why the recording does not fit what happens; None = it does."""
        self._nests = frozenset(step.parent for step in self.steps if step.kind != "tool_result")

    def at(self, agent: str, call_id: str | None = None) -> int:
        """Index of the step that an agent is taking: a reply, or the answer to a call."""
        name = speaker(agent).name
        assert self.run is not None
        for step in reversed(self.run.steps):
            if step.agent != name or not step.extra.get("unfinished"):
                continue
            if (step.tool.call_id if step.tool else None) == call_id:
                return step.index
        raise BackendError(f"{agent} acts outside of the run that is replayed")

    def recorded(self, at: int, agent: str, *, tool: bool) -> Step | None:
        """The recorded step; None when the run has gone beyond. `BackendError` when none fits."""
        if at >= len(self.steps):
            return None
        step = self.steps[at]
        if step is SILENCE:
            return step
        answers = any(call.result is not None or call.error is not None for call in step.tools)
        if step.agent != speaker(agent).name or answers != tool:
            self.diverged = (
                f"step {at} of the recording is a {step.kind} of {step.agent}, and now "
                f"{agent} {'calls a tool' if tool else 'asks its model'}"
            )
            raise BackendError(self.diverged)
        return step

    def nests(self, at: int) -> bool:
        """Whether other agents worked inside the tool of a step; then it is called again."""
        return at in self._nests

    def due(self, at: int) -> Intervention | None:
        """The change, at the first step that is not recorded."""
        return self.change if at == len(self.steps) else None


class Replies:
    """Makes the middleware of one turn of one agent."""

    def __init__(self, reel: Reel, agent: Any) -> None:
        self.reel, self.agent = reel, agent

    def __call__(self, event: Any, context: Any) -> BaseMiddleware:
        """The middleware of a turn."""
        return _Replies(event, context, self.reel, self.agent)


class _Replies(BaseMiddleware):
    def __init__(self, event: Any, context: Any, reel: Reel, agent: Any) -> None:
        super().__init__(event, context)
        self.reel, self.agent = reel, agent

    async def on_llm_call(self, call_next: _Next, events: Any, context: Any) -> Any:
        at = self.reel.at(self.agent.name)
        step = self.reel.recorded(at, self.agent.name, tool=False)
        if step is not None:
            await asyncio.sleep(self.reel.pause)
            return reply(Action.of(step), at, step)
        change = self.reel.due(at)
        if change is None:
            return await call_next(events, context)
        if change.actions is not None:
            await asyncio.sleep(self.reel.pause)
            return reply(joined(change.actions), at)
        return await call_next(heard(change.inputs or ()), context)

    async def on_tool_execution(self, call_next: _Next, event: Any, context: Any) -> Any:
        at = self.reel.at(self.agent.name, event.id)
        step = self.reel.recorded(at, self.agent.name, tool=True)
        if step is not None and not self.reel.nests(at) and event.name not in self.reel.again:
            return answer(event, step.tool, step.content)
        change = self.reel.due(at)
        if change is not None and change.actions is not None:
            action = joined(change.actions)
            return answer(event, action.tools[0] if action.tools else None, action.content)
        if step is None and self.reel.tools is not None and event.name in self.reel.sealed:
            call = self.reel.tools.call(event.name, event.serialized_arguments)
            return answer(event, call, call.result or "")
        return await call_next(event, context)


def reply(action: Action, at: int, recorded: Step | None = None) -> Any:
    """An action as the response of a model."""
    asks = [call for call in action.tools if call.result is None and call.error is None]
    calls = [
        events.ToolCallEvent(
            id=call.call_id or f"call-{at}-{n}", name=call.name, arguments=_arguments(call)
        )
        for n, call in enumerate(asks)
    ]
    usage, model = events.Usage(), None
    if recorded is not None and recorded.usage is not None:
        spent, model = recorded.usage, recorded.usage.model
        usage = events.Usage(
            prompt_tokens=spent.input_tokens, completion_tokens=spent.output_tokens
        )
    return events.ModelResponse(
        events.ModelMessage(action.content) if action.content else None,
        tool_calls=events.ToolCallsEvent(calls),
        usage=usage,
        model=model,
    )


def _arguments(call: ToolCall) -> str:
    if isinstance(call.arguments, str):
        return call.arguments
    return msgspec.json.encode({} if call.arguments is None else call.arguments).decode()


def answer(event: Any, call: ToolCall | None, content: str) -> Any:
    """A tool's recorded or changed answer to a call."""
    if call is not None and call.error is not None:
        name, said = as_raised(call.error)
        return events.ToolErrorEvent.from_call(event, type(name, (Exception,), {})(said))
    return events.ToolResultEvent.from_call(event, content)


def as_raised(error: str) -> tuple[str, str]:
    """Class and message of an error as a trace has it; a change may name no class.

    >>> as_raised("ValueError: no such row"), as_raised("connection reset")
    (('ValueError', 'no such row'), ('Exception', 'connection reset'))
    """
    name, _, said = error.partition(": ")
    return (name, said) if name.isidentifier() else ("Exception", error)


def joined(actions: Sequence[Action]) -> Action:
    """Several actions as one: a model replies once. None at all is an empty reply."""
    if len(actions) == 1:
        return actions[0]
    return Action(
        "\n\n".join(action.content for action in actions if action.content),
        actions[0].kind if actions else "message",
        actions[0].to if actions else None,
        tuple(call for action in actions for call in action.tools),
    )


def heard(messages: Sequence[Message]) -> list[Any]:
    """Messages as the history that a model is given; instructions go into the history as well."""
    found: list[Any] = []
    for message in messages:
        if message.role == "assistant" and not message.name:
            found.append(events.ModelResponse(events.ModelMessage(message.content)))
        else:
            text = f"[{message.name}]: {message.content}" if message.name else message.content
            found.append(events.ModelRequest([events.TextInput(as_text(text))]))
    return found
