"""Turns of one speaker: neighbouring steps of the same agent, merged, with their raw indices kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tracekit.trace import Trace


class Segment(NamedTuple):
    """What one agent did without anybody in between."""

    agent: str
    start: int
    """Index of its first step."""
    stop: int
    """Index after its last step."""

    @property
    def steps(self) -> range:
        """Indices of its steps, as in the trace."""
        return range(self.start, self.stop)


def segments(trace: Trace) -> list[Segment]:
    """The trace as turns, in order; every step is in exactly one.

    >>> from tracekit.trace import Source, Step
    >>> steps = tuple(Step(index=i, agent=agent) for i, agent in enumerate("AAB"))
    >>> segments(Trace(id="t", source=Source(format="x"), steps=steps))
    [Segment(agent='A', start=0, stop=2), Segment(agent='B', start=2, stop=3)]
    """
    found: list[Segment] = []
    for step in trace.steps:
        if found and found[-1].agent == step.agent:
            found[-1] = found[-1]._replace(stop=step.index + 1)
        else:
            found.append(Segment(step.agent, step.index, step.index + 1))
    return found


def segment_of(trace: Trace) -> np.ndarray:
    """Number of the turn that each step belongs to, int (n_steps,).

    >>> from tracekit.trace import Source, Step
    >>> steps = tuple(Step(index=i, agent=agent) for i, agent in enumerate("AAB"))
    >>> segment_of(Trace(id="t", source=Source(format="x"), steps=steps)).tolist()
    [0, 0, 1]
    """
    turns = segments(trace)
    return np.repeat(np.arange(len(turns)), [turn.stop - turn.start for turn in turns])
