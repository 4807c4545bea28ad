"""The sandbox's teams as AG2 agents: real agents and tools, a scripted model client.

    tracekit replay LOG --system tracekit.replay.adapters.demo_ag2:chain

The program asks one agent after the other, as the topology has it; within its turn an agent calls
its tool as often as it wants.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tracekit.capture.ag2 import Ag2Capture
from tracekit.optional import require
from tracekit.replay.adapters.ag2 import Ag2System, Program, State, spans, taken
from tracekit.replay.adapters.ag2_replies import SILENCE
from tracekit.replay.adapters.team import Team
from tracekit.replay.sandbox.state import Member, Turn
from tracekit.replay.types import Action, Checkpoint, Intervention, Repair
from tracekit.trace import Step, Task, ToolCall, Trace

ag2: Any = require("ag2", extra="ag2")
events: Any = require("ag2.events", extra="ag2")
streams: Any = require("ag2.stream", extra="ag2")
tools: Any = require("ag2.tools", extra="ag2")


class PolicyClient:
    """A model client whose replies come from the sandbox's policy, given the history alone."""

    def __init__(self, team: Team, task: Task, seed: int, agent: str) -> None:
        self.team, self.task, self.seed, self.agent = team, task, seed, agent

    async def __call__(self, messages: Sequence[Any], context: Any, **about: Any) -> Any:
        """The reply to a history."""
        turn = msgspec.convert(context.variables["turn"], Turn)
        steps, question = read_history(messages, self.agent, set(self.team.cast.members))
        number = context.variables["number"]
        action = self.team.act(self.task, turn, steps, question, self.seed, number=number)
        return response_of(action)


class PolicyConfig:
    """What AG2 makes a model client from."""

    model = "tracekit-sandbox-policy"
    provider = "tracekit"

    def __init__(self, *about: Any) -> None:
        self._about = about

    def copy(self) -> PolicyConfig:
        """It has no options that could be changed."""
        return self

    def create(self) -> PolicyClient:
        """The client."""
        return PolicyClient(*self._about)


class DemoAg2(Ag2System):
    """A team of the sandbox as AG2 agents; it knows what would be right at a step."""

    def __init__(self, topology: str = "chain", family: str = "tables", **settings: Any) -> None:
        self.team = Team(family, topology, **settings)
        super().__init__(
            self._built,
            self.team.check,
            name=f"ag2-{topology}-{family}",
            agents=lambda _: self.team.agents,
        )

    def tasks(self, seed: int = 0) -> Iterator[Task]:
        """Endless tasks of the family; the same ones for the same seed."""
        return self.team.sandbox.tasks(seed)

    def correct(self, checkpoint: Checkpoint) -> Intervention:
        """The right action in place of the next one, given what its agent has before it."""
        state = State.of(checkpoint)
        replies = taken(state.steps, spans(state.origin, checkpoint.step))
        known = [None if reply is SILENCE else reply for reply in replies]
        agenda, steps = self.team.before(state.task, known)
        action = self.team.right(state.task, agenda, steps, state.at)
        return Intervention(step=checkpoint.step, actions=(action,), by=f"{self.name}:correct")

    def is_correct(self, checkpoint: Checkpoint, action: Action) -> bool:
        """Whether an action comes to the same as the right one; wording does not count."""
        (right,) = self.correct(checkpoint).actions or ()
        return self.team.is_right(action, right)

    def milestones(self, trace: Trace) -> dict[str, bool]:
        """The items of the task, and whether the team ends with the right value of each."""
        return self.team.sandbox.milestones(trace)

    def repairs(self) -> list[Repair]:
        """What can be changed about the team, role by role."""
        return self.team.repairs()

    def with_repair(self, repair: Repair) -> DemoAg2:
        """The team with a repair; raises `UsageError` for one that it cannot take."""
        return DemoAg2(**self.team.set_up(repair))

    def _built(self, task: Task, seed: int) -> Program:
        made = {member.agent.id: self._agent(task, member, seed) for member in self.team.members}

        async def play(_: Ag2Capture) -> None:
            agenda, said = self.team.begin(), list[Step]()
            while agenda:
                turn = agenda[0]
                member = self.team.cast.members[turn.agent]
                *before, last = _prompt(member, task, self.team.heard(turn.agent, said))
                stream = streams.MemoryStream()
                await stream.history.replace(before)
                reply = await made[turn.agent].ask(
                    *last.parts,
                    stream=stream,
                    variables={"turn": msgspec.to_builtins(turn), "number": len(said)},
                )
                text = reply.body or ""
                new = [Step(len(said), turn.agent, content=text)] if text else []
                agenda, to = self.team.then(task.id or "", agenda, said, new)
                said += [msgspec.structs.replace(step, to=to) for step in new]

        return Program(list(made.values()), play)

    def _agent(self, task: Task, member: Member, seed: int) -> Any:
        offered = [self._tool(task)] if member.agent.tools else []
        return ag2.Agent(
            member.agent.id,
            member.agent.system_prompt or "",
            config=PolicyConfig(self.team, task, seed, member.agent.id),
            tools=offered,
        )

    def _tool(self, task: Task) -> Any:
        """The tool of the family, looking into the data of the task."""

        def call(**arguments: str) -> str:
            text, fine = self.team.serve(task, arguments)
            if not fine:
                raise ValueError(text)
            return text

        named = inspect.Parameter.KEYWORD_ONLY
        given = [
            inspect.Parameter(name, named, annotation=str) for name in self.team.parameters(task)
        ]
        call.__signature__ = inspect.Signature(given, return_annotation=str)  # type: ignore[attr-defined]
        return tools.tool(call, name=self.team.tool, description="Look something up.")


