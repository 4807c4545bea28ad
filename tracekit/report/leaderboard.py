"""The leaderboard as one HTML page: a picture of every figure with its interval, then the tables.

No script and no request; the Content-Security-Policy allows the page's own style alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

import msgspec
from markupsafe import Markup

from tracekit.eval import tables
from tracekit.eval.board import POOLED, Leaderboard, Pair, Row
from tracekit.eval.crossfit import EXPECTED, FREQUENT
from tracekit.eval.leaderboard import REFERENCES
from tracekit.eval.suite import Suite
from tracekit.eval.suite_tables import remarks
from tracekit.report.html import environment, policy, static
from tracekit.store import atomic
from tracekit.version import __version__

STYLES = ("theme.css", "leaderboard.css")
DRAWN = ("step", "agent", "top3")
"""Shares that are drawn; the tables hold the rest."""
ROW = 22
"""Height of a method in a picture, in pixels."""

Kind = Literal["method", "reference", "seen"]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One method in a picture."""

    label: str
    kind: Kind
    """`reference` for constants and chance, `seen` for weights trained on these runs."""
    value: float
    """In percent, as are `low` and `high`, its 95 % interval."""
    low: float
    high: float
    y: float
    """Middle of its line, in pixels from the top."""


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One metric on one part of a benchmark, best method first."""

    title: str
    marks: tuple[Mark, ...]
    height: int
    """Of the lines together, in pixels."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a benchmark: its pictures and its table."""

    name: str
    n: int
    panels: tuple[Panel, ...]
    heads: tuple[str, ...]
    lines: tuple[tuple[Kind, tuple[str, ...]], ...]
    """Cells of each method, as text."""


class BoardView(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark as the page shows it."""

    name: str
    definition: str
    n: int
    groups: int
    lenient: bool
    with_answer: bool
    parts: tuple[Part, ...]
    """The whole benchmark first."""
    pairs: tuple[Pair, ...]
    caption: tuple[str, ...]


def render(result: Leaderboard | Suite) -> str:
    """The page as one HTML document; the same bytes for the same result."""
    boards = result.boards if isinstance(result, Suite) else (result,)
    style = "\n".join(map(static, STYLES))
    return (
        environment()
        .get_template("leaderboard.html")
        .render(
            boards=[view(board) for board in boards],
            remarks=remarks(result) if isinstance(result, Suite) else [],
            policy=policy([], [style]),
            style=Markup(style),  # noqa: S704 (our own files)
            version=__version__,
        )
    )


def write(path: str | os.PathLike[str], result: Leaderboard | Suite) -> None:
    """Write `render`'s document, whole or not at all."""
    document = render(result)
    with atomic(path) as stream:
        stream.write(document.encode())


def view(board: Leaderboard) -> BoardView:
    """The parts of the page of one benchmark."""
    names = [POOLED, *(name for name in board.subsets if board.subsets.keys() != {name})]
    by_part = [(name, [row for row in board.rows if row.subset == name]) for name in names]
    metrics = [m for m in tables.SHOWN if any(m in row.cells for row in board.rows)]
    return BoardView(
        name=board.benchmark,
        definition=board.definition,
        n=board.n,
        groups=board.groups,
        lenient=board.lenient,
        with_answer=board.with_answer,
        parts=tuple(_part(name, rows, metrics) for name, rows in by_part if rows),
        pairs=board.pairs,
        caption=tuple(tables.caption(board)),
    )


def _part(name: str, rows: Sequence[Row], metrics: Sequence[str]) -> Part:
    heads = ("method", "weights", *(tables.TITLES[m] for m in metrics), "no answer", "broke")
    lines = [
        (
            kind(row),
            (
                row.method,
                tables.FITS[row.fit],
                *(tables.figure(row.cells.get(m), m) for m in metrics),
                f"{row.abstained:g}",
                f"{row.failed:g}",
            ),
        )
        for row in rows
    ]
    panels = (panel(metric, rows) for metric in DRAWN)
    return Part(
        name=name,
        n=rows[0].n,
        panels=tuple(found for found in panels if found.marks),
        heads=heads,
        lines=tuple(lines),
    )


def panel(metric: str, rows: Sequence[Row]) -> Panel:
    """The methods that state a metric, best first; of equals, as in the table."""
    stated = sorted(
        ((row, row.cells[metric]) for row in rows if metric in row.cells),
        key=lambda pair: -pair[1].value,
    )
    marks = (
        Mark(
            label=row.method,
            kind=kind(row),
            value=100 * cell.value,
            low=100 * cell.low,
            high=100 * cell.high,
            y=(place + 0.5) * ROW,
        )
        for place, (row, cell) in enumerate(stated)
    )
    return Panel(title=tables.TITLES[metric], marks=tuple(marks), height=ROW * len(stated))


def kind(row: Row) -> Kind:
    """How a method's line is drawn."""
    if row.fit == "seen":
        return "seen"
    blind = (*REFERENCES, "random", EXPECTED, FREQUENT)
    return "reference" if row.method in blind else "method"
