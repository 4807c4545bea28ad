"""Spans to trees: parents, children, order, and what is wrong with them.

Spans come in any order, often at their end; parents may be missing, the same span may be there
twice, clocks differ between machines, and bad logs hold cycles. Here they become nodes in an order
of time in which nobody acts before the span that called it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tracekit.ingest.spans.attributes import Role, Span


class Node(msgspec.Struct):
    """A span in its tree."""

    span: Span
    twins: list[Span] = []
    """Copies of the same span."""
    parent: Node | None = None
    children: list[Node] = []
    role: Role = ""
    agent: str | None = None
    """The agent of the nearest span, this one included, that names one."""
    own_agent: str | None = None
    """The agent that this very span names."""
    begins: float = 0.0
    """Start, but never before the parent's."""
    ends: float = 0.0
    """End, but never before the end of anything below."""
    enter: int = 0
    """Position in a walk through the tree, parents first."""
    leave: int = 0
    """Position in the same walk after everything below."""
    inside: bool = False
    """Whether it runs inside a span that an agent, model or tool stands behind."""
    call: Node | None = None
    """For a model's span: the span around it that stands for the same or a larger call."""
    inner: list[Node] = []
    """For a model's span: the model spans directly below it."""
    step: int | None = None
    """The step made from this span, None when it is none."""
    holder: int | None = None
    """The step that holds the span: its own or the one it is merged into."""
    first: int | None = None
    """The first step made from this span or one below."""
    tail: list[int] = []
    """The last few steps made below."""
    errors: list[str] = []
    """Errors that steps below already tell."""


def grow(spans: list[Span]) -> tuple[list[Node], list[tuple[Span, str]]]:
    """The nodes of one trace, parents before children, siblings in time; and doubts by span."""
    nodes, doubts = _joined(spans)
    doubts.extend(_cut_cycles(nodes))
    for node in nodes:
        if node.parent is not None:
            node.parent.children.append(node)
    ordered = list(_walk([node for node in nodes if node.parent is None]))
    for node in reversed(ordered):
        end = node.span.end
        node.ends = max(node.ends, node.begins, end if end is not None else node.begins)
        if node.parent is not None:
            node.parent.ends = max(node.parent.ends, node.ends)
    return ordered, doubts


def _joined(spans: list[Span]) -> tuple[list[Node], list[tuple[Span, str]]]:
    """One node a span, copies put together, parents found by id."""
    nodes: list[Node] = []
    doubts: list[tuple[Span, str]] = []
    by_id: dict[str, Node] = {}
    for span in spans:
        known = by_id.get(span.id) if span.id else None
        if known is None:
            node = Node(span)
            if span.id:
                by_id[span.id] = node
            nodes.append(node)
        elif _same(known.span, span):
            known.twins.append(span)
        else:
            doubts.append((span, "another span of the trace has the same id; both are kept"))
            nodes.append(Node(span))
    for node in nodes:
        parent = by_id.get(node.span.parent) if node.span.parent else None
        node.parent = parent if parent is not node else None
    return nodes, doubts


def _same(one: Span, other: Span) -> bool:
    return (
        one.name == other.name
        and one.start == other.start
        and one.parent == other.parent
        and one.attributes == other.attributes
        and one.given == other.given
        and one.made == other.made
    )


def _cut_cycles(nodes: list[Node]) -> Iterator[tuple[Span, str]]:
    """Where spans are each other's parents, the one that starts first becomes a root."""
    settled: set[int] = set()
    for node in nodes:
        path: dict[int, Node] = {}
        here: Node | None = node
        while here is not None and id(here) not in settled and id(here) not in path:
            path[id(here)] = here
            here = here.parent
        if here is not None and id(here) in path:
            ring = list(path.values())[list(path).index(id(here)) :]
            first = min(ring, key=lambda n: (n.span.start is None, n.span.start or 0.0))
            first.parent = None
            yield first.span, "the spans are each other's parents; this one was taken as the root"
        settled.update(path)


def _walk(roots: list[Node]) -> Iterator[Node]:
    """Depth first, siblings by start; sets the times and positions that order depends on."""
    clock = 0.0
    for root in roots:
        if root.span.start is not None:
            clock = root.span.start
        root.begins = clock
    position = 0
    stack = [(root, False) for root in sorted(roots, key=lambda n: n.begins)[::-1]]
    while stack:
        node, done = stack.pop()
        position += 1
        if done:
            node.leave = position
            continue
        node.enter = position
        clock = node.begins
        for child in node.children:
            start = child.span.start
            clock = max(node.begins, start) if start is not None else clock
            child.begins = clock
        yield node
        stack.append((node, True))
        node.children.sort(key=lambda n: n.span.start if n.span.start is not None else n.begins)
        stack.extend((child, False) for child in reversed(node.children))


def release(nodes: list[Node]) -> None:
    """Untie the tree, so that its memory is free at once and not when the collector comes by."""
    for node in nodes:
        node.parent = node.call = None
        node.children = node.inner = []


MISSING_ABOVE = "missing_span"
"""Key in `Step.extra` of the span above that another file may hold, where the agent is unknown."""


def missing_above(node: Node) -> str | None:
    """Id of the span that the tree hangs from and the file does not hold, None when it has a root."""
    while node.parent is not None:
        node = node.parent
    return node.span.parent
