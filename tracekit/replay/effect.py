"""How much a change matters: success rates of replays with it and without, and their difference."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import msgspec

from tracekit import stats
from tracekit.errors import UsageError
from tracekit.protocols import Replayable, Rerun
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.trace import Outcome, Trace


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """Success rates from n replays of each kind."""

    rate_with: float
    """Share of successes with the intervention, 0 to 1."""
    rate_without: float
    """Share of successes without it, 0 to 1."""
    difference: float
    """`rate_with - rate_without`, -1 to 1."""
    low: float
    """Lower end of the 95 % interval of the difference."""
    high: float
    """Upper end of the 95 % interval of the difference."""
    n: int
    """Replays of each kind."""

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def effect(
    system: Replayable, trace: Trace, step: int, intervention: Intervention, n: int, seed: int = 0
) -> Effect:
    """Replay `trace` from `step` n times with the intervention and n times without.

    Without it, the recorded action of the step is kept where the intervention replaces the
    action, and the agent acts again where it only changes inputs; what follows is drawn anew
    with seeds `seed` to `seed + n - 1`, the same for both sides (common random numbers), so that
    the interval is that of paired shares. Raises `UsageError` for a step the trace lacks.
    """
    if n < 1:
        raise UsageError("an effect needs at least one replay")
    if intervention.step != step:
        raise UsageError(f"the intervention is for step {intervention.step}, not {step}")
    before = checkpoint_at(system, trace, step)
    base = _unchanged(trace, step) if intervention.actions is not None else None
    pairs = []
    for each in range(seed, seed + n):
        pairs.append(
            tuple(
                outcome(system, before, change, each).status == "success"
                for change in (intervention, base)
            )
        )
    gained = sum(a and not b for a, b in pairs)
    lost = sum(b and not a for a, b in pairs)
    paired = stats.paired_difference(gained, lost, n)
    rate_with, rate_without = (sum(pair[side] for pair in pairs) / n for side in (0, 1))
    return Effect(
        rate_with=rate_with,
        rate_without=rate_without,
        difference=paired.value,
        low=paired.low,
        high=paired.high,
        n=n,
    )


def outcome(
    system: Replayable, checkpoint: Checkpoint, change: Intervention | None, seed: int
) -> Outcome:
    """How one replay ends, by the system's short cut if it has one (`Rerun`)."""
    if _reruns(type(system)):
        return cast("Rerun", system).outcome(checkpoint, change, seed)
    return system.check(system.resume(checkpoint, change, seed))


@lru_cache
def _reruns(kind: type) -> bool:
    """Whether systems of a class have the short cut; to ask a protocol costs a tenth of a replay."""
    return issubclass(kind, Rerun)


def checkpoint_at(system: Replayable, trace: Trace, step: int) -> Checkpoint:
    """The checkpoint before a step; raises `UsageError` when there is none."""
    for checkpoint in system.checkpoints(trace):
        if checkpoint.step == step:
            return checkpoint
    raise UsageError(f"trace {trace.id} has no checkpoint before step {step}")


def _unchanged(trace: Trace, step: int) -> Intervention:
    return Intervention(step=step, actions=(Action.of(trace.steps[step]),), by="recording")