def chain() -> DemoAg2:
    """Planner, worker, verifier and reporter in a line, on questions about a table."""
    return DemoAg2("chain")


def star() -> DemoAg2:
    """An orchestrator with two workers and a verifier, on questions about a table."""
    return DemoAg2("star")


build = chain

GO_ON = "Go on."
"""What an agent is told when nobody has said anything to it since it last spoke."""


def _prompt(member: Member, task: Task, heard: Sequence[Step]) -> list[Any]:
    """What an agent is given: the task if it may know it, and who said what to it."""
    given = [_request(task.question)] if member.task else []
    for step in heard:
        if step.agent == member.agent.id:
            given.append(events.ModelMessage(step.content))
        else:
            given.append(_request(f"[{step.agent}]: {step.content}"))
    if not given or isinstance(given[-1], events.ModelMessage):
        given.append(_request(GO_ON))
    return given


def _request(text: str) -> Any:
    return events.ModelRequest([events.TextInput(text)])


def read_history(
    messages: Sequence[Any], agent: str, team: set[str]
) -> tuple[list[Step], str | None]:
    """An AG2 history as the sandbox's steps, and the task, None when it was not given."""
    steps: list[Step] = []
    question: str | None = None

    def add(who: str, text: str, **fields: Any) -> None:
        steps.append(Step(len(steps), who, content=text, **fields))

    for event in messages:
        if isinstance(event, events.ModelRequest):
            for part in event.parts:
                who, found, text = part.content.partition("]: ")
                if found and who[:1] == "[" and who[1:] in team:
                    add(who[1:], text)
                elif part.content != GO_ON:
                    question = question or part.content
        elif isinstance(event, events.ModelMessage):
            add(agent, event.content)
        elif isinstance(event, events.ModelResponse):
            calls = tuple(
                ToolCall(call.name, call.serialized_arguments, call_id=call.id)
                for call in event.tool_calls.calls
            )
            add(agent, event.content or "", kind="tool_call" if calls else "message", tools=calls)
        elif isinstance(event, events.ToolResultsEvent):
            for result in event.results:
                answer = _answer(result)
                add(answer.name, answer.result or "", kind="tool_result", tools=(answer,))
    return steps, question


def _answer(result: Any) -> ToolCall:
    if isinstance(result, events.ToolErrorEvent):
        return ToolCall(result.name or "", error=str(result.error), call_id=result.parent_id)
    text = "\n".join(part.content for part in result.result.parts)
    return ToolCall(result.name or "", result=text, call_id=result.parent_id)


def response_of(action: Action) -> Any:
    """What an agent does, as the response of a model."""
    calls = [
        events.ToolCallEvent(
            id=call.call_id,
            name=call.name,
            arguments=msgspec.json.encode(call.arguments).decode(),
        )
        for call in action.tools
    ]
    return events.ModelResponse(
        events.ModelMessage(action.content), tool_calls=events.ToolCallsEvent(calls)
    )
