"""What influence says of a run: lazy agents, ignored inputs, and a grid of credit.

Dr. MAMR (arXiv 2511.02303) calls an agent lazy that speaks and moves nothing. Here that is one of
whose words hardly any get into the answer and who adds hardly any: it repeats, or nobody listens.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tracekit.analyzers.influence.credit import Credit, credit_of, grid, moved
from tracekit.analyzers.influence.measures import Influence
from tracekit.signals.roles import candidates, executors
from tracekit.trace import Trace

LAZY = 0.25
"""Share of an equal part of the credit below which an agent may be called lazy."""
ADDS = 0.25
"""Own share of its messages below which it is; four of five planted ones are, and few others."""
IGNORED = 0.02
"""Share of a message below which it does not rest on what its author was handed."""
SUBSTANCE = 0.2
"""Own share of a message from which on there is something in it to ignore."""


class Member(msgspec.Struct, frozen=True):
    """One agent of the team in one run."""

    agent: str
    """Its id."""
    messages: int
    """Steps that it spoke in."""
    credit: float
    """Share of the answer that is its own, 0 to 1; all members and tools together have 1."""
    adds: float
    """Mean share of its messages that rests on no earlier one, 0 to 1."""
    moves: float
    """Mean over its messages of the largest share of another's message that rests on it, 0 to 1."""
    lazy: bool
    """Less than a quarter of an equal part of the credit, and less than a quarter adds anything."""


class Ignored(msgspec.Struct, frozen=True):
    """A message that was handed over and left no trace in what came of it."""

    step: int
    """Index of the message."""
    agent: str
    """Who wrote it."""
    reader: int
    """Index of the next step of whoever it was addressed to."""
    read_by: str
    """Who that is."""
    share: float
    """Share of the reader's message that rests on it, 0 to 1."""
    anywhere: float
    """The largest share of any later message that rests on it."""


class Report(msgspec.Struct, frozen=True):
    """What influence says of one run."""

    trace_id: str
    """`id` of the trace."""
    measure: str
    """Which measure was used."""
    final: int
    """Index of the step taken for the answer."""
    members: tuple[Member, ...]
    """Who spoke, tools and people left out, most credit first."""
    ignored: tuple[Ignored, ...]
    """Messages that left no trace, in order."""
    grid: dict[str, tuple[float, ...]]
    """Credit by agent and round, tools and people included; sums to 1."""


def report_of(trace: Trace, found: Influence) -> Report:
    """The report on a run with at least one step."""
    credit = credit_of(trace, found)
    return Report(
        trace_id=trace.id,
        measure=found.measure,
        final=credit.final,
        members=tuple(_members(trace, found, credit)),
        ignored=tuple(ignored(trace, found)),
        grid=grid(trace, credit.kept),
    )


def acting(trace: Trace) -> list[int]:
    """Steps of the team itself: neither of people nor outputs of tools."""
    tools = executors(trace)
    return [i for i in candidates(trace) if trace.steps[i].agent not in tools]


def _members(trace: Trace, found: Influence, credit: Credit) -> list[Member]:
    steps = acting(trace)
    effect = moved(trace, found, steps)
    mine: dict[str, list[int]] = {}
    for i in steps:
        mine.setdefault(trace.steps[i].agent, []).append(i)
    equal = 1.0 / max(1, len(mine))
    members = []
    for agent, rows in mine.items():
        share, adds = float(credit.kept[rows].sum()), float(found.own[rows].mean())
        members.append(
            Member(
                agent=agent,
                messages=len(rows),
                credit=round(share, 6),
                adds=round(adds, 6),
                moves=round(float(effect[rows].mean()), 6),
                lazy=len(mine) > 1 and share < LAZY * equal and adds < ADDS,
            )
        )
    return sorted(members, key=lambda member: -member.credit)


def ignored(trace: Trace, found: Influence) -> Iterator[Ignored]:
    """Messages handed to somebody whose next message shows no trace of them."""
    team = set(acting(trace))
    for i, reader in handed(trace):
        known = found.known[reader, i] and reader in team and i in found.given[reader]
        share = float(found.share[reader, i])
        if known and share < IGNORED and found.own[i] >= SUBSTANCE:
            anywhere = float(found.share[:, i].max(initial=0.0))
            author, other = trace.steps[i].agent, trace.steps[reader].agent
            yield Ignored(i, author, reader, other, round(share, 6), round(anywhere, 6))


def handed(trace: Trace) -> Iterator[tuple[int, int]]:
    """Pairs of a message that names its addressee and the addressee's next step."""
    upcoming: dict[str, int] = {}
    pairs = []
    for step in reversed(trace.steps):
        if step.to is not None and step.to != step.agent and step.to in upcoming:
            pairs.append((step.index, upcoming[step.to]))
        upcoming[step.agent] = step.index
    return iter(pairs[::-1])
