"""The state of a run, all of it JSON: settings, task, what was done so far, and who is next."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import msgspec

from tracekit.errors import UsageError
from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.language import Voice
from tracekit.replay.sandbox.problem import Problem
from tracekit.replay.sandbox.topologies.table import topology as named_topology
from tracekit.trace import Agent, Step, Task

TOOL = "tool"
"""Duty of a tool, and its role on the roster."""


class Settings(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a sandbox is set up."""

    family: str = "arithmetic"
    """Kind of task, a name of `FAMILIES`."""
    topology: str = "chain"
    """How the team is wired, a name of `TOPOLOGIES`."""
    difficulty: int = 2
    """Size of the tasks, from 1."""
    skill: float = 0.85
    """How seldom agents err, 0 (always) to 1 (never)."""
    skills: dict[str, float] = msgspec.field(default_factory=dict)
    """Skill of single roles, over `skill`."""
    style: str | None = None
    """Register of every agent: plain, formal, chatty or terse; None = each its own."""
    vocabulary: float = 1.0
    """Share of the phrases that agents use, 0 to 1."""
    habit: float = 0.0
    """How often an agent that knows what it knew in an attempt before does as it did then, 0 to 1;
    0 = every attempt is drawn anew."""


class Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody's turn: what it is for, and whom it is for."""

    agent: str
    duty: str
    to: str | None = None
    """Whom it addresses; None = everybody."""
    back: str | None = None
    """Whom it addresses when it rejects; None = it cannot send back."""
    labels: tuple[str, ...] = ()
    """Items the turn is about; empty = all that are open."""
    again: bool = False
    """Whether the items are to be done once more."""
    limit: int = 99
    """Items to work out at most."""
    own: bool = False
    """Whether it goes by its own plan and values alone."""
    round: int = 0
    """How often the work was sent back before."""


class Run(msgspec.Struct):
    """A run between two turns. Copies share their steps, which are frozen."""

    settings: Settings
    task: str
    """Id of the task; the problem is made from it."""
    seed: int
    """Seed that the run began with: names, voices and skills follow from it."""
    draws: int
    """Seed of everything drawn from here on; another one after a resume with another seed."""
    agenda: list[Turn]
    """Turns to come, next first."""
    steps: list[Step] = []
    turn: int = 0
    """Turns taken, dropped ones too."""


class Member(msgspec.Struct, frozen=True):
    """One agent of the team: who it is, and how good."""

    agent: Agent
    skill: float
    voice: Voice
    task: bool
    """Whether it is given the question."""


class Cast(msgspec.Struct, frozen=True):
    """The team of a run."""

    members: dict[str, Member]
    """By id, in the order of the roster."""
    roles: dict[str, str]
    """Place in the topology, e.g. `worker1`, to id."""


class Place(msgspec.Struct, frozen=True):
    """A place in a topology that an agent is cast for."""

    key: str
    role: str
    brief: str
    """What it does, for its system prompt."""
    task: bool = False
    parent: str | None = None


class Topology(Protocol):
    """Who speaks when, and to whom. It knows nothing of the task but labels."""

    name: ClassVar[str]
    places: ClassVar[tuple[Place, ...]]

    def start(self, roles: dict[str, str]) -> list[Turn]:
        """The turns to begin with."""
        ...

    def after(
        self, turn: Turn, said: str | None, roles: dict[str, str], board: Board
    ) -> list[Turn]:
        """Turns to take next because of what was said; None when the message was dropped."""
        ...


class Board(Protocol):
    """What a topology may ask about the state of the work."""

    def planned(self, agent: str) -> list[str]:
        """Labels of the plan as the agent knows it, in order."""
        ...

    def open(self, agent: str) -> list[str]:
        """Those of them without a value."""
        ...

    def rejected(self, said: str | None) -> list[str]:
        """Labels that a message sends back, with all that follow from them in no order."""
        ...


