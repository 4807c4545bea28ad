"""A run in progress: whose turn it is, what everybody has heard, and what comes of a turn."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

from tracekit.errors import UsageError
from tracekit.replay.sandbox.agents import act
from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.grammar import read
from tracekit.replay.sandbox.memory import Memory
from tracekit.replay.sandbox.problem import Problem
from tracekit.replay.sandbox.state import TOOL, Run, Turn, cast, problem_of
from tracekit.replay.sandbox.topologies.table import topology
from tracekit.replay.sandbox.view import Policy, View
from tracekit.replay.types import Action, Intervention
from tracekit.trace import Agent, Inputs, Message, Step, ToolCall

LONGEST = 120
"""Steps after which a run is stopped, whatever policies do."""

KEY = "sandbox"
"""Member of `Trace.extra` and `Step.extra` that says how the run can be taken up again."""


class Play:
    """A run and the team that plays it. Raises `UsageError` for a task that is none."""

    def __init__(self, run: Run, policies: Mapping[str, Policy]) -> None:
        self.run = run
        self.policies = policies
        self.problem = problem_of(run.task)
        self.team = topology(run.settings.topology)
        self.cast = cast(run.settings, self.team, run.seed)
        self._memories: dict[tuple[str | None, bool], Memory] = {}
        self._before: Play | None = None
        self._traced = True

    def fork(self, draws: int, *, traced: bool = True) -> Play:
        """The same run, to go on with other draws. This one must not go on any more.

        Without `traced` nobody will read what follows: steps lack inputs and places, and agents
        put things in shorthand, unless policies are given, which may be models that read.
        """
        other = copy(self)
        run = copy(self.run)
        run.draws, run.steps, run.agenda = draws, run.steps.copy(), run.agenda.copy()
        other.run, other._memories, other._before = run, {}, self
        other._traced = traced
        return other

    def memory(self, agent: str | None, *, own: bool = False) -> Memory:
        """What an agent has heard up to now; None has heard everything."""
        memory = self._memories.get((agent, own))
        if memory is not None:
            return memory.listen(self.run.steps)
        if self._before is not None:
            memory = self._before.memory(agent, own=own).copy()
        else:
            memory = Memory(self.problem.family, agent, own=own)
        # Threads may resume from one state: what they share has listened before it is shared.
        self._memories[agent, own] = memory.listen(self.run.steps)
        return memory

    @property
    def over(self) -> bool:
        """Whether nobody is next."""
        return not self.run.agenda or len(self.run.steps) >= LONGEST

    def finish(self, change: Intervention | None = None) -> None:
        """Play to the end, with a change in the turn that comes next."""
        while not self.over:
            self._play(change)
            change = None

    def turn(self) -> None:
        """Play the turn that comes next, and those of tools that answer to it."""
        self._play()
        while not self.over and self.run.agenda[0].duty == TOOL:
            self._play()

    def _play(self, change: Intervention | None = None) -> None:
        turn = self.run.agenda.pop(0)
        actions = None if change is None else change.actions
        if actions is None:
            actions = (self.act(turn, change),)
        make = self._step if self._traced else self._bare
        self.settle(turn, [make(turn, action, change, n) for n, action in enumerate(actions)])

    def act(
        self, turn: Turn, change: Intervention | None = None, *, perfect: bool = False
    ) -> Action:
        """What is done in a turn; with `perfect`, what should be, given what the agent has."""
        if turn.duty == TOOL:
            return _served(self.run.steps, turn, self.problem)
        view = self.view(turn, change, perfect=perfect)
        return act(view) if perfect else policy_of(self.policies, view.agent)(view)

    def view(
        self, turn: Turn, change: Intervention | None = None, *, perfect: bool = False
    ) -> View:
        """What the agent has before it in a turn that is not a tool's."""
        member = self.cast.members[turn.agent]
        question = self.problem.question if member.task else None
        told: tuple[Message, ...] = ()
        if change is not None and change.inputs is not None:
            told = change.inputs
            memory = Memory.of(self.problem.family, told)
            # Without a word from the user the agent has no task before it.
            question = next((m.content for m in told if m.role == "user" and not m.name), None)
        else:
            memory = self.memory(turn.agent, own=turn.own)
        run, skill = self.run, 1.0 if perfect else member.skill
        brief = not (self._traced or self.policies)
        return View(
            member, turn, run.turn, run.draws, memory, question, self.problem, skill, told, brief
        )

    def settle(self, turn: Turn, said: list[Step]) -> None:
        """Take the steps of a turn into the state and put down who is next.

        A final answer ends the run, whoever gives it.
        """
        run, roles = self.run, self.cast.roles
        run.steps += said
        run.turn += 1
        last = said[-1] if said else None
        if turn.duty == TOOL:
            return
        if last is not None and last.kind == "tool_call" and TOOL in roles:
            run.agenda[:0] = [Turn(roles[TOOL], TOOL, turn.agent), turn]
            return
        if last is not None and last.kind == "final":
            run.agenda.clear()
            return
        text = None if last is None else last.content
        run.agenda[:0] = self.team.after(turn, text, roles, _Board(self))

    def _bare(self, turn: Turn, action: Action, _: object, n: int) -> Step:
        to = action.to or turn.to
        if to is not None and to not in self.cast.members:
            names = ", ".join(self.cast.members)
            raise UsageError(f"nobody is called {to!r}; the team: {names}")
        index = len(self.run.steps) + n
        return Step(index, turn.agent, action.kind, action.content, None, to, None, action.tools)

    def _step(self, turn: Turn, action: Action, change: Intervention | None, n: int) -> Step:
        step = self._bare(turn, action, change, n)
        if change is not None and change.inputs is not None:
            inputs = Inputs(messages=change.inputs)
        else:
            task = self.cast.members[turn.agent].task
            told = (Message("user", self.problem.question),) if task else ()
            seen = self.memory(turn.agent, own=turn.own).steps
            inputs = Inputs(tuple(each.index for each in seen), told)
        asked = _open_call(self.run.steps) if turn.duty == TOOL else None
        return Step(
            step.index,
            step.agent,
            step.kind,
            step.content,
            inputs,
            step.to,
            asked.index if asked else None,
            step.tools,
            extra={KEY: {"turn": self.run.turn}},
        )


