"""Watching a run while it goes on: its value after every step, and when to raise an alarm.

Nothing here reads the clock: what comes next, and when to stop waiting for it, is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tracekit.errors import InputError, Problem, UsageError
from tracekit.ingest.journal import JOURNAL, Instalment
from tracekit.prm.rank import log_odds
from tracekit.protocols import RunningValue, ValueFunction
from tracekit.trace import Agent, Step, Trace

LONGEST = 64 << 20
"""Bytes of a line that are waited for."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """When a value is alarming. Raises `UsageError` for a rule that can never hold."""

    below: float | None = 0.2
    """The value falls below this probability; None = no such rule."""
    drop: float | None = None
    """The value falls by this much from its highest so far, the one before the first step
    included; None = no such rule."""
    patience: int = 1
    """Steps in a row for which it must hold."""

    def __post_init__(self) -> None:
        shares = [share for share in (self.below, self.drop) if share is not None]
        if not shares or not all(0 < share < 1 for share in shares) or self.patience < 1:
            raise UsageError(
                "an alarm needs a threshold or a drop between 0 and 1, and a patience from 1"
            )

    def broken(self, value: float, highest: float) -> str | None:
        """Which part of the rule a value breaks, in words; None = none.

        >>> Rule(below=0.2).broken(0.1, 0.9), Rule(below=None, drop=0.5).broken(0.3, 0.7)
        ('0.10 is below 0.2', None)
        """
        if self.below is not None and value < self.below:
            return f"{value:.2f} is below {self.below:g}"
        if self.drop is not None and highest - value >= self.drop:
            return f"{value:.2f} is {self.drop:g} or more below {highest:.2f}"
        return None


class Alarm(msgspec.Struct, frozen=True):
    """A run that is going wrong. What a callback of `--on-alarm` is given."""

    trace_id: str
    """Id of the run."""
    step: int
    """Index of the step after which it is raised."""
    agent: str
    """Who took that step."""
    value: float
    """Probability of success after it, 0 to 1."""
    worst: int
    """The step so far with the largest fall of the value: where to look first."""
    reason: str
    """What broke the rule, in words."""


class Seen(msgspec.Struct, frozen=True):
    """One step of a run that is watched."""

    step: Step
    value: float
    """Probability of success after it, 0 to 1."""
    alarm: Alarm | None = None
    """Set at the first step that breaks the rule, and at no other."""


class Watch:
    """One run under watch; a new step costs only itself."""

    def __init__(self, values: ValueFunction, rule: Rule, trace: Trace) -> None:
        """`trace` has the task and the roster; its steps are left out."""
        self._running: RunningValue = values.begin(trace)
        self._rule, self._id = rule, trace.id
        self._highest = self._last = float(self._running.value)
        self._row = 0
        self._worst = (0.0, 0)
        self.alarm: Alarm | None = None
        """The alarm of the run, None as long as there is none."""

    def take(self, step: Step) -> Seen:
        """The next step."""
        value = float(self._running.push(step))
        self._worst = min(self._worst, (log_odds(value) - log_odds(self._last), step.index))
        self._highest, self._last = max(self._highest, value), value
        reason = self._rule.broken(value, self._highest)
        self._row = self._row + 1 if reason else 0
        if reason is None or self.alarm is not None or self._row < self._rule.patience:
            return Seen(step, value)
        worst = self._worst[1] if self._worst[0] < 0 else step.index
        self.alarm = Alarm(self._id, step.index, step.agent, value, worst, reason)
        return Seen(step, value, self.alarm)


def first_alarm(trace: Trace, values: ValueFunction, rule: Rule) -> Alarm | None:
    """The alarm that a whole run would have raised while it went on."""
    watch = Watch(values, rule, trace)
    return next((seen.alarm for seen in map(watch.take, trace.steps) if seen.alarm), None)


class Follower:
    """A journal (`tracekit.ingest.journal`) that is read while it is written.

    A step is scored when it is finished. A change of the task, of the roster or of an earlier step
    makes the values anew from the first step on; what was shown stays as it was, and a step is
    given once more only where it now raises the alarm.
    """

    def __init__(self, values: ValueFunction, rule: Rule) -> None:
        self._values, self._rule = values, rule
        self._trace: Trace | None = None
        self._agents: dict[str, Agent] = {}
        self._steps: dict[int, Step] = {}
        self._taken: dict[int, Step] = {}
        self._watch: Watch | None = None
        self.alarm: Alarm | None = None
        """The alarm of the run, None as long as there is none."""
        self.over = False
        """Whether the run has said how it ended."""

    @property
    def trace(self) -> Trace | None:
        """The run so far, None before its first line."""
        if self._trace is None:
            return None
        return msgspec.structs.replace(self._trace, steps=tuple(self._taken.values()))

    def take(self, line: bytes) -> Iterator[Seen | Problem]:
        """What is new after one more line; one that cannot be read is a problem and left out.

        Raises `InputError` when the first line is not that of a journal.
        """
        try:
            new = msgspec.json.decode(line, type=Instalment)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if self._trace is None:
                raise InputError(f"not a {JOURNAL} document, and only such are followed") from error
            yield Problem(what=f"not a line of a {JOURNAL} document: {error}", severity="warning")
            return
        if self._trace is None:
            if new.schema != JOURNAL or new.id is None or new.source is None:
                raise InputError(f"not a {JOURNAL} document, and only such are followed")
            self._trace = Trace(id=new.id, source=new.source)
        before = self._trace
        self._agents.update((agent.id, agent) for agent in new.agents)
        self._trace = msgspec.structs.replace(
            before, task=new.task or before.task, agents=tuple(self._agents.values())
        )
        stale = self._trace != before
        for step in new.steps:
            self._steps[step.index] = step
            stale = stale or step != self._taken.get(step.index, step)
        self.over = self.over or new.outcome is not None
        yield from self._score(again=stale or self._watch is None)

    def _score(self, *, again: bool) -> Iterator[Seen]:
        assert self._trace is not None
        if again:
            self._watch = Watch(self._values, self._rule, self._trace)
            self._taken = {index: self._steps[index] for index in self._taken}
            again_seen = [self._once(self._watch.take(step)) for step in self._taken.values()]
            yield from (seen for seen in again_seen if seen.alarm)
        assert self._watch is not None
        last = max(self._taken, default=-1)
        for index in sorted(index for index in self._steps if index > last):
            step = self._steps[index]
            if step.extra.get("unfinished") and not self.over:
                return
            self._taken[index] = step
            yield self._once(self._watch.take(step))

    def _once(self, seen: Seen) -> Seen:
        """The same without its alarm where the run has had one."""
        if seen.alarm is None or self.alarm is not None:
            return Seen(seen.step, seen.value)
        self.alarm = seen.alarm
        return seen


def grown(path: Path, wait: Callable[[], bool]) -> Iterator[bytes]:
    """Lines of a file as they are finished; `wait` is asked when there is none, False ends it.

    What stands after the last line break is given at the end.

    Raises `InputError` for a file that cannot be read, gets shorter, or has an endless line.
    """
    rest, read = b"", 0
    try:
        with path.open("rb") as stream:
            while True:
                if path.stat().st_size < read:
                    raise InputError(f"{path}: got shorter while it was followed")
                piece = stream.read(1 << 20)
                read += len(piece)
                *lines, rest = (rest + piece).split(b"\n")
                yield from (line for line in lines if line.strip())
                if len(rest) > LONGEST:
                    raise InputError(f"{path}: a line is longer than {LONGEST:,} bytes")
                if not piece and not wait():
                    break
            yield from (line for line in (rest,) if line.strip())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
