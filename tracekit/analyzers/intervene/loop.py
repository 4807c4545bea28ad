"""The loop: diagnose failures, repair the system, measure on fresh tasks, and again.

Feedback to the running system in rounds is that of AgenTracer (arXiv 2509.03312, section 4), which
puts the diagnosis of one task into the next attempt at the same task. Here a repair is for all
runs to come, and its worth is told on tasks that nobody has looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from tracekit.analyzers.intervene.diagnose import Plan, diagnose
from tracekit.analyzers.intervene.gain import gain
from tracekit.analyzers.intervene.suggest import best, tally
from tracekit.analyzers.intervene.types import Diagnosis, Gain, Round
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.inject.tasks import Asked
from tracekit.protocols import Repairable, Replayable
from tracekit.replay.types import Repair
from tracekit.trace import Task, Trace


def improve(
    system: Replayable,
    diagnoses: Sequence[Diagnosis],
    tasks: Iterator[Task],
    context: Context,
    plan: Plan,
    *,
    fresh: int,
    rounds: int = 1,
    most: int = 20,
) -> Iterator[Round]:
    """Repair the system by what is known of its failures, round by round, until nothing helps.

    Each round measures its repair on the next `fresh` tasks. The first goes by `diagnoses`; every
    further one by up to `most` failures of the repaired system on other tasks again, and ends the
    loop when there are none. Nothing is measured where the system takes no repairs.
    """
    found = diagnoses
    for number in range(rounds):
        if number:
            failures = islice(_failures(system, tasks, context.seed), most)
            found = [diagnose(trace, system, context, plan) for trace in failures]
        can = list(system.repairs()) if isinstance(system, Repairable) else None
        chosen = best(found, can)
        repair = None if chosen is None else chosen[0]
        worth = None
        if repair is not None and can is not None:
            given = list(islice(tasks, fresh))
            worth = gain(system, repair, given, context.seed) if given else None
        yield _round(found, repair, worth)
        if repair is None or not isinstance(system, Repairable):
            return
        system = system.with_repair(repair)


TRIED = 10
"""Tasks that are run for every failure wanted before the loop gives up: a system may have none."""


def _failures(system: Replayable, tasks: Iterator[Task], seed: int) -> Iterator[Trace]:
    """Runs of fresh tasks that fail, as long as there are any in a row of tasks."""
    good = 0
    for number, task in enumerate(tasks):
        trace = system.run(task, seed + number)
        failed = system.check(trace).status == "failure"
        good = 0 if failed else good + 1
        if failed:
            yield trace
        elif good >= TRIED:
            return


def _round(found: Sequence[Diagnosis], repair: Repair | None, worth: Gain | None) -> Round:
    return Round(
        diagnosed=len(found),
        explained=sum(one.answer is not None for one in found),
        replays=sum(one.replays for one in found),
        asked=dict(tally(found)),
        repair=repair,
        gain=worth,
    )


def fresh_tasks(
    system: Replayable, seen: Collection[Task], given: Iterable[Task] | None = None
) -> Iterator[Task]:
    """Tasks, of those given or of the system's own, that were not seen yet.

    Raises `UsageError` for a system that has none.
    """
    if given is None and not isinstance(system, Asked):
        raise UsageError(
            "fresh tasks are needed to measure a repair: --tasks FILE, or --fresh 0 to do without"
        )
    known = {(task.id, task.question) for task in seen}
    every = given if given is not None else system.tasks()  # type: ignore[attr-defined]
    return (task for task in every if (task.id, task.question) not in known)
