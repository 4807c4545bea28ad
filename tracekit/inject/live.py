"""Faults made in a system that runs: resumed from the struck step, so that what follows is real.

A recorded run is taken up at the step, the manipulator's change is made, and the system goes on by
itself (warm start: Who&When Pro, arXiv 2607.09996; programmatic injection: AgenTracer, arXiv
2509.03312, section 3). Steps before the fault are those of the recording, and a change that changes
nothing is refused, unlike in AEGIS, whose generic path called the system with the old arguments.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import msgspec

from tracekit.errors import ContractError, InjectionError, UsageError
from tracekit.inject.modes import mode as mode_of
from tracekit.inject.modes import place
from tracekit.inject.strategies import gist, refuse_nothing, struck
from tracekit.inject.types import Fault, Injected, Scene, Strategy
from tracekit.protocols import Manipulator, Replayable
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.trace import Trace


def inject_live(
    system: Replayable,
    clean: Trace,
    faults: Sequence[Fault],
    manipulator: Manipulator,
    seed: int,
) -> Injected:
    """The run with faults in it, everything after each of them played by the system.

    Where a fault names no agent or step, one is drawn from those that can be struck: first the
    agent, then its step. `seed` also seeds what follows; with the seed of the clean run nothing
    but the fault and its consequences differs. A fault with `every` strikes the first step of its
    agent that it can, or the one it names, and all later ones; a collusion (AT-2) takes a second agent in by itself. Of several faults
    the later ones strike the step that corresponds: the agent's n-th stays its n-th. Whether the
    run fails in the end is not decided here.

    Raises `InjectionError` when a fault cannot strike there or would change nothing, `UsageError`
    for a fault that no table knows.
    """
    if not faults:
        raise UsageError("no fault is given")
    for fault in faults:
        check_fault(fault, manipulator)
    rng = random.Random(f"inject/{seed}/{clean.id}")  # noqa: S311 - no secret
    work = _Work(system, clean, manipulator, seed)
    if len(faults) == 1:
        return work.first_that_works(faults[0], rng)
    for fault in resolve(system, clean, faults, manipulator, seed):
        work.make(fault, work.counterpart(fault), rng)
    return work.done()


def resolve(
    system: Replayable,
    clean: Trace,
    faults: Sequence[Fault],
    manipulator: Manipulator,
    seed: int,
) -> list[Fault]:
    """The faults with agent and step filled in, by step; each has a step of its own.

    Raises `InjectionError` when a fault has no step left that it can strike.
    """
    rng = random.Random(f"resolve/{seed}/{clean.id}")  # noqa: S311 - no secret
    points = system.checkpoints(clean)
    taken = {fault.step for fault in faults if fault.step is not None}
    found = []
    for fault in faults:
        for point in _candidates(clean, points, fault, rng):
            if fault.step is None and point.step in taken:
                continue
            if _applies(system, clean, point, fault, manipulator, rng):
                taken.add(point.step)
                agent = clean.steps[point.step].agent
                found.append(msgspec.structs.replace(fault, agent=agent, step=point.step))
                break
        else:
            raise _nowhere(clean, fault)
    return sorted(found, key=lambda fault: fault.step or 0)


def strikes(
    system: Replayable,
    clean: Trace,
    mode: str,
    strategy: Strategy,
    manipulator: Manipulator,
    seed: int = 0,
) -> list[int]:
    """Indices of the steps that the fault can strike, ascending, as the manipulator sees it.

    Nothing is run: a change of inputs that the agent then makes nothing of is still found out by
    `inject_live`. Raises `UsageError` for a pair of mode and strategy that no table knows.
    """
    fault = Fault(mode=mode, strategy=strategy)
    check_fault(fault, manipulator)
    rng = random.Random(f"strikes/{seed}/{clean.id}")  # noqa: S311 - no secret
    points = _candidates(clean, system.checkpoints(clean), fault, None)
    found = (p.step for p in points if _applies(system, clean, p, fault, manipulator, rng))
    return sorted(found)


def check_fault(fault: Fault, manipulator: Manipulator) -> None:
    """Raise `UsageError` for a fault that the table or the manipulator does not know."""
    known = mode_of(fault.mode)
    if fault.strategy not in known.strategies:
        raise UsageError(
            f"{known.code} cannot be brought about by {fault.strategy}; "
            f"known: {', '.join(known.strategies)}"
        )
    if fault.mode not in manipulator.modes:
        raise InjectionError(f"manipulator {manipulator.name!r} does not do {fault.mode}")


class _Work:
    """A run that faults are made in one after the other."""

    def __init__(
        self, system: Replayable, clean: Trace, manipulator: Manipulator, seed: int
    ) -> None:
        self.system, self.clean, self.manipulator, self.seed = system, clean, manipulator, seed
        self.trace = clean
        self._points: list[Checkpoint] | None = None
        self.faults: list[Fault] = []
        self.changes: list[Intervention] = []

    @property
    def points(self) -> list[Checkpoint]:
        """The states of the run as it stands."""
        if self._points is None:
            self._points = self.system.checkpoints(self.trace)
        return self._points

    def first_that_works(self, fault: Fault, rng: random.Random) -> Injected:
        """One fault, at the first of the candidates where it really changes something."""
        why: InjectionError | None = None
        points = self.points
        for point in _candidates(self.clean, points, fault, rng):
            self.trace, self._points, self.faults, self.changes = self.clean, points, [], []
            try:
                self.make(fault, point, rng)
            except InjectionError as error:
                why = error
            else:
                return self.done()
        raise why or _nowhere(self.clean, fault)

    def done(self) -> Injected:
        return Injected(
            clean=self.clean,
            trace=self.trace,
            faults=tuple(self.faults),
            interventions=tuple(self.changes),
            manipulator=self.manipulator.name,
            seed=self.seed,
        )

    def counterpart(self, fault: Fault) -> Checkpoint:
        """The state before the step that corresponds to the one of the clean run."""
        wanted = fault.step or 0
        nth = sum(step.agent == fault.agent for step in self.clean.steps[:wanted])
        last = self.faults[-1].step if self.faults else None
        state = None
        for point in self.points:
            if point.state == state:
                continue  # said twice: there is no state between the two
            step, state = self.trace.steps[point.step], point.state
            nth -= step.agent == fault.agent
            if nth < 0:
                if last is not None and point.step <= last:
                    break
                return point
        raise InjectionError(
            f"trace {self.clean.id}: after the faults before it, {fault.agent} has no step left "
            f"that corresponds to step {wanted}"
        )

    def make(self, fault: Fault, point: Checkpoint, rng: random.Random) -> None:
        """Make a fault at a step, with all that belongs to it."""
        first = self.strike(fault, point, rng)
        if fault.mode == "AT-2":
            self.follow(fault, rng, first.step, partner=True)
        if fault.every:
            self.follow(msgspec.structs.replace(fault, agent=first.agent), rng, first.step)

    def follow(
        self, fault: Fault, rng: random.Random, after: int | None, *, partner: bool = False
    ) -> None:
        """Strike all later steps of the agent, or for a collusion one of another agent."""
        first, last = after, after or 0
        while True:
            ahead = [point for point in self.points if point.step > last]
            for point in ahead:
                step = self.trace.steps[point.step]
                if (step.agent == fault.agent) == partner or place(step) == "tool_result":
                    continue
                try:
                    made = self.strike(fault, point, rng, first if partner else None)
                except InjectionError:
                    continue
                last = made.step or 0
                break
            else:
                if partner:
                    raise InjectionError(f"trace {self.clean.id}: nobody is there to collude with")
                return
            if partner:
                return

    def strike(
        self, fault: Fault, point: Checkpoint, rng: random.Random, after: int | None = None
    ) -> Fault:
        """Make one change and go on from it."""
        scene = _scene(self.system, self.trace, point, fault, after)
        step = self.trace.steps[point.step]
        change = self.manipulator.apply(scene, rng)
        refuse_nothing(self.trace, change)
        trace = self.system.resume(point, change, self.seed)
        self._verify(point, change, trace)
        if fault.strategy == "premature-stop":
            trace = self._ended(trace, point.step)
        made = msgspec.structs.replace(fault, agent=step.agent, step=struck(self.trace, change))
        self.trace, self._points = trace, None
        self.faults.append(made)
        self.changes.append(change)
        return made

    def _verify(self, point: Checkpoint, change: Intervention, trace: Trace) -> None:
        """Raise unless the prefix stands and something at the step is really different."""
        at = point.step
        if trace.steps[:at] != self.trace.steps[:at]:
            raise ContractError(f"the system changed steps before step {at} of {self.trace.id}")
        if change.actions is not None:
            said = trace.steps[at : at + len(change.actions)]
            if [gist(Action.of(one)) for one in said] != [gist(one) for one in change.actions]:
                raise InjectionError(f"step {at}: the system did not take the change")
            if at >= len(trace.steps):
                raise InjectionError(f"step {at} was the last: dropped, nothing is left to see")
            return
        without = self.system.resume(point, None, self.seed).steps[at : at + 1]
        if not without or _same(without[0], trace.steps[at]):
            raise InjectionError(f"step {at}: given other inputs, the agent does the same")

    def _ended(self, trace: Trace, at: int) -> Trace:
        """The run with nothing after a step; a system that goes on loses its turns one by one."""
        for _ in range(len(self.clean.steps) * 2):
            if len(trace.steps) <= at + 1:
                return trace
            ahead = next(p for p in self.system.checkpoints(trace) if p.step == at + 1)
            none = Intervention(step=at + 1, actions=(), by=self.manipulator.name)
            trace = self.system.resume(ahead, none, self.seed)
        raise InjectionError(f"the system does not end after step {at}")


def _same(one: object, other: object) -> bool:
    return gist(Action.of(one)) == gist(Action.of(other))  # type: ignore[arg-type]


def _scene(
    system: Replayable, trace: Trace, point: Checkpoint, fault: Fault, after: int | None = None
) -> Scene:
    return Scene(
        trace=trace,
        step=point.step,
        mode=fault.mode,
        strategy=fault.strategy,
        system=system,
        checkpoint=point,
        after=after,
    )


def _applies(
    system: Replayable,
    trace: Trace,
    point: Checkpoint,
    fault: Fault,
    manipulator: Manipulator,
    rng: random.Random,
) -> bool:
    try:
        change = manipulator.apply(_scene(system, trace, point, fault), rng)
        refuse_nothing(trace, change)
    except InjectionError:
        return False
    return True


def _candidates(
    trace: Trace, points: Sequence[Checkpoint], fault: Fault, rng: random.Random | None
) -> Iterator[Checkpoint]:
    """States before steps that the fault may strike, by agent; in order without a generator."""
    kinds = mode_of(fault.mode).strikes
    if fault.strategy == "tool-fault":
        kinds = ("tool_result",)
    groups: dict[str, list[Checkpoint]] = {}
    for point in points:
        step = trace.steps[point.step]
        wanted = fault.agent in (None, step.agent) and fault.step in (None, step.index)
        if wanted and place(step) in kinds:
            groups.setdefault(step.agent, []).append(point)
    agents = list(groups)
    if rng is not None:
        rng.shuffle(agents)
    for agent in agents:
        if rng is not None and not fault.every:
            rng.shuffle(groups[agent])
        yield from groups[agent]


def _nowhere(trace: Trace, fault: Fault) -> InjectionError:
    where = f"step {fault.step}" if fault.step is not None else f"no step of {fault.agent or 'any'}"
    return InjectionError(f"{fault.mode} by {fault.strategy} cannot strike {where} of {trace.id}")
