"""Following one run while it goes on: lines as they come, an alarm when its value falls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from tracekit import registry
from tracekit.errors import Problem, UsageError, boundary
from tracekit.prm.alarm import Alarm, Follower, Rule, Seen, grown
from tracekit.prm.score import doubts
from tracekit.protocols import ValueFunction
from tracekit.report.explain import percent
from tracekit.report.visible import one_line
from tracekit_cli.output import emit, note, show

Callback = Callable[[Alarm], Any]


class Waiting:
    """Waits for more lines of a file: called when there are none, False = no longer."""

    def __init__(self, poll: float, idle: float | None) -> None:
        self._poll, self._idle = poll, idle
        self._since = 0.0

    def __call__(self) -> bool:
        """Wait a little; False when nothing came for too long."""
        if self._idle is not None and self._since >= self._idle:
            return False
        time.sleep(self._poll)
        self._since += self._poll
        return True

    def came(self) -> None:
        """A line came."""
        self._since = 0.0


def follow(
    path: Path,
    values: ValueFunction,
    rule: Rule,
    waiting: Waiting,
    *,
    on_alarm: str = "",
    keep_going: bool = False,
    json: bool = False,
    quiet: bool = False,
) -> bool:
    """Print each step with its value as it comes; True when there was an alarm.

    Ends at the alarm, or with `keep_going` and without one when the run is over or nothing comes
    any more. A callback that raises is reported, and the alarm stands.
    """
    call: Callback | None = registry.load(on_alarm, "--on-alarm") if on_alarm else None
    if call is not None and not callable(call):
        raise UsageError(f"--on-alarm {on_alarm}: not a function")
    follower = Follower(values, rule)
    for item in _items(follower, path, waiting):
        _tell(item, json=json, quiet=quiet)
        if isinstance(item, Seen) and item.alarm:
            _alarmed(item.alarm, call)
            if not keep_going:
                break
    if follower.trace is not None:
        for doubt in doubts(follower.trace, values):
            note(f"warning: {doubt}", quiet=quiet)
    return follower.alarm is not None


def _items(follower: Follower, path: Path, waiting: Waiting) -> Iterator[Seen | Problem]:
    """What comes in, until the run is over or nothing comes any more."""
    for line in grown(path, waiting):
        waiting.came()
        yield from follower.take(line)
        if follower.over:
            return


def _tell(item: Seen | Problem, *, json: bool, quiet: bool) -> None:
    if isinstance(item, Problem):
        note(f"tracekit: {item}", quiet=quiet)
    elif json:
        said = {"step": item.step.index, "agent": item.step.agent, "value": item.value}
        emit(msgspec.json.encode({**said, "alarm": item.alarm}) + b"\n")
    else:
        filled = round(item.value * 10)
        says = one_line(item.step.content, 48)
        show(
            f"{item.step.index:>4}  {'█' * filled}{'·' * (10 - filled)} {percent(item.value):>6}  "
            f"{one_line(item.step.agent, 20):<20}  {says}"
        )


def _alarmed(alarm: Alarm, call: Callback | None) -> None:
    note(
        f"ALARM after step {alarm.step} ({alarm.agent}): {alarm.reason}; "
        f"the largest fall was at step {alarm.worst}"
    )
    if call is not None:
        with boundary("the function of --on-alarm failed") as failure:
            call(alarm)
        if failure.problem is not None:
            note(f"tracekit: {failure.problem}")
