"""The contract of a system that can be replayed, checked on runs of the tasks that are given."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tracekit.protocols import Replayable
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.store import encode
from tracekit.testing.rules import broken
from tracekit.trace import Outcome, Task, Trace, faults

WORDS = "The answer is 42, whatever was said before."


def check_replayable(
    system: Replayable, tasks: Iterable[Task], *, seed: int = 0, exact: bool = True
) -> None:
    """Check that a system keeps its promises (`tracekit.testing.rules.REPLAYABLE`).

    Each task is run once or twice and resumed from every checkpoint, so give few and short ones.
    `exact=False` leaves out `seeded` and `exact`, for systems that nobody can seed. Raises
    `ContractError` that names the rule.
    """
    subject = f"system {type(system).__name__!r}"
    for task in tasks:
        trace = system.run(task, seed)
        if not isinstance(trace, Trace) or not trace.steps or faults(trace):
            raise broken(subject, "runs", f"task {task.id}")
        if trace.task.question != task.question:
            raise broken(subject, "runs", f"task {task.id}: the trace has another question")
        if exact and encode(system.run(task, seed)) != encode(trace):
            raise broken(subject, "seeded", f"task {task.id}, seed {seed}")
        _check_outcome(system, subject, trace)
        checkpoints = system.checkpoints(trace)
        _check_order(subject, trace, checkpoints)
        for checkpoint in checkpoints:
            _check_resume(system, subject, trace, checkpoint, seed, exact=exact)


def _check_outcome(system: Replayable, subject: str, trace: Trace) -> None:
    first, second = system.check(trace), system.check(trace)
    if not isinstance(first, Outcome) or not first.by or first != second:
        raise broken(subject, "check", f"{first} for trace {trace.id}")


def _check_order(subject: str, trace: Trace, checkpoints: list[Checkpoint]) -> None:
    steps = [checkpoint.step for checkpoint in checkpoints]
    fits = bool(steps) and steps[0] == 0 and steps == sorted(set(steps))
    if not fits or steps[-1] >= len(trace.steps):
        raise broken(subject, "checkpoints", f"{steps[:10]} of trace {trace.id}")
    if any(checkpoint.trace_id != trace.id for checkpoint in checkpoints):
        raise broken(subject, "checkpoints", f"one is not of trace {trace.id}")


def _check_resume(
    system: Replayable,
    subject: str,
    trace: Trace,
    checkpoint: Checkpoint,
    seed: int,
    *,
    exact: bool,
) -> None:
    at = checkpoint.step
    where = f"step {at} of trace {trace.id}"
    try:
        written = msgspec.json.encode(checkpoint)
        copy = msgspec.json.decode(written, type=Checkpoint)
    except (TypeError, msgspec.MsgspecError) as error:
        raise broken(subject, "plain-state", f"{where}: {error}") from error
    before = encode(trace)
    again = system.resume(copy, None, seed)
    if exact and encode(again) != before:
        raise broken(subject, "exact", where)
    said = Action(WORDS, trace.steps[at].kind, trace.steps[at].to)
    changed = system.resume(checkpoint, Intervention(step=at, actions=(said,), by="test"), seed + 1)
    if changed.steps[:at] != trace.steps[:at]:
        raise broken(subject, "prefix", where)
    if len(changed.steps) <= at or changed.steps[at].content != WORDS:
        raise broken(subject, "obedient", where)
    if msgspec.json.encode(checkpoint) != written or encode(trace) != before:
        raise broken(subject, "input-unchanged", where)
