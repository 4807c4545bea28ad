"""What methods that compare runs need of a corpus: its runs by task, made once and kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from tracekit.folds import question_key
from tracekit.trace import Trace

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

TURNOVER = 2
"""Ids per seat from which ids cannot name seats."""


class Latest(Generic[K, T]):
    """Remembers what was made of the corpus that was asked about last.

    Verdicts on many runs share one corpus, and what is learned from it is learned once. The corpus
    itself is held, so that no other one can take its place unnoticed.

    >>> made = []
    >>> latest = Latest(lambda corpus, key: made.append(len(corpus)))
    >>> corpus = ()
    >>> latest.of(corpus, "a"), latest.of(corpus, "a"), made
    (None, None, [0])
    """

    def __init__(self, make: Callable[[Sequence[Trace], K], T]) -> None:
        self._make = make
        self._kept: tuple[Sequence[Trace], int, K, T] | None = None

    def of(self, corpus: Sequence[Trace], key: K) -> T:
        """What `make` makes of the corpus and the key."""
        kept = self._kept
        if kept is None or kept[0] is not corpus or kept[1:3] != (len(corpus), key):
            kept = self._kept = (corpus, len(corpus), key, self._make(corpus, key))
        return kept[3]


def by_task(corpus: Sequence[Trace]) -> dict[str, list[Trace]]:
    """Runs of the same question together, in order of appearance (`folds.question_key`)."""
    found: dict[str, list[Trace]] = {}
    for trace in corpus:
        found.setdefault(question_key(trace), []).append(trace)
    return found


def named_by_role(corpus: Sequence[Trace]) -> bool:
    """Whether agents of different runs are found again by role rather than by id.

    Systems that deal out names anew have many more ids than seats, and give every agent a role.
    """
    ids = {agent.id for trace in corpus for agent in trace.agents}
    roled = all(agent.role for trace in corpus for agent in trace.agents)
    return roled and len(ids) > TURNOVER * max((len(t.agents) for t in corpus), default=0)


def seats(trace: Trace, *, by_role: bool) -> dict[str, str]:
    """Name of each agent's seat in the team, by agent id: its id, or its role.

    Agents of the same role are numbered in the order of the roster.

    >>> from tracekit.trace import Agent, Source
    >>> agents = (Agent("Ada", "Ada", "worker"), Agent("Jun", "Jun", "worker"), Agent("Mo", "Mo", "judge"))
    >>> seats(Trace(id="t", source=Source(format="x"), agents=agents), by_role=True)
    {'Ada': 'worker', 'Jun': 'worker 2', 'Mo': 'judge'}
    """
    if not by_role:
        return {agent.id: agent.id for agent in trace.agents}
    taken: dict[str, int] = {}
    found = {}
    for agent in trace.agents:
        role = agent.role or agent.id
        taken[role] = taken.get(role, 0) + 1
        found[agent.id] = role if taken[role] == 1 else f"{role} {taken[role]}"
    return found
