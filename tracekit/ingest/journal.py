"""A run in instalments: what live capture writes down before it knows how the run ends.

Every line of a journal holds what is new of one trace. A later line about the same step or agent
replaces the earlier one, so that a file that breaks off anywhere gives the run up to there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tracekit.trace import Agent, Inputs, Outcome, Source, Step, Task, Trace

JOURNAL = "tracekit/journal/1"
"""Name and version of the format; the first member of the first line."""


class Instalment(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is new: one line of a journal."""

    schema: str | None = None
    """`JOURNAL` in the first line, None in the others."""
    id: str | None = None
    """Id of the trace; in the first line."""
    source: Source | None = None
    """Where the run is captured; in the first line."""
    task: Task | None = None
    """What the team was asked."""
    agents: tuple[Agent, ...] = ()
    """Agents that are new, or of whom something is newly known."""
    steps: tuple[Step, ...] = ()
    """Steps that are new, or that changed."""
    outcome: Outcome | None = None
    """How the run ended; only a run that ended has one."""
    extra: dict[str, Any] | None = None
    """Everything else that is known of the run."""


def fold(instalments: Iterable[Instalment]) -> Trace | None:
    """The run that the instalments tell, None when they lack the first one.

    A run that did not end is marked `unfinished` in `extra` and its outcome is unknown.

    >>> first = Instalment(schema=JOURNAL, id="r1", source=Source(format="live"))
    >>> trace = fold([first, Instalment(agents=(Agent("A", "A"),), steps=(Step(0, "A"),))])
    >>> len(trace.steps), trace.extra
    (1, {'unfinished': True})
    """
    id: str | None = None
    source: Source | None = None
    task = Task()
    outcome: Outcome | None = None
    extra: dict[str, Any] = {}
    agents: dict[str, Agent] = {}
    steps: dict[int, Step] = {}
    for new in instalments:
        id, source = new.id or id, new.source or source
        task, outcome = new.task or task, new.outcome or outcome
        extra = new.extra if new.extra is not None else extra
        agents.update((agent.id, agent) for agent in new.agents)
        steps.update((step.index, step) for step in new.steps)
    if id is None or source is None:
        return None
    dense = _dense(steps)
    for step in dense:  # the line that introduced the agent may be the one that was lost
        for name in (step.agent, step.to):
            if name is not None:
                agents.setdefault(name, Agent(name, name))
    return Trace(
        id=id,
        source=source,
        task=task,
        agents=tuple(agents.values()),
        steps=dense,
        outcome=outcome or Outcome(),
        extra=extra if outcome is not None else {**extra, "unfinished": True},
    )


def _dense(steps: dict[int, Step]) -> tuple[Step, ...]:
    """The steps in order, numbered anew where lines were lost."""
    order = {old: new for new, old in enumerate(sorted(steps))}
    return tuple(_moved(steps[old], new, order) for old, new in order.items())


def _moved(step: Step, index: int, order: dict[int, int]) -> Step:
    parent = None if step.parent is None else order.get(step.parent)
    inputs = step.inputs
    if inputs is not None:
        known = tuple(order[i] for i in inputs.steps if i in order)
        inputs = Inputs(steps=known, messages=inputs.messages)
    return msgspec.structs.replace(step, index=index, parent=parent, inputs=inputs)
