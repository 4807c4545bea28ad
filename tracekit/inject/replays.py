"""Replays of one run, counted and remembered: many questions are answered by the same ones."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from tracekit.protocols import Replayable
from tracekit.replay.effect import outcome
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.trace import Trace


class Replays:
    """What becomes of a run that goes on from one of its states, by seed.

    The state after a step is the state before the next turn. Going on from there with fresh draws
    is the same as replaying the step with its recorded action, so both are one replay here.
    """

    def __init__(self, system: Replayable, trace: Trace, seed: int = 0) -> None:
        self.trace = trace
        self.made = 0
        """Replays so far."""
        self._system = system
        self._checkpoints = {point.step: point for point in system.checkpoints(trace)}
        self._next = _turns(self._checkpoints)
        digest = hashlib.sha256(f"{seed}/{trace.id}".encode()).digest()
        self.first_seed = int.from_bytes(digest[:4], "big")
        """Seed of the first replay; those that follow count up from it."""
        self._known: dict[tuple[int, int], bool] = {}
        self._changed: dict[int, tuple[Intervention, dict[int, bool]]] = {}

    def steps(self) -> list[int]:
        """Steps with a checkpoint, ascending."""
        return list(self._checkpoints)

    def ends(self) -> list[int]:
        """Those of them that end a turn, ascending; only after these there is a state."""
        steps = self.steps()
        whole = [a for a, b in pairwise(steps) if self._next.get(a) == b]
        return whole + steps[-1:]

    def before(self, step: int) -> Checkpoint:
        """The state before a step; raises `KeyError` where there is no checkpoint."""
        return self._checkpoints[step]

    def action(self, step: int) -> tuple[Action, ...]:
        """What was done in the turn of a step: one action, or several where it was said twice."""
        until = self._next.get(step, len(self.trace.steps))
        return tuple(Action.of(one) for one in self.trace.steps[step:until])

    def changed(self, change: Intervention, number: int) -> bool:
        """Whether the run succeeds with a change, under the seed of that number."""
        known = self._changed.setdefault(id(change), (change, {}))[1]
        if number not in known:
            self.made += 1
            before = self._checkpoints[change.step]
            end = outcome(self._system, before, change, self.first_seed + number)
            known[number] = end.status == "success"
        return known[number]

    def after(self, step: int, number: int) -> bool:
        """Whether the run succeeds when nothing up to a step changes and the rest is drawn anew."""
        ahead = self._next.get(step)
        if ahead is None:  # nothing is left to draw
            return self.trace.outcome.status == "success"
        return self._from(ahead, number)

    def from_start(self, number: int) -> bool:
        """The same when all of the run is drawn anew."""
        return self._from(next(iter(self._checkpoints)), number)

    def _from(self, step: int, number: int) -> bool:
        key = (step, number)
        if key not in self._known:
            self.made += 1
            end = outcome(self._system, self._checkpoints[step], None, self.first_seed + number)
            self._known[key] = end.status == "success"
        return self._known[key]


def _turns(checkpoints: dict[int, Checkpoint]) -> dict[int, int]:
    """Step to the first step of the next turn; steps of the last turn are left out.

    A message that was said twice has two steps and one state before them.
    """
    following: dict[int, int] = {}
    steps = list(checkpoints)
    for here, step in enumerate(steps):
        state = checkpoints[step].state
        later = (s for s in steps[here + 1 :] if checkpoints[s].state != state)
        ahead = next(later, None)
        if ahead is not None:
            following[step] = ahead
    return following
