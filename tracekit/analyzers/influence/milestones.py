"""Sub-goals of a task: how far a run came, where it stopped getting on, and who helped.

The progress rate after a step is the share of sub-goals that anything said so far has matched
(AgentBoard, arXiv 2401.13178). An agent's KPI is the share of sub-goals that it contributed to
(MultiAgentBench, arXiv 2503.01935): it said what matched, or a fair part of that rests on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tracekit.analyzers.influence.measures import Influence, said
from tracekit.errors import UsageError
from tracekit.signals.roles import people
from tracekit.signals.text import window
from tracekit.trace import Trace

CONTRIBUTES = 0.1
"""Share of the matching step from which on whoever it rests on has contributed."""
LARGEST = 2**20
"""Bytes of a file of sub-goals."""


class SubGoal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something to be reached on the way."""

    name: str
    """What it is called in reports."""
    pattern: str
    """Regular expression that matches what is said when it is reached."""
    task: str | None = None
    """Id of the task that it belongs to; None = every task."""


class Milestones(msgspec.Struct, frozen=True):
    """How one run got on."""

    goals: int
    """Sub-goals of its task."""
    reached: dict[str, int]
    """By name, the step that reached it first."""
    progress: tuple[float, ...]
    """Progress rate after each step, 0 to 1."""
    stalled: int | None
    """The step of the last progress, when sub-goals were left open; None = all were reached."""
    kpi: dict[str, float]
    """By agent, the share of all sub-goals that it contributed to, 0 to 1."""


def read_goals(path: Path) -> list[SubGoal]:
    """Sub-goals of a JSON list; raises `UsageError` for a file that holds none or a bad pattern."""
    try:
        data = path.read_bytes()[: LARGEST + 1]
        found = msgspec.json.decode(data, type=list[SubGoal])
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(
            f'{path}: wanted a JSON list of {{"name": ..., "pattern": ...}}: {error}'
        ) from None
    for goal in found:
        try:
            re.compile(goal.pattern)
        except re.error as error:
            raise UsageError(f"{path}: the pattern of {goal.name!r}: {error}") from None
    if not found:
        raise UsageError(f"{path}: no sub-goal in it")
    return found


def milestones(trace: Trace, goals: Sequence[SubGoal], found: Influence) -> Milestones | None:
    """What was reached and by whom, None when no sub-goal is of this task.

    People reach nothing: what the user says is the task.

    >>> from tracekit.analyzers.influence.measures import influence_of
    >>> from tracekit.trace import Source, Step
    >>> said = ["the key is 17", "so the door opens with 17", "bye"]
    >>> steps = tuple(Step(i, agent, content=x) for i, (agent, x) in enumerate(zip("ABB", said)))
    >>> trace = Trace(id="t", source=Source(format="x"), steps=steps)
    >>> goals = [SubGoal("key", r"key is"), SubGoal("door", "opens"), SubGoal("gold", "gold")]
    >>> done = milestones(trace, goals, influence_of(trace))
    >>> done.reached, done.stalled, {who: round(k, 2) for who, k in done.kpi.items()}
    ({'key': 0, 'door': 1}, 1, {'A': 0.67, 'B': 0.33})
    """
    mine = [goal for goal in goals if goal.task in (None, trace.task.id)]
    if not mine or not trace.steps:
        return None
    persons = people(trace)
    texts = {s.index: window(said(s)) for s in trace.steps if s.agent not in persons}
    reached = {}
    for goal in mine:
        hit = next((i for i, text in texts.items() if re.search(goal.pattern, text)), None)
        if hit is not None:
            reached[goal.name] = hit
    helped = {step.agent: 0 for step in trace.steps if step.agent not in persons}
    for step in reached.values():
        for agent in _contributors(trace, step, found):
            helped[agent] = helped.get(agent, 0) + 1
    counted = [sum(step <= i for step in reached.values()) for i in range(len(trace.steps))]
    return Milestones(
        goals=len(mine),
        reached=reached,
        progress=tuple(count / len(mine) for count in counted),
        stalled=None if len(reached) == len(mine) else max(reached.values(), default=0),
        kpi={agent: count / len(mine) for agent, count in helped.items()},
    )


def _contributors(trace: Trace, step: int, found: Influence) -> set[str]:
    """Who said it, and those that a fair part of it rests on."""
    behind = {
        trace.steps[i].agent for i in found.given[step] if found.share[step, i] >= CONTRIBUTES
    }
    return ({trace.steps[step].agent} | behind) - people(trace)
