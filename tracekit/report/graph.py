"""A causal graph as a picture in a page of its own: no script, no request, names escaped.

Tiers stand side by side, from what came first to failure; the wider an edge, the more half samples
have it. Text of logs passes `visible` and the escaping of the template.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup

from tracekit.analyzers.causal.discover import CausalEffect, Discovery, Link, Node, when
from tracekit.report.html import environment, policy, static
from tracekit.report.visible import one_line
from tracekit.store import atomic
from tracekit.version import __version__

WIDTH, HEIGHT = 188, 46
"""Of a box, in pixels of the picture."""
GAP, ROW = 92, 66
"""Between tiers, and from one box to the next below."""
TOP = 46
"""Above the first box: the name of the tier."""
LETTERS = 25
"""Of a line in a box."""

STYLES = ("theme.css", "page.css", "graph.css")
SHORT = {
    "acts": "has a turn",
    "errs": "shows an error",
    "repeats": "repeats itself",
    "differs": "states another result",
    "strays": "brings in an odd result",
    "passes": "passes on an odd result",
    "departs": "says what others do not",
    "omits": "leaves out a detail",
}


class Box(NamedTuple):
    """A node where it is drawn."""

    node: Node
    x: int
    y: int
    lines: tuple[str, str]
    kind: str
    """`context`, `cause` (it leads to failure), `outcome`, or empty."""


class Line(NamedTuple):
    """An edge as a path."""

    path: str
    width: float
    says: str
    arrow: bool
    blame: bool


class Picture(NamedTuple):
    """Everything that is drawn."""

    boxes: list[Box]
    lines: list[Line]
    tiers: list[tuple[int, str]]
    """Left edge and name of each."""
    width: int
    height: int


def write_graph(path: str | os.PathLike[str], found: Discovery, *, title: str) -> None:
    """Write the page, whole or not at all."""
    with atomic(path) as stream:
        stream.write(graph_page(found, title=title).encode())


def graph_page(found: Discovery, *, title: str = "What leads to failure") -> str:
    """The page as one HTML document; the same bytes for the same discovery."""
    style = "\n".join(map(static, STYLES))
    return (
        environment()
        .get_template("graph.html")
        .render(
            title=one_line(title, 200),
            box=(WIDTH, HEIGHT),
            line=one_line,
            points=points,
            found=found,
            picture=picture(found),
            effects=found.effects,
            steps={k: when(found, k) for k in range(len(found.phases))},
            policy=policy([], [style]),
            style=Markup(style),  # noqa: S704 (our own files)
            version=__version__,
        )
    )


def picture(found: Discovery) -> Picture:
    """Boxes and paths: what has a stable edge or an edge to failure, and failure itself."""
    nodes = {node.name: node for node in found.nodes}
    outcome = next(node for node in found.nodes if not node.seat and node.tier >= 0)
    drawn = [link for link in found.links if link.stable or link.target == outcome.name]
    names = {outcome.name, *(name for link in drawn for name in (link.source, link.target))}
    shown = [node for node in found.nodes if node.name in names]
    tiers = sorted({node.tier for node in shown})
    causes = _causes(drawn, outcome.name)
    boxes: dict[str, Box] = {}
    for place, tier in enumerate(tiers):
        members = [node for node in shown if node.tier == tier]
        for row, node in enumerate(members):
            kind = "outcome" if node is outcome else "context" if tier < 0 else ""
            kind = kind or ("cause" if node.name in causes else "")
            x, y = place * (WIDTH + GAP) + 8, TOP + row * ROW
            boxes[node.name] = Box(node, x, y, _words(node), kind)
    return Picture(
        boxes=list(boxes.values()),
        lines=[_line(link, boxes, nodes, causes | {outcome.name}) for link in drawn],
        tiers=[(p * (WIDTH + GAP) + 8, _tier(found, t, outcome)) for p, t in enumerate(tiers)],
        width=len(tiers) * (WIDTH + GAP) - GAP + 16,
        height=max(box.y for box in boxes.values()) + HEIGHT + 16,
    )


def _causes(links: Iterable[Link], outcome: str) -> set[str]:
    """Nodes with a drawn path to failure."""
    into: dict[str, list[str]] = {}
    for link in links:
        if link.mark in ("-->", "o->"):
            into.setdefault(link.target, []).append(link.source)
    found: set[str] = set()
    todo = [outcome]
    while todo:
        new = [name for name in into.get(todo.pop(), []) if name not in found]
        found.update(new)
        todo += new
    return found


def _words(node: Node) -> tuple[str, str]:
    if not node.seat:
        return one_line(node.name, LETTERS), one_line(node.says, LETTERS + 4)
    return one_line(node.seat, LETTERS), SHORT.get(node.behaviour, node.behaviour)


def _tier(found: Discovery, tier: int, outcome: Node) -> str:
    if tier < 0:
        return "Context"
    return "Outcome" if tier == outcome.tier else f"Phase {tier + 1}: {when(found, tier)}"


def _line(link: Link, boxes: dict[str, Box], nodes: dict[str, Node], red: set[str]) -> Line:
    a, b = boxes[link.source], boxes[link.target]
    says = (
        f"{nodes[link.source].says} {link.mark} {nodes[link.target].says}: "
        f"in {link.stability:.0%} of half samples"
    )
    if a.x == b.x:  # one tier: round the left side
        y1, y2 = a.y + HEIGHT // 2, b.y + HEIGHT // 2
        path = f"M{a.x} {y1}C{a.x - 34} {y1} {a.x - 34} {y2} {b.x} {y2}"
    else:
        path = _across(a.x + WIDTH, a.y + HEIGHT // 2, b.x - 4, b.y + HEIGHT // 2)
    return Line(
        path=path,
        width=round(1 + 3 * link.stability, 2),
        says=one_line(says, 300),
        arrow=link.mark in ("-->", "o->"),
        blame=link.target in red and link.source in red and a.node.tier >= 0,
    )


def _across(x1: int, y1: int, x2: int, y2: int) -> str:
    """A path to a later tier; over several tiers, between the rows of boxes.

    >>> _across(0, 0, 100, 50)
    'M0 0C50 0 50 50 100 50'
    """
    if x2 - x1 <= GAP + WIDTH // 2:
        bend = (x2 - x1) // 2
        return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    lane = TOP + HEIGHT + (ROW - HEIGHT) // 2 + max(0, min(y1, y2) - TOP) // ROW * ROW
    bend = GAP // 2
    start = f"M{x1} {y1}C{x1 + bend} {y1} {x1 + bend} {lane} {x1 + GAP} {lane}"
    return f"{start}H{x2 - GAP}C{x2 - bend} {lane} {x2 - bend} {y2} {x2} {y2}"


def points(effect: CausalEffect) -> str:
    """An effect with its interval: `+12 (5 to 19)`."""
    one = effect.effect
    return f"{100 * one.value:+.0f} ({100 * one.low:+.0f} to {100 * one.high:+.0f})"
