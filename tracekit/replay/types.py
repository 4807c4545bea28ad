"""What replay deals in: actions, states before them, changes, and what is learned from attempts."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tracekit.trace import Message, Step, StepKind, ToolCall, Trace


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent does in one step: a message, or a call of tools."""

    content: str = ""
    """What it says."""
    kind: StepKind = "message"
    """What sort of thing it does."""
    to: str | None = None
    """Id of the agent addressed; None = whoever the system would have addressed."""
    tools: tuple[ToolCall, ...] = ()
    """Calls asked for, or answered where the agent is a tool."""

    @classmethod
    def of(cls, step: Step) -> Action:
        """The action that a recorded step holds.

        >>> Action.of(Step(index=0, agent="Solver", content="It is 4.")).content
        'It is 4.'
        """
        return cls(content=step.content, kind=step.kind, to=step.to, tools=step.tools)


class Intervention(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One change to a run at one step: other actions, or other inputs to act on.

    >>> Intervention(step=2, actions=(Action("It is 5."),), by="person").dropped
    False
    >>> Intervention(step=2, actions=(), by="person").dropped
    True
    """

    step: int
    """Index of the step to change, 0-based."""
    actions: tuple[Action, ...] | None = None
    """What happens instead: one action replaces it, none drops it, two say it twice; None = the
    agent acts by itself."""
    inputs: tuple[Message, ...] | None = None
    """What the agent is given instead of what it would have seen; None = unchanged."""
    by: str = ""
    """Who proposed the change: a person, a method, an oracle."""

    @property
    def dropped(self) -> bool:
        """Whether the step is left out."""
        return self.actions == ()


class Checkpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything a system needs to go on from just before a step."""

    trace_id: str
    """Id of the trace that was recorded."""
    step: int
    """Index of the step that comes next, 0-based."""
    state: dict[str, Any]
    """The system's own state: any JSON value, opaque to everybody else."""


RepairKind = Literal["prompt", "tool", "verification", "termination"]
"""What a repair changes: what an agent is told, how a tool is called, whether work is looked over
before it goes on, or when the run may end."""


class Repair(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One change to the set-up of a system, for all runs to come; an `Intervention` is for one.

    >>> str(Repair(kind="verification", target="verifier"))
    'verification: verifier'
    """

    kind: RepairKind
    """What it changes."""
    target: str
    """Whom it is for: a role of the roster, or the id of an agent that has no role."""
    text: str = ""
    """The change in words, as one would write it into a prompt or a ticket."""
    by: str = ""
    """Who proposed it."""

    @property
    def key(self) -> tuple[str, str]:
        """What tells one repair from another: kind and target."""
        return self.kind, self.target

    def __str__(self) -> str:
        """Kind and target."""
        return f"{self.kind}: {self.target}"


class Advice(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is held against an attempt: somebody's step, and why. It never holds the right answer."""

    agent: str
    """Id of the agent to blame."""
    step: int
    """Index of its step in the attempt, 0-based."""
    why: str = ""
    """The reason in words; a method may have none."""
    by: str = ""
    """Who says so."""


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run at a task, and what is said against it when the task is tried again."""

    trace: Trace
    """The run."""
    advice: Advice | None = None
    """None = nobody says anything."""
