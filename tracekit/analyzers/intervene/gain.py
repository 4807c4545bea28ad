"""What a repair is worth: paired runs on fresh tasks, against none and against a random one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from tracekit import stats
from tracekit.analyzers.intervene.types import Gain
from tracekit.errors import UsageError
from tracekit.protocols import Repairable, Replayable
from tracekit.replay.types import Repair
from tracekit.stats import Estimate
from tracekit.trace import Task


def gain(system: Replayable, repair: Repair, tasks: Iterable[Task], seed: int = 0) -> Gain:
    """Run every task three times with one seed: as it is, repaired, and repaired at random.

    The random repair is drawn anew for every task from all that the system can take, the suggested
    one among them. Raises `UsageError` without tasks, or for a system that takes no repairs.
    """
    if not isinstance(system, Repairable):
        raise UsageError("the system takes no repairs: it has no `repairs` and `with_repair`")
    can = list(system.repairs())
    made = {each.key: system.with_repair(each) for each in (*can, repair)}
    before: list[bool] = []
    after: list[bool] = []
    drawn: list[bool] = []
    for number, task in enumerate(tasks):
        chosen = random.Random(f"repair/{seed}/{number}").choice(can)  # noqa: S311 - no secret
        for found, one in (
            (before, system), (after, made[repair.key]), (drawn, made[chosen.key])
        ):  # fmt: skip
            found.append(one.check(one.run(task, seed + number)).status == "success")
    if not before:
        raise UsageError("the gain of a repair needs at least one fresh task")
    return Gain(
        repair=repair,
        n=len(before),
        before=_share(before),
        after=_share(after),
        random=_share(drawn),
        gain=_paired(after, before),
        over_random=_paired(after, drawn),
        random_gain=_paired(drawn, before),
    )


def _share(ends: Sequence[bool]) -> Estimate:
    return stats.wilson(sum(ends), len(ends))


def _paired(one: Sequence[bool], other: Sequence[bool]) -> Estimate:
    gained = sum(a and not b for a, b in zip(one, other, strict=True))
    lost = sum(b and not a for a, b in zip(one, other, strict=True))
    return stats.paired_difference(gained, lost, len(one))
