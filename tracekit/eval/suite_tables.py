"""A leaderboard over several benchmarks as a table for people, or as a document. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import TYPE_CHECKING

import msgspec

from tracekit.eval import tables
from tracekit.eval.board import POOLED, Leaderboard, Row
from tracekit.eval.suite import Suite

if TYPE_CHECKING:
    from rich.console import RenderableType

SUMMARY = ("step", "agent", "top3", "mrr", "mode_micro", "mode_kappa")
"""Metrics of the summary."""

NOTE = (
    "A dash: the labels of the benchmark have no such thing, or the method says nothing of it."
    " Labels of different definitions are different questions: rows of two benchmarks are not to be"
    " compared, and nothing is averaged over them."
)


def as_rich(suite: Suite) -> list[RenderableType]:
    """The summary over all benchmarks, what they share, calibration; fits 80 columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=0)
    table.add_column("benchmark", no_wrap=True)
    table.add_column("method", no_wrap=True)
    for head in (*(tables.TITLES[m].removesuffix(" %") for m in SUMMARY), "silent\nbroke"):
        table.add_column(head, justify="right")
    for board in suite.boards:
        for place, row in enumerate(_whole(board)):
            name = board.benchmark if place == 0 else f"n = {board.n}" if place == 1 else ""
            figures = [tables.narrow(row.cells.get(metric), metric) for metric in SUMMARY]
            method = f"{row.method}\n{tables.FITS[row.fit]}"
            last = f"{row.abstained:g}\n{row.failed:g}"
            table.add_row(*map(Text, (name, method, *figures, last)), end_section=False)
        table.add_section()
    return [table, Text("\n".join(remarks(suite)), style="dim")]


def as_text(suite: Suite, width: int = 80) -> str:
    """The same without colours, `width` columns wide."""
    from rich.console import Console

    out = StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, emoji=False)
    for part in as_rich(suite):
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def as_markdown(suite: Suite) -> str:
    """The summary, then the tables of every benchmark."""
    return "\n".join([*summary(suite), *(tables.as_markdown(board) for board in suite.boards)])


def summary(suite: Suite) -> list[str]:
    """The lines of the summary in Markdown."""
    heads = ["benchmark", "labels", "method", "weights", "n"]
    heads += [*(tables.TITLES[m] for m in SUMMARY), "no answer", "broke"]
    lines = [
        [
            board.benchmark,
            board.definition,
            row.method,
            tables.FITS[row.fit],
            str(row.n),
            *(tables.figure(row.cells.get(metric), metric) for metric in SUMMARY),
            f"{row.abstained:g}",
            f"{row.failed:g}",
        ]
        for board in suite.boards
        for row in _whole(board)
    ]
    told = [f"- {remark}" for remark in remarks(suite)]
    return ["# All benchmarks", "", *tables.markdown(heads, lines), *told, ""]


def remarks(suite: Suite) -> list[str]:
    """What holds for all benchmarks together, in sentences: what they share, and calibration."""
    return [NOTE, *_overlap_lines(suite), *_calibration_lines(suite)]


def as_json(suite: Suite) -> bytes:
    """The whole result but the cases, as one line of JSON."""
    document = msgspec.to_builtins(suite)
    for board in document["boards"]:
        del board["cases"]
    return msgspec.json.encode(document)


def cases_jsonl(suite: Suite) -> Iterator[bytes]:
    """One line of JSON for every benchmark, method, seed and run."""
    for board in suite.boards:
        for case in board.cases:
            document = {"benchmark": board.benchmark, **msgspec.to_builtins(case)}
            yield msgspec.json.encode(document) + b"\n"


def _whole(board: Leaderboard) -> list[Row]:
    return [row for row in board.rows if row.subset == POOLED]


def _overlap_lines(suite: Suite) -> list[str]:
    return [
        f"{each.first} and {each.second} share {each.questions} questions and {each.runs} runs"
        + (f", labelled alike in {each.same_step} of {each.labelled}." if each.labelled else ".")
        for each in suite.overlaps
    ]


def _calibration_lines(suite: Suite) -> list[str]:
    return [
        f"Calibration error of {each.method} over {each.calibration.n} runs:"
        f" {each.calibration.error:.3f}; a perfectly calibrated method of these probabilities"
        f" shows {each.calibration.expected:.3f}, in 95 % less than {each.calibration.high:.3f}."
        for each in suite.calibration
    ]
