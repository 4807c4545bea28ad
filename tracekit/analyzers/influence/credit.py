"""Whose words the answer is made of: credit that flows back from the final step.

The final step holds all the credit. What share of it rests on earlier steps passes on to them, the
rest stays; so do they. What stays with each step sums to 1 over the run. It is credit when the run
went well and, with care, blame when it did not (Dr. MAMR measures influence, not harm).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.influence.measures import Influence
from tracekit.signals.provenance import final_step
from tracekit.signals.roles import executors
from tracekit.signals.segments import segments
from tracekit.trace import Trace


class Credit(NamedTuple):
    """Arrays (n_steps,), 0 to 1."""

    kept: np.ndarray
    """What of the answer is the step's own; sums to 1."""
    passed: np.ndarray
    """What of the answer went through the step, its own included."""
    final: int
    """The step that gives the answer."""


def credit_of(trace: Trace, found: Influence) -> Credit:
    """How the answer is put together; the last step answers where none says anything.

    >>> from tracekit.analyzers.influence.measures import influence_of
    >>> from tracekit.trace import Source, Step
    >>> said = ["lunch is at noon", "the kiln holds twelve vases", "twelve vases fit the kiln"]
    >>> steps = tuple(Step(index=i, agent="A", content=text) for i, text in enumerate(said))
    >>> trace = Trace(id="t", source=Source(format="x"), steps=steps)
    >>> credit_of(trace, influence_of(trace)).kept.round(2).tolist()
    [0.0, 0.66, 0.34]
    """
    n, last = len(trace.steps), final_step(trace)
    final = n - 1 if last is None else last
    passed = np.zeros(n)
    passed[final] = 1.0
    for j in range(final, -1, -1):
        passed += passed[j] * found.share[j]
    return Credit(passed * found.own, passed, final)


def rounds(trace: Trace) -> list[int]:
    """Round of each step, from 0: a new one begins when somebody has a second turn in it.

    Outputs of tools belong to the turn that they are in.

    >>> from tracekit.trace import Source, Step
    >>> steps = tuple(Step(index=i, agent=agent) for i, agent in enumerate("ABBAB"))
    >>> rounds(Trace(id="t", source=Source(format="x"), steps=steps))
    [0, 0, 0, 1, 1]
    """
    tools = executors(trace)
    found, number, previous = [], 0, ""
    spoken: set[str] = set()
    for turn in segments(trace):
        if turn.agent not in tools and turn.agent != previous:
            if turn.agent in spoken:
                number, spoken = number + 1, set()
            spoken.add(turn.agent)
            previous = turn.agent
        found += [number] * len(turn.steps)
    return found


def grid(trace: Trace, kept: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Credit by agent and round (CollabUIAgents, arXiv 2502.14496, gives 0 or 1 in each cell)."""
    number = rounds(trace)
    table = {step.agent: [0.0] * (number[-1] + 1) for step in trace.steps}
    for step in trace.steps:
        table[step.agent][number[step.index]] += float(kept[step.index])
    return {agent: tuple(round(value, 6) for value in row) for agent, row in table.items()}


def moved(trace: Trace, found: Influence, acting: Sequence[int]) -> np.ndarray:
    """The largest share of a message by somebody else that rests on each step, (n_steps,)."""
    owners = np.array([step.agent for step in trace.steps], dtype=object)
    best = np.zeros(len(owners))
    for i in acting:
        others = owners != owners[i]
        best[i] = float(found.share[others, i].max(initial=0.0))
    return best
