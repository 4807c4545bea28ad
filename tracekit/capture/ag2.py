"""A hook for AG2 1.x that records its agents as they work.

Needs the extra `ag2`. AG2 has no global hook, and needs none: a middleware, which every agent
takes at any time, sees each turn, each call of its model, each tool and each question to a human.

    capture = Ag2Capture("traces.jsonl")
    capture.watch(planner, coder)              # and hub=hub for agents that meet on a network
    asyncio.run(planner.ask("Plan the harbour."))
    capture.close()

The outermost turn is a run; agents that work inside a tool of another belong to its run. On a
network every channel is a run, from its opening to its closing. `with capture.run("…"):` makes one
run of everything inside it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from tracekit.capture.ag2_events import heard, inputs, request
from tracekit.capture.ag2_network import Channels
from tracekit.capture.ag2_scope import Scope, Turn
from tracekit.capture.recorder import Check, Recorder, now
from tracekit.capture.runs import Run, failed
from tracekit.optional import require
from tracekit.trace import Time

if TYPE_CHECKING:
    from ag2.middleware import BaseMiddleware
else:
    BaseMiddleware = require("ag2.middleware", extra="ag2").BaseMiddleware

WHAT = "an AG2 event could not be recorded"
HUMAN = "human"
"""Agent id of the person that an agent asks."""

_Next = Callable[[Any, Any], Awaitable[Any]]
_current: ContextVar[Turn | None] = ContextVar("tracekit_turn", default=None)


class Ag2Capture:
    """Records the agents that it watches.

    `to` is a `Recorder`, or the file of traces, for which a recorder of its own is made with
    `redact` and `check`. Nothing that goes wrong in here reaches the agents.
    """

    def __init__(
        self,
        to: Recorder | str | os.PathLike[str],
        *,
        redact: bool = False,
        check: Check | None = None,
    ) -> None:
        if not isinstance(to, Recorder):
            to = Recorder(to, redact=redact, check=check)
        self.recorder = to
        self.channels = Channels(self._open, _current.get, self.recorder)
        self._watched: WeakSet[Any] = WeakSet()

    def watch(self, *agents: Any, hub: Any = None) -> None:
        """Record what the agents do, and those that they have as tools; `hub` names channels."""
        if hub is not None and hub not in self._watched:
            self._watched.add(hub)
            hub.register_listener(self.channels.listen(hub))
        for agent in agents:
            if agent in self._watched:
                continue
            self._watched.add(agent)
            self.channels.members.add(agent.name)
            agent.insert_middleware(_Factory(self, agent, _Around))
            agent.add_middleware(_Factory(self, agent, _Within))
            self.watch(*(tool.agent for tool in agent.tools if hasattr(tool, "agent")))

    @contextmanager
    def run(self, question: str = "", **about: Any) -> Iterator[Run]:
        """One run of everything that happens in the body; options are those of `Recorder.run`."""
        scope = self._open(question, **about)
        token = _current.set(Turn(scope, None, None))
        try:
            yield scope.run
        except BaseException as error:
            with self.recorder.guard(WHAT):
                scope.run.end(outcome=failed(error))
            raise
        else:
            with self.recorder.guard(WHAT):
                scope.run.end(scope.answer)
        finally:
            _current.reset(token)

    def close(self) -> None:
        """End the channels that are still open, and write what is left."""
        with self.recorder.guard(WHAT):
            self.channels.close()
        self.recorder.close()

    def scope(self, question: str, context: Any) -> tuple[Scope, bool]:
        """The run that a turn belongs to, and whether the turn opens it."""
        turn = _current.get()
        if turn is not None and not turn.scope.run.ended:
            return turn.scope, False
        found = self.channels.of(context)
        if found is not None:
            return found, False
        return self._open(question), True

    def _open(self, question: str = "", **about: Any) -> Scope:
        about.setdefault("framework", "ag2")
        about.setdefault("version", _version())
        return Scope(self.recorder.run(question, **about))


class _Factory:
    """Makes the middleware of one turn of one agent."""

    def __init__(self, capture: Ag2Capture, agent: Any, kind: type[_Hooks]) -> None:
        self.capture, self.agent, self.kind = capture, agent, kind

    def __call__(self, event: Any, context: Any) -> BaseMiddleware:
        return self.kind(event, context, self.capture, self.agent)


class _Hooks(BaseMiddleware):
    """Calls on, whatever happens to the recording."""

    def __init__(self, event: Any, context: Any, capture: Ag2Capture, agent: Any) -> None:
        super().__init__(event, context)
        self.capture, self.agent = capture, agent

    def _guard(self) -> Any:
        return self.capture.recorder.guard(WHAT)


class _Around(_Hooks):
    """The outermost middleware: turns, tools as the model sees their results, questions."""

    async def on_turn(self, call_next: _Next, event: Any, context: Any) -> Any:
        turn, opened = None, False
        with self._guard():
            scope, opened = self.capture.scope(inputs(getattr(event, "parts", ())).text, context)
            turn = scope.enter(self.agent, _current.get())
        token = _current.set(turn)
        try:
            response = await call_next(event, context)
        except BaseException as error:
            with self._guard():
                if turn is not None:
                    turn.fails(error, whole=opened)
                    self.capture.channels.tidy()
            raise
        finally:
            _current.reset(token)
        with self._guard():
            if turn is not None:
                turn.ends(response.content, whole=opened)
                self.capture.channels.tidy()
        return response

    async def on_tool_execution(self, call_next: _Next, event: Any, context: Any) -> Any:
        turn, inner = _current.get(), None
        with self._guard():
            if turn is not None:
                inner = turn.tool_begins(request(event))
        token = _current.set(inner or turn)
        try:
            result = await call_next(event, context)
        except BaseException as error:
            with self._guard():
                if inner is not None:
                    inner.tool_fails(error)
            raise
        finally:
            _current.reset(token)
        with self._guard():
            if inner is not None:
                inner.tool_ends(result)
        return result

    async def on_human_input(self, call_next: _Next, event: Any, context: Any) -> Any:
        turn, step = _current.get(), None
        with self._guard():
            if turn is not None:
                step = turn.add(event.content, to=HUMAN)
                turn.scope.run.agent(HUMAN, role="user")
        answer = await call_next(event, context)
        with self._guard():
            if turn is not None:
                turn.scope.run.step(
                    HUMAN, answer.content, parent=step, time=Time(now(), now()), to=turn.agent
                )
        return answer


class _Within(_Hooks):
    """The innermost middleware: the model's calls, each attempt of them, as they are sent."""

    async def on_llm_call(self, call_next: _Next, events: Any, context: Any) -> Any:
        turn, step, start = _current.get(), None, now()
        with self._guard():
            if turn is not None:
                step = turn.model_begins(heard(events, context.prompt), start)
        try:
            response = await call_next(events, context)
        except BaseException as error:
            with self._guard():
                if turn is not None and step is not None:
                    turn.model_fails(step, error, start)
            raise
        with self._guard():
            if turn is not None and step is not None:
                turn.model_ends(step, response, start)
        return response


@cache
def _version() -> str:
    return installed("ag2")