NAMES: dict[str, tuple[str, ...]] = {
    "planner": ("Planner", "Strategist", "Navigator", "Mara", "Architect"),
    "worker": ("Solver", "Analyst", "Tomas", "Priya", "Specialist", "Operator", "Jun", "Ines"),
    "verifier": ("Verifier", "Critic", "Auditor", "Checker", "Hedda"),
    "reporter": ("Reporter", "Scribe", "Editor", "Spokesperson"),
    "orchestrator": ("Orchestrator", "Coordinator", "Conductor", "Dispatcher"),
    "manager": ("Manager", "Director", "Chief", "Head_of_Office"),
    "lead": ("Lead_North", "Lead_South", "Team_Lead_A", "Team_Lead_B", "Foreman", "Supervisor"),
    "debater": ("Ada", "Boris", "Chen", "Dalia", "Emeka", "Freja"),
    "judge": ("Judge", "Moderator", "Arbiter", "Referee"),
}
"""Names that an agent of each role may have."""


def draw(seed: int, turn: int, agent: str, what: str) -> random.Random:
    """A generator for one agent in one turn; text seeds do not depend on PYTHONHASHSEED."""
    return random.Random(f"{seed}/{turn}/{agent}/{what}")  # noqa: S311 - no secret


def cast(settings: Settings, topology: Topology, seed: int) -> Cast:
    """The team of a run: names, voices and skills."""
    return _cast(msgspec.json.encode(settings), topology.name, seed)


@lru_cache(maxsize=256)
def _cast(encoded: bytes, wiring: str, seed: int) -> Cast:
    settings = msgspec.json.decode(encoded, type=Settings)
    topology = named_topology(wiring)
    kind = family(settings.family)
    rng = draw(seed, 0, topology.name, "cast")
    roles: dict[str, str] = {}
    members: dict[str, Member] = {}
    for place in topology.places:
        taken = set(members)
        name = rng.choice([name for name in NAMES[place.role] if name not in taken])
        roles[place.key] = name
        lazy = 1 - settings.skills.get(place.role, settings.skill)
        tools = (kind.tool,) if kind.tool and place.role in ("worker", "debater") else ()
        agent = Agent(
            id=name,
            name=name,
            role=place.role,
            system_prompt=f"You are {name}, the {place.role} of a team that {kind.purpose}. {place.brief}",
            tools=tools,
            parent=roles[place.parent] if place.parent else None,
        )
        skill = 1 - min(1.0, lazy * rng.uniform(0.6, 1.4)) if 0 < lazy < 1 else 1 - lazy
        voice = Voice.drawn(rng, settings.style, settings.vocabulary)
        members[name] = Member(agent, skill, voice, place.task)
    if kind.tool:
        agent = Agent(id=kind.tool, name=kind.tool, role=TOOL)
        members[kind.tool] = Member(agent, 1.0, Voice("plain", 0, 1.0), task=False)
        roles[TOOL] = kind.tool
    return Cast(members, roles)


def task_id(name: str, difficulty: int, number: int) -> str:
    """Id of a task: family, difficulty and number say all there is to it."""
    return f"sandbox/{name}/{difficulty}/{number}"


@lru_cache(maxsize=4096)
def problem_of(id: str) -> Problem:
    """The problem of a task id; raises `UsageError` for an id that the sandbox did not give."""
    match id.split("/"):
        case ["sandbox", name, difficulty, number] if difficulty.isdecimal() and number.isdecimal():
            rng = draw(int(number), int(difficulty), name, "task")
            return family(name).make(rng, int(difficulty))
    raise UsageError(f"{id[:100]!r} is no task of the sandbox; Sandbox().tasks(seed) makes some")


def task_of(id: str) -> Task:
    """The task as a trace holds it."""
    problem = problem_of(id)
    return Task(question=problem.question, expected=problem.expected, id=id)


def as_state(run: Run, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """The state as JSON values; its steps, as such values, are shared by many states."""
    state: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(run, steps=[]))
    return {**state, "steps": steps}


def from_state(state: dict[str, Any]) -> Run:
    """The state again; raises `UsageError` for what is none."""
    try:
        return msgspec.convert(state, Run)
    except msgspec.ValidationError as error:
        raise UsageError(f"not a checkpoint of the sandbox: {error}") from None
