"""Where AG2's agents are while they work: in which run, under which step, in whose turn."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec

from tracekit.capture.ag2_events import answered, asked, spent
from tracekit.capture.recorder import now
from tracekit.capture.runs import BY_TOOL, Run, failed, told
from tracekit.ingest.spans.messages import Said
from tracekit.trace import StepKind, Time, ToolCall

_LABEL = re.compile(r"\[([^\]\n]{1,200})\]: ")


class Scope:
    """One run, and what its turns have in common."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.answer: str | None = None
        """What the last turn to end said."""
        self.busy = 0
        """Turns that have not ended."""
        self.raised: list[BaseException] = []
        self.settled: set[tuple[str, str]] = set()
        """Calls that a step answers: agent and id."""

    def enter(self, agent: Any, outer: Turn | None) -> Turn:
        """A turn of an agent, inside a tool of another one's or on its own."""
        inside = outer if outer is not None and outer.scope is self else None
        above = inside.agent if inside is not None else None
        tools = {tool.schema.function.name: tool for tool in agent.tools if hasattr(tool, "schema")}
        self.run.agent(
            agent.name, tools=tuple(tools), parent=above if above != agent.name else None
        )
        self.busy += 1
        turn = Turn(self, agent.name, inside.step if inside is not None else None)
        members = {name: getattr(tool, "agent", None) for name, tool in tools.items()}
        turn.members = {name: member.name for name, member in members.items() if member is not None}
        return turn


class Turn:
    """One agent's turn, or one tool of it with `step` set to the tool's."""

    def __init__(self, scope: Scope, agent: str | None, step: int | None) -> None:
        self.scope, self.agent, self.step = scope, agent, step
        self.start = now()
        self.members: dict[str, str] = {}
        """Agents that are tools of this one, by the name of the tool."""

    def add(self, text: str, **fields: Any) -> int:
        """A step of the agent."""
        fields.setdefault("parent", self.step)
        return self.scope.run.step(self.agent, text, time=Time(now(), now()), **fields)

    def ends(self, answer: str | None, *, whole: bool) -> None:
        """The turn returned; `whole` when it was the run."""
        self.scope.busy -= 1
        self.scope.answer = answer or self.scope.answer
        if whole:
            self.scope.run.end(answer)

    def fails(self, error: BaseException, *, whole: bool) -> None:
        """The turn raised; errors that a step tells are not told again."""
        self.scope.busy -= 1
        cancelled = isinstance(error, asyncio.CancelledError | KeyboardInterrupt | GeneratorExit)
        if not cancelled and not any(error is raised for raised in self.scope.raised):
            self.scope.raised.append(error)
            self.add(told(error), kind="system", extra={"error": told(error)})
        if whole and cancelled:
            self.scope.run.abandon()
        elif whole:
            self.scope.run.end(outcome=failed(error))

    # --- models -------------------------------------------------------------------------------

    def model_begins(self, given: list[Said], start: float) -> int:
        """A step opens with what the model is given; results that no step tells come before it."""
        given = [self._unlabelled(said) for said in given]
        for said in given:
            for answer in said.answers:
                self._settle(answer)
        return self.scope.run.step(
            self.agent, open=True, kind="message", parent=self.step, given=given, time=Time(start)
        )

    def _unlabelled(self, said: Said) -> Said:
        """A message that a network's view labels with its speaker, taken apart again."""
        found = _LABEL.match(said.text) if said.role == "user" else None
        if found is None or not any(agent.name == found[1] for agent in self.scope.run.agents):
            return said
        text = said.text[found.end() :]
        return msgspec.structs.replace(said, text=text, name=found[1])

    def _settle(self, answer: ToolCall) -> None:
        """The result of a call that no tool ran for: an unknown tool, a refusal."""
        key = (self.agent or "", answer.call_id or "")
        if not answer.call_id or key in self.scope.settled:
            return
        self.scope.settled.add(key)
        asker = self.scope.run.history.asker(answer, self.agent)
        if asker is None:
            return
        text = answer.result or answer.error or ""
        self.add(text, kind="tool_result", tools=(answer,), parent=asker)

    def model_ends(self, step: int, response: Any, start: float) -> None:
        """The step gets what the model said."""
        calls = asked(response)
        target = self.scope.run.target(calls)
        member = next((self.members[c.name] for c in calls if c.name in self.members), None)
        kind: StepKind = "handoff" if target else "tool_call" if calls else "message"
        extra: dict[str, Any] = {}
        if target or member:
            extra["handoff"] = {"to": target or member, "evidence": BY_TOOL}
        self.scope.run.finish(
            step,
            content=response.content or "",
            kind=kind,
            tools=calls,
            to=target or member,
            usage=spent(response),
            time=Time(start, now()),
            extra=extra,
        )

    def model_fails(self, step: int, error: BaseException, start: float) -> None:
        """The step gets the error."""
        self.scope.raised.append(error)
        extra = {"error": told(error)}
        self.scope.run.finish(step, time=Time(start, now()), extra=extra)

    # --- tools --------------------------------------------------------------------------------

    def tool_begins(self, call: ToolCall) -> Turn:
        """A step opens under the one that asked; what happens inside it lies under it."""
        asker = self.scope.run.history.asker(call, self.agent)
        if call.call_id:
            self.scope.settled.add((self.agent or "", call.call_id))
        step = self.scope.run.step(
            self.agent,
            open=True,
            kind="tool_call" if asker is None else "tool_result",
            tools=(call,),
            parent=self.step if asker is None else asker,
            time=Time(now()),
        )
        return Turn(self.scope, self.agent, step)

    def tool_ends(self, result: Any) -> None:
        """The step gets the result; a call that the client is to make has none yet."""
        if hasattr(result, "result"):
            self._answer(answered(result))
        else:
            self._answer(ToolCall(result.name))

    def tool_fails(self, error: BaseException) -> None:
        """The step gets the error."""
        self.scope.raised.append(error)
        self._answer(ToolCall("", error=told(error)))

    def _answer(self, answer: ToolCall) -> None:
        if self.step is None:
            return
        call = self.scope.run.steps[self.step].tools[0]
        full = msgspec.structs.replace(call, result=answer.result, error=answer.error)
        text = answer.result or answer.error or ""
        time = Time(self.start, now())
        self.scope.run.finish(self.step, content=text, tools=(full,), time=time)
