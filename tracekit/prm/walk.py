"""Walking through a system one action at a time, several ways at once.

A system that can be run by steps (`tracekit.protocols.Stepwise`) is charged for the actions that
were tried. Of any other `Replayable` each try is a resume to the end of the run, and is charged as
such; the first try at a state is then the way on that was already recorded.
"""

from __future__ import annotations

import hashlib
from typing import Protocol, cast

import msgspec

from tracekit.prm.meter import SILENT, Meter
from tracekit.protocols import Replayable, Stepwise
from tracekit.replay.types import Checkpoint
from tracekit.trace import Outcome, Task, Trace


class Recorded(msgspec.Struct, frozen=True):
    """A whole run, and the states in it from which another action can be taken."""

    trace: Trace
    choices: tuple[Checkpoint, ...]
    """In order; none stands before the answer of a tool, which would be the same again."""

    @classmethod
    def of(cls, system: Replayable, trace: Trace) -> Recorded:
        """A run that the system made."""
        points = system.checkpoints(trace)
        return cls(trace, tuple(p for p in points if trace.steps[p.step].kind not in SILENT))


class State(msgspec.Struct, frozen=True):
    """A run up to some step, and how to go on."""

    trace: Trace
    """The steps so far."""
    path: tuple[int, ...]
    """Which try was taken at each state on the way here; names the state within its search."""
    checkpoint: Checkpoint | None
    """None = the run is over."""
    ahead: Recorded | None = None
    """The whole run that this is the beginning of, where it was run to its end."""

    @property
    def over(self) -> bool:
        """Whether nobody is next."""
        return self.checkpoint is None


class Walk(Protocol):
    """Runs of one task by one system, for a search."""

    meter: Meter
    """What was spent."""

    def root(self) -> State:
        """Before the first step."""
        ...

    def tries(self, state: State, n: int, first: int = 0) -> list[State]:
        """`n` ways to take the next action, each drawn with its own seed; `first` were had."""
        ...

    def done(self, state: State) -> Trace:
        """The run of a state that is over, with its outcome as the system checks it."""
        ...


def walk(system: Replayable, task: Task, seed: int = 0) -> Walk:
    """The cheapest walk that the system allows; the same seed gives the same states."""
    if isinstance(system, Stepwise):
        return _Steps(system, task, seed)
    return _Replays(system, task, seed)


class _Steps:
    """A system that can be run by steps."""

    def __init__(self, system: Replayable, task: Task, seed: int) -> None:
        self.system, self.task, self.seed = system, task, seed
        self.meter = Meter()
        self._by_steps = cast("Stepwise", system)

    def root(self) -> State:
        trace, checkpoint = self._by_steps.begin(self.task, self.seed)
        return State(trace, (), checkpoint)

    def tries(self, state: State, n: int, first: int = 0) -> list[State]:
        assert state.checkpoint is not None
        found = []
        for number in range(first, first + n):
            path = (*state.path, number)
            new, after = self._by_steps.advance(state.checkpoint, drawn(self.seed, path))
            self.meter.add(new)
            trace = msgspec.structs.replace(state.trace, steps=state.trace.steps + new)
            found.append(State(trace, path, after))
        return found

    def done(self, state: State) -> Trace:
        return _checked(self.system, state)


class _Replays:
    """Any system: to see another action, the rest of the run is run as well."""

    def __init__(self, system: Replayable, task: Task, seed: int) -> None:
        self.system, self.task, self.seed = system, task, seed
        self.meter = Meter()

    def root(self) -> State:
        whole = self.system.run(self.task, self.seed)
        self.meter.add(whole.steps)
        return self._cut(Recorded.of(self.system, whole), 0, ())

    def tries(self, state: State, n: int, first: int = 0) -> list[State]:
        assert state.checkpoint is not None
        assert state.ahead is not None
        at, found = state.checkpoint.step, []
        for number in range(first, first + n):
            path = (*state.path, number)
            recorded = state.ahead
            if number:
                whole = self.system.resume(state.checkpoint, None, drawn(self.seed, path))
                self.meter.add(whole.steps[at:])
                recorded = Recorded.of(self.system, whole)
            found.append(self._cut(recorded, at + 1, path))
        return found

    def _cut(self, recorded: Recorded, at: int, path: tuple[int, ...]) -> State:
        """The run up to the first choice from step `at` on."""
        point = next((point for point in recorded.choices if point.step >= at), None)
        whole = recorded.trace
        steps = whole.steps if point is None else whole.steps[: point.step]
        begun = msgspec.structs.replace(whole, steps=steps, outcome=Outcome())
        return State(begun, path, point, recorded)

    def done(self, state: State) -> Trace:
        return _checked(self.system, state)


def _checked(system: Replayable, state: State) -> Trace:
    """The run with its outcome, under an id that says by which tries it came about."""
    digest = hashlib.blake2b(repr(state.path).encode(), digest_size=6).hexdigest()
    trace = msgspec.structs.replace(state.trace, id=f"{state.trace.id}~{digest}")
    return msgspec.structs.replace(trace, outcome=system.check(trace))


def drawn(seed: int, path: tuple[int, ...]) -> int:
    """A seed for the try at the end of a path: far from those of other paths, the same every time.

    >>> drawn(0, (1, 2)) == drawn(0, (1, 2)), drawn(0, (1, 2)) == drawn(0, (2, 1))
    (True, False)
    """
    words = f"{seed}/{','.join(map(str, path))}".encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=4).digest(), "big") >> 1