def policy_of(policies: Mapping[str, Policy], agent: Agent) -> Policy:
    """The policy of an agent: by its id, else its role, else `*`, else the sandbox's own."""
    names = (agent.id, agent.role or "", "*") if policies else ()
    return next((policies[name] for name in names if name in policies), act)


class _Board:
    """The state of the work, for topologies."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def planned(self, agent: str) -> list[str]:
        return [item.label for item in self._play.memory(agent).notes.ordered()]

    def open(self, agent: str) -> list[str]:
        notes = self._play.memory(agent).notes
        return [item.label for item in notes.ordered() if item.label not in notes.values]

    def rejected(self, said: str | None) -> list[str]:
        again = [x.label for x in read(self._play.problem.family, said or "") if x.what == "again"]
        if not again:
            return []
        notes = self._play.memory(None).notes
        return list(
            dict.fromkeys([*again, *(x for label in again for x in notes.following(label))])
        )


def _open_call(steps: list[Step]) -> Step | None:
    """The call that waits for its answer."""
    return steps[-1] if steps and steps[-1].kind == "tool_call" else None


def _served(steps: list[Step], turn: Turn, problem: Problem) -> Action:
    """The answer of the tool to the call before."""
    asked = _open_call(steps)
    call = asked.tool if asked else None
    if call is None:
        return Action("no call was made", "tool_result", turn.to)
    kind = family(problem.family)
    text, fine = kind.serve(call.arguments, problem)
    if call.name != kind.tool:
        text, fine = f"there is no tool {call.name[:100]!r}", False
    answer = ToolCall(
        call.name, call.arguments, text if fine else None, None if fine else text, call.call_id
    )
    return Action(text, "tool_result", turn.to, (answer,))
