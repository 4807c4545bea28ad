"""Actions done again: the same agent says or does the same thing twice."""

from __future__ import annotations

import msgspec

from tracekit.signals.roles import executors, people
from tracekit.signals.text import ends, jaccard, words
from tracekit.trace import Step, Trace

LIKE = 0.9
"""Share of common words from which two texts count as the same."""
SHORTEST = 5
"""Texts of fewer words are never called a repetition: a greeting is not a loop."""
LOOK_BACK = 6
"""Turns of the same agent that a step is compared with."""


def repeats(trace: Trace) -> list[int | None]:
    """For each step the latest earlier step it repeats, None when it is new.

    A repetition is the same set of tool calls with the same arguments, or a text of at least five
    words that shares nine tenths of them with one of the agent's last six turns. People and
    executors are never charged with one.

    >>> from tracekit.trace import Source
    >>> text = "search the catalogue for red bicycles again"
    >>> steps = tuple(Step(index=i, agent="A", content=text) for i in range(2))
    >>> repeats(Trace(id="t", source=Source(format="x"), steps=steps))
    [None, 0]
    """
    silent = people(trace) | executors(trace)
    turns: dict[str, list[tuple[int, bytes, frozenset[str]]]] = {}
    found: list[int | None] = []
    for step in trace.steps:
        if step.agent in silent or step.kind in ("tool_result", "system"):
            found.append(None)
            continue
        calls, said = _calls(step), words(ends(step.content))
        own = turns.setdefault(step.agent, [])
        same = (
            index
            for index, earlier_calls, earlier in reversed(own[-LOOK_BACK:])
            if _same(calls, said, earlier_calls, earlier)
        )
        found.append(next(same, None))
        own.append((step.index, calls, said))
    return found


def _calls(step: Step) -> bytes:
    """The step's requests in one comparable form; empty when it asks for nothing."""
    asked = [(c.name, c.arguments) for c in step.tools if c.arguments is not None]
    return msgspec.json.encode(asked, order="deterministic") if asked else b""


def _same(a_calls: bytes, a: frozenset[str], b_calls: bytes, b: frozenset[str]) -> bool:
    if a_calls or b_calls:
        return a_calls == b_calls
    return min(len(a), len(b)) >= SHORTEST and jaccard(a, b) >= LIKE
