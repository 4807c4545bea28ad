"""Which step used which earlier one: replies, declared inputs, and facts that are said again.

A fact is a token that is unlikely to be said twice by chance: a number, a name, an identifier, an
address. It belongs to the step that says it first; a later step that repeats it uses that step.
Facts of the question belong to nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from tracekit.signals.text import ends
from tracekit.trace import Step, Trace

Kind = Literal["reply", "input", "fact"]

FACTS = 400
"""Facts of one step that are followed up; a table of data has more."""

_FACT = re.compile(
    r"""https?://[^\s<>"')\]]{4,200}      # addresses
    | \b\d[\d,]*\.?\d*\b                  # numbers
    | \b\w*[^\W\d_]_\w+\b                 # snake_case
    | \b[a-z]+(?:[A-Z][a-z0-9]*)+\b       # camelCase
    | \b[A-Z][\w'-]{2,}\b                 # names""",
    re.X,
)


class Edge(NamedTuple):
    """One step used another."""

    source: int
    """Index of the earlier step."""
    target: int
    """Index of the step that used it."""
    kind: Kind
    """How: it answers it, was given it, or repeats facts that it was first to say."""
    weight: float
    """Number of facts; 1 for a reply or an input."""


def facts(text: str) -> tuple[str, ...]:
    """Facts that a text states, in order, each once; numbers without commas and final zeros.

    >>> facts("Mara found 1,250.50 in row_7, see https://a.example/x")
    ('Mara', '1250.5', 'row_7', 'https://a.example/x')
    """
    found: dict[str, None] = {}
    for match in _FACT.finditer(ends(text)):
        fact = match.group()
        if fact[0].isdigit():
            fact = fact.replace(",", "")
            fact = fact.rstrip("0").rstrip(".") if "." in fact else fact
            if len(fact) == 1:
                continue
        found[fact] = None
        if len(found) >= FACTS:
            break
    return tuple(found)


def flow(trace: Trace) -> tuple[Edge, ...]:
    """All edges, by target, then source, then kind.

    >>> from tracekit.trace import Source
    >>> said = ["the total is 1250", "so we report 1250"]
    >>> steps = tuple(Step(index=i, agent="A", content=text) for i, text in enumerate(said))
    >>> flow(Trace(id="t", source=Source(format="x"), steps=steps))
    (Edge(source=0, target=1, kind='fact', weight=1.0),)
    """
    first = dict.fromkeys(facts(trace.task.question), -1)
    edges: list[Edge] = []
    for step in trace.steps:
        used: Counter[int] = Counter()
        for fact in facts(_words(step)):
            used[first.setdefault(fact, step.index)] += 1
        given = set(step.inputs.steps) if step.inputs is not None else set()
        mine = [Edge(s, step.index, "input", 1.0) for s in given]
        if step.parent is not None:
            mine.append(Edge(step.parent, step.index, "reply", 1.0))
        mine += [Edge(s, step.index, "fact", float(n)) for s, n in used.items()]
        edges += sorted(edge for edge in mine if 0 <= edge.source < step.index)
    return tuple(edges)


def uses(trace: Trace) -> np.ndarray:
    """How much each step rests on each earlier one: (n_steps, n_steps), row = user, column = used.

    Rows sum to 1, or to 0 for a step that used nothing. Facts weigh by their number, a reply and
    a declared input as one fact each.
    """
    n = len(trace.steps)
    weights = np.zeros((n, n))
    for edge in flow(trace):
        weights[edge.target, edge.source] += edge.weight
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(weights, total, out=np.zeros_like(weights), where=total > 0))


def _words(step: Step) -> str:
    """Everything a step says, its calls included."""
    return "\n".join((step.content, *_calls(step)))


def _calls(step: Step) -> Iterator[str]:
    for call in step.tools:
        yield "" if call.arguments is None else str(call.arguments)
        if call.result is not None and call.result != step.content:
            yield call.result
