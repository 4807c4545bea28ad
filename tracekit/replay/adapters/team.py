"""The sandbox's teams for other frameworks: who is next, and what a chat model is to say.

The framework carries the messages, calls the models and runs the tools. A model's reply comes from
the sandbox's policy, given the messages of its prompt and nothing else; whose turn it is follows
from the topology. Topologies in which everybody is addressed by name fit: `chain`, `star`,
`hierarchy`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tracekit.errors import UsageError
from tracekit.replay.sandbox.agents import act, meaning
from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.memory import Memory
from tracekit.replay.sandbox.play import Play, policy_of
from tracekit.replay.sandbox.repairs import repaired
from tracekit.replay.sandbox.state import TOOL, Cast, Member, Run, Settings, Turn, problem_of
from tracekit.replay.sandbox.state import cast as made_cast
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import topology
from tracekit.replay.sandbox.view import View
from tracekit.replay.types import Action, Repair
from tracekit.trace import Agent, Outcome, Step, Task, Trace

TOPOLOGIES = ("chain", "star", "hierarchy")
"""Those in which every message has one addressee."""


class Team:
    """One team on tasks of one family; `team` is the seed of names, voices and skills.

    `settings` are those of the sandbox, `policies` included.
    """

    def __init__(
        self, family: str = "tables", topology: str = "chain", *, team: int = 0, **settings: Any
    ) -> None:
        if topology not in TOPOLOGIES:
            raise UsageError(f"topology {topology!r} is none of {', '.join(TOPOLOGIES)}")
        self.sandbox = Sandbox(family, topology, **settings)
        self.settings: Settings = self.sandbox.settings
        self.seed = team

    @property
    def cast(self) -> Cast:
        """Members by name, and names by place."""
        return made_cast(self.settings, topology(self.settings.topology), self.seed)

    @property
    def members(self) -> list[Member]:
        """Those who speak; tools do not."""
        return [m for m in self.cast.members.values() if m.agent.role != TOOL]

    @property
    def agents(self) -> list[Agent]:
        """The roster, tools left out: in a framework they are no agents."""
        names = {member.agent.id for member in self.members}
        return [
            msgspec.structs.replace(
                member.agent,
                parent=member.agent.parent if member.agent.parent in names else None,
            )
            for member in self.members
        ]

    @property
    def tool(self) -> str:
        """Name of the tool; empty when the family has none."""
        return family(self.settings.family).tool

    def check(self, trace: Trace) -> Outcome:
        """Whether the answer is right."""
        return self.sandbox.check(trace)

    def serve(self, task: Task, arguments: Any) -> tuple[str, bool]:
        """What the tool answers, and whether that is a result rather than an error."""
        return family(self.settings.family).serve(arguments, problem_of(task.id or ""))

    def parameters(self, task: Task) -> tuple[str, ...]:
        """Names of the tool's arguments, all of them text."""
        kind = family(self.settings.family)
        asked = [kind.request(each, list(each.args)) for each in problem_of(task.id or "").items]
        return tuple(dict.fromkeys(name for call in asked if call is not None for name in call))

    def begin(self) -> list[Turn]:
        """The turns to begin with."""
        return topology(self.settings.topology).start(self.cast.roles)

    def then(
        self, task: str, agenda: list[Turn], steps: Sequence[Step], said: list[Step]
    ) -> tuple[list[Turn], str | None]:
        """The turns to come when in the first of the agenda, after `steps`, this is said.

        And whom it is for: work that is sent back is for the one who is to do it again. `task` is
        the id of the task; nothing said: the message was lost.
        """
        turn, *rest = agenda
        play = Play(Run(self.settings, task, self.seed, 0, rest, list(steps)), {})
        play.settle(turn, said)
        after = play.run.agenda
        sent_back = turn.back is not None and after[:1] and after[0].agent == turn.back
        return after, turn.back if sent_back else turn.to

    def heard(self, agent: str, steps: Iterable[Step]) -> list[Step]:
        """What an agent can see: its own steps, and those addressed to it or to everybody."""
        memory = Memory(self.settings.family, agent)
        return [step for step in steps if memory.sees(step)]

    def act(
        self,
        task: Task,
        turn: Turn,
        heard: Sequence[Step],
        question: str | None,
        seed: int,
        *,
        number: int = 0,
        perfect: bool = False,
    ) -> Action:
        """What the agent whose turn it is does, given what it has heard; seeded.

        What is drawn, and the ids of calls, depend on how much it has heard and on `number`.
        """
        member = self.cast.members[turn.agent]
        memory = Memory(self.settings.family, None).listen(heard)
        skill = 1.0 if perfect else member.skill
        problem = problem_of(task.id or "")
        policy = act if perfect else policy_of(self.sandbox.policies, member.agent)
        action = policy(
            View(member, turn, 100 * number + len(heard), seed, memory, question, problem, skill)
        )
        # A policy counts its own calls; in the framework's one history ids must differ.
        calls = [
            msgspec.structs.replace(call, call_id=f"{turn.agent}-{call.call_id}")
            for call in action.tools
        ]
        return msgspec.structs.replace(action, tools=tuple(calls))

    def repairs(self) -> list[Repair]:
        """What can be changed about the team; its frameworks end runs by themselves."""
        return [each for each in self.sandbox.repairs() if each.kind != "termination"]

    def set_up(self, repair: Repair) -> dict[str, Any]:
        """The arguments that make the team with a repair; raises `UsageError` for a strange one."""
        policies = repaired(self.sandbox.policies, repair, self.repairs())
        return {**msgspec.structs.asdict(self.settings), "team": self.seed, "policies": policies}

    def is_right(self, action: Action, right: Action) -> bool:
        """Whether an action comes to the same as the right one, whatever its words."""
        name = self.settings.family
        return meaning(name, action) == meaning(name, right)

    def before(self, task: Task, replies: Sequence[Step | None]) -> tuple[list[Turn], list[Step]]:
        """The turns to come after some replies, and the replies with their addressees.

        Frameworks do not log whom a message is for; the topology says it. None is a reply that
        was dropped.
        """
        agenda, told = self.begin(), list[Step]()
        for reply in replies:
            if not agenda:
                break
            turn = agenda[0]
            if told and told[-1].kind == "tool_call":
                answer = reply or Step(len(told), self.tool, "tool_result")
                told.append(msgspec.structs.replace(answer, agent=self.tool, to=turn.agent))
            elif reply is not None and reply.kind == "tool_call":
                told.append(msgspec.structs.replace(reply, to=self.tool))
            else:
                said = [] if reply is None else [reply]
                agenda, to = self.then(task.id or "", agenda, told, said)
                told += [msgspec.structs.replace(step, to=to) for step in said]
        return agenda, told

    def right(self, task: Task, agenda: Sequence[Turn], steps: Sequence[Step], at: Step) -> Action:
        """The right action in the place of step `at`, after `steps` and before the agenda."""
        if at.kind == "tool_result":
            asked = next((call for step in reversed(steps) for call in step.tools), None)
            if asked is None:
                raise UsageError(f"step {at.index} answers no call")
            text, fine = self.serve(task, asked.arguments)
            answer = msgspec.structs.replace(
                asked, result=text if fine else None, error=None if fine else text
            )
            return Action(text, "tool_result", at.to, (answer,))
        if not agenda or agenda[0].agent != at.agent:
            raise UsageError(f"step {at.index}: it is not the turn of {at.agent}")
        turn = agenda[0]
        task_known = self.cast.members[turn.agent].task
        question = task.question if task_known else None
        action = self.act(task, turn, self.heard(turn.agent, steps), question, 0, perfect=True)
        kind = "tool_call" if action.tools else at.kind if at.kind != "tool_call" else "message"
        return msgspec.structs.replace(action, kind=kind, to=None)
