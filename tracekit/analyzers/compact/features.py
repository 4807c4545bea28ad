"""What each member of `compact` sees of a trace: a table of features per member.

`wide` sees every column of `signals.columns`, none of them selected by a label; `short` sees the
thirteen of `signals.features`; `graph` sees the wide table, the words themselves as vectors, and
who used what. They err apart, which is what makes their average better than each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.compact.graph import Graph
from tracekit.encoder.encoder import Encoder
from tracekit.signals import columns, features
from tracekit.signals.dataflow import uses
from tracekit.signals.reading import Reading, read
from tracekit.trace import Step, Trace

WIDE = columns.names()
SHORT = features.NAMES
NAMES: dict[str, tuple[str, ...]] = {"wide": WIDE, "short": SHORT}
"""Columns of each linear member, in order."""
TEXT = 32
"""Leading numbers of a text's vector that are used; the encoder's are principal components."""
GAIN = 2.0
"""What they are multiplied by, which brings them near the size of scaled features."""


class Tables(NamedTuple):
    """A trace as the members see it."""

    reading: Reading
    by_member: dict[str, np.ndarray]
    """Float64 (n_steps, n_features) for each name in `NAMES`."""
    graph: Graph
    """The run as a graph, its features not scaled yet."""
    vectors: np.ndarray
    """The steps' texts by the encoder, float32 (n_steps, width)."""

    @property
    def blamable(self) -> np.ndarray:
        """Steps that can be blamed, bool (n_steps,)."""
        return self.reading.blamable


_KEPT: ContextVar[dict[int, tuple[Trace, Tables]] | None] = ContextVar("kept", default=None)
"""By identity of the trace, which is held so that no other one gets its number."""


@contextmanager
def kept() -> Iterator[None]:
    """Within this the tables of a trace are made once: for many fits on the same runs.

    A trace is known by identity, so that the same run with its labels hidden is another one.
    """
    token = _KEPT.set({} if (held := _KEPT.get()) is None else held)
    try:
        yield
    finally:
        _KEPT.reset(token)


def tables(trace: Trace) -> Tables:
    """All members' features; a few milliseconds for a run of ten steps.

    The trace must have a step.
    """
    held = _KEPT.get()
    if held is None:
        return _tables(trace)
    if id(trace) not in held:
        held[id(trace)] = trace, _tables(trace)
    return held[id(trace)][1]


def _tables(trace: Trace) -> Tables:
    reading = read(trace)
    wide = columns.matrix(trace, reading)
    numbers: dict[str, int] = {}
    agent = np.array([numbers.setdefault(step.agent, len(numbers)) for step in trace.steps])
    vectors = Encoder.load().encode([said(step) for step in trace.steps])
    graph = Graph(
        x=wide,
        e=GAIN * vectors[:, :TEXT].astype(np.float64),
        agent=agent,
        blamable=reading.blamable,
        uses=uses(trace),
    )
    return Tables(reading, {"wide": wide, "short": features.matrix(reading)}, graph, vectors)


def said(step: Step) -> str:
    """Everything a step says, its calls included.

    >>> from tracekit.trace import ToolCall
    >>> said(Step(index=0, agent="A", content="I look.", tools=(ToolCall("find", {"x": 1}),)))
    "I look. find {'x': 1} "
    """
    calls = (f" {call.name} {call.arguments or ''} {call.result or ''}" for call in step.tools)
    return step.content + "".join(calls)
