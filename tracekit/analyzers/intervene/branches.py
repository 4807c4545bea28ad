"""Replays of one failed run, counted: how each ended, how far it came, whether it did as told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from tracekit.inject.replays import Replays
from tracekit.inject.strategies import gist
from tracekit.protocols import Milestones, Replayable
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.trace import Trace


class Spent(Exception):
    """The replays that were granted are used up."""


class End(msgspec.Struct, frozen=True):
    """How one replay ended."""

    success: bool
    """Whether the system's check is passed."""
    progress: float | None
    """Share of the sub-goals reached, 0 to 1; None where the system knows none."""
    followed: bool
    """Whether something else happened at the step than what was recorded."""


class Branches:
    """What becomes of a run that goes on from one of its steps, by change and by seed.

    Each replay counts once, whatever is asked of it; more than `budget` of them raise `Spent`.
    Raises `UsageError` for a run that is not one of the system's.
    """

    def __init__(self, system: Replayable, trace: Trace, seed: int, budget: int) -> None:
        self.system, self.trace, self.budget = system, trace, budget
        self.made = 0
        """Replays so far."""
        self._run = Replays(system, trace, seed)
        self._knows = cast("Milestones", system) if isinstance(system, Milestones) else None
        self._ends: dict[tuple[bytes, int], End] = {}

    def steps(self) -> list[int]:
        """Steps that the run can be resumed from, ascending."""
        return self._run.steps()

    def before(self, step: int) -> Checkpoint:
        """The state before a step; raises `KeyError` where there is none."""
        return self._run.before(step)

    def recorded(self, step: int) -> Intervention:
        """The step as it was: nothing is changed, and what follows is drawn anew."""
        return Intervention(step=step, actions=self._run.action(step), by="recording")

    def end(self, change: Intervention, number: int) -> End:
        """How the run ends with a change, under the seed of that number.

        Equal numbers mean equal seeds (common random numbers). Raises `Spent`.
        """
        key = (msgspec.json.encode(change), number)
        if key not in self._ends:
            if self.made >= self.budget:
                raise Spent
            self.made += 1
            before = self.before(change.step)
            ran = self.system.resume(before, change, self._run.first_seed + number)
            self._ends[key] = End(
                success=self.system.check(ran).status == "success",
                progress=None if self._knows is None else progress(self._knows.milestones(ran)),
                followed=self._differs(ran, change.step),
            )
        return self._ends[key]

    def _differs(self, ran: Trace, step: int) -> bool:
        """Whether a replay says at a step something else than the run did."""
        if step >= len(ran.steps):
            return True
        said, old = ran.steps[step], self.trace.steps[step]
        return said.agent != old.agent or gist(Action.of(said)) != gist(Action.of(old))


def progress(reached: Mapping[str, bool]) -> float | None:
    """Share of the sub-goals that were reached; None without any.

    >>> progress({"sum": True, "rest": False})
    0.5
    """
    return sum(reached.values()) / len(reached) if reached else None
