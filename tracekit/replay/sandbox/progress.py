"""How far a run of the sandbox has come: the items of its task that it got right in the end."""

from __future__ import annotations

from functools import lru_cache

from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.notes import Notes
from tracekit.replay.sandbox.state import problem_of
from tracekit.trace import Trace


def milestones(trace: Trace) -> dict[str, bool]:
    """Label of every item, and whether the value last stated for it is the right one.

    Raises `UsageError` for a task that the sandbox did not give.
    """
    task = trace.task.id or ""
    stated = Notes(problem_of(task).family, trace.steps).values
    return {label: stated.get(label) == value for label, value in _right(task)}


@lru_cache(maxsize=1024)
def _right(task: str) -> tuple[tuple[str, str | None], ...]:
    """Labels of a task with their right values."""
    problem = problem_of(task)
    kind, values = family(problem.family), dict[str, str | None]()
    for item in problem.items:
        args = [values.get(arg) if arg in kind.labels else arg for arg in item.args]
        known = [arg for arg in args if arg is not None]
        values[item.label] = kind.compute(item, known, problem) if known == args else None
    return tuple(values.items())
