"""What would have been right in a turn: from a system that knows, or from a run that went well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from tracekit.analyzers.corpus import named_by_role, seats
from tracekit.analyzers.shapley.game import NoGame
from tracekit.errors import UsageError
from tracekit.folds import question_key
from tracekit.protocols import Corrector, Replayable
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.trace import Trace


class Turn(NamedTuple):
    """One agent's turn: what can be replayed by itself."""

    agent: str
    number: int
    """The agent's turns before it."""
    before: Checkpoint
    """The state before it."""
    said: tuple[Action, ...]
    """What was done in it: one action, or several where it was said twice."""

    @property
    def key(self) -> tuple[str, int]:
        """The turn that corresponds in another run: the agent's n-th stays its n-th."""
        return self.agent, self.number


class Reference(Protocol):
    """Knows what would have been right."""

    assumes: str
    """What corrections rest on, in words."""

    def right(self, turn: Turn) -> Intervention | None:
        """The correction; None where what was done is as right as it can be, or nothing is known."""
        ...


def turns(system: Replayable, trace: Trace) -> list[Turn]:
    """The turns of a run, in order; raises `NoGame` for a run that is not of the system."""
    try:
        points = [p for p in system.checkpoints(trace) if p.step < len(trace.steps)]
    except UsageError as error:
        raise NoGame(f"the system cannot take up this run: {error}") from error
    begins = [
        point for n, point in enumerate(points) if n == 0 or point.state != points[n - 1].state
    ]
    ends = [*(point.step for point in begins[1:]), len(trace.steps)]
    seen: dict[str, int] = {}
    found = []
    for point, end in zip(begins, ends, strict=True):
        agent = trace.steps[point.step].agent
        said = tuple(Action.of(step) for step in trace.steps[point.step : end])
        found.append(Turn(agent, seen.get(agent, 0), point, said))
        seen[agent] = found[-1].number + 1
    return found


def reference(trace: Trace, system: Replayable, corpus: Sequence[Trace]) -> Reference:
    """The best one at hand; raises `NoGame` that says what is missing where there is none."""
    if isinstance(system, Corrector):
        return Known(system)
    task = question_key(trace)
    for other in corpus:
        if other.failed is False and other.id != trace.id and question_key(other) == task:
            return Recorded(trace, turns(system, other), other, by_role=named_by_role(corpus))
    raise NoGame(
        "the system cannot say what would have been right, and the corpus has no run of this task "
        "that succeeded to take it from"
    )


class Known:
    """The system itself says what would have been right (`Corrector`)."""

    assumes = "a correction is what the system holds right, given what the agent had before it"

    def __init__(self, system: Corrector) -> None:
        self._system = system

    def right(self, turn: Turn) -> Intervention | None:
        """The system's own correction."""
        if all(self._system.is_correct(turn.before, one) for one in turn.said):
            return None
        return self._system.correct(turn.before)


class Recorded:
    """In its n-th turn an agent does what was done in that turn of a run that succeeded."""

    def __init__(
        self, trace: Trace, example: Sequence[Turn], other: Trace, *, by_role: bool
    ) -> None:
        theirs = seats(other, by_role=by_role)
        ours = {seat: agent for agent, seat in seats(trace, by_role=by_role).items()}
        names = {agent: ours[seat] for agent, seat in theirs.items() if seat in ours}
        self._said = {
            (names[turn.agent], turn.number): tuple(_addressed(one, names) for one in turn.said)
            for turn in example
            if turn.agent in names
        }
        self.assumes = (
            f"a correction is what the agent did in the same turn of run {other.id}, which "
            "succeeded; late agents thereby state its answer, and get more blame than is theirs"
        )

    def right(self, turn: Turn) -> Intervention | None:
        """What was done in the run that succeeded; None where it had no such turn."""
        said = self._said.get(turn.key)
        if said is None or alike(said, turn.said):
            return None
        return Intervention(step=turn.before.step, actions=said, by="recorded success")


def _addressed(action: Action, names: dict[str, str]) -> Action:
    """The action, to whoever has the addressee's place in the other team."""
    to = None if action.to is None else names.get(action.to, action.to)
    return msgspec.structs.replace(action, to=to)


def alike(some: Sequence[Action], others: Sequence[Action]) -> bool:
    """Whether the same is said and called; ids of calls do not count."""
    return [_gist(one) for one in some] == [_gist(one) for one in others]


def _gist(action: Action) -> tuple[object, ...]:
    calls = tuple((call.name, call.arguments, call.result, call.error) for call in action.tools)
    return action.content, action.kind, action.to, calls
