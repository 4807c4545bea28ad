"""What injection deals in: faults to make, and what came of making them."""

from __future__ import annotations

from typing import Literal

import msgspec

from tracekit.protocols import Replayable
from tracekit.replay.types import Checkpoint, Intervention
from tracekit.trace import Trace

Strategy = Literal[
    "prompt-injection",
    "response-corruption",
    "tool-fault",
    "message-drop",
    "message-duplicate",
    "message-delay",
    "context-loss",
    "role-swap",
    "premature-stop",
]
"""The ways a fault can be brought into a run."""


class Fault(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One fault: what goes wrong, how it is brought about, and where."""

    mode: str
    """A MAST code, `FM-1.1` to `FM-3.3`, or an attack, `AT-...` (`tracekit.inject.modes`)."""
    strategy: Strategy
    """How it is brought about."""
    agent: str | None = None
    """Id of the agent it strikes; None = drawn from those whose steps it can strike."""
    step: int | None = None
    """Index of the step in the clean run; None = drawn from the agent's steps that it can strike."""
    every: bool = False
    """Whether all calls of the agent from that step on are struck, not only this one."""


class Injected(msgspec.Struct, frozen=True, kw_only=True):
    """A run with faults in it, beside the clean run that it was made from."""

    clean: Trace
    """The run without faults."""
    trace: Trace
    """The run with them."""
    faults: tuple[Fault, ...]
    """The faults made, agent and step filled in; steps count in `trace`."""
    interventions: tuple[Intervention, ...]
    """What was done to the run, in order; empty for an offline injection."""
    manipulator: str
    """Name of the manipulator that wrote the faulty content."""
    seed: int
    """Seed of everything drawn."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What a manipulator is given: a run, the step to strike, and what is to go wrong there."""

    trace: Trace
    """The run as it stands, earlier faults in it; what comes after the step will not last."""
    step: int
    """Index of the step to strike."""
    mode: str
    """What is to go wrong, a code of `tracekit.inject.modes`."""
    strategy: Strategy
    """How it is to be brought about."""
    system: Replayable | None = None
    """The system that made the run; None when there is only the recording."""
    checkpoint: Checkpoint | None = None
    """The state before the step; None when there is only the recording."""
    after: int | None = None
    """Index of the first partner's step, for the second one of a collusion; None otherwise."""
