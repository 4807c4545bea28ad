"""A leaderboard as a table for people, or as a document for programs. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import TYPE_CHECKING

import msgspec

from tracekit.attribution import Cost
from tracekit.eval import sets
from tracekit.eval.board import MEANS, POOLED, Cell, Leaderboard, Row
from tracekit.store import encode

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

DASH = "\N{EN DASH}"

TITLES = {
    "step": "step %",
    "agent": "agent %",
    "joint": "joint %",
    "near": "±1 %",
    "top3": "top-3 %",
    "top5": "top-5 %",
    "mrr": "MRR",
    "in_set": "set coverage %",
    "set_size": "set size",
    "log_loss": "log loss",
    "brier": "Brier",
    "recall": "recall of steps %",
    "precision": "precision of steps %",
    **sets.TITLES,
}
"""Column heads by metric."""

SETS = ("recall", "precision", *sets.TITLES)
"""Metrics over everything accused, in a table of their own where a run has several labels or modes."""

SHOWN = ("step", "agent", "joint", "near", "top3", "mrr")
"""Metrics in the tables for people; the JSON holds all."""

FITS = {
    "none": "no weights",
    "refitted": "refit per fold",
    "transferred": "other sets alone",
    "shipped": "shipped weights",
    "seen": "TRAINED ON THESE",
    "exact": "expectation",
}
"""What `Row.fit` says, in words."""


def _spoken(board: Leaderboard) -> str:
    """In how many logs the answer can be read whatever is hidden."""
    if not board.answers:
        return ""
    return (
        f" It stands in the log itself, word for word, in {board.spoken} of {board.answers} runs."
    )


def caption(board: Leaderboard) -> list[str]:
    """What the figures mean, in sentences: to be printed with every table."""
    answers = "is shown to" if board.with_answer else "is hidden from"
    seeds = ", ".join(map(str, board.seeds))
    parts = ", ".join(f"{name} {count}" for name, count in board.subsets.items())
    lines = [
        f"Labels: {board.definition}; the source counts its first step as {board.base}.",
        f"Runs: {board.n}" + (f" ({parts})" if parts else "") + f" on {board.groups} questions.",
        f"Folds: {board.folds}, by question and duplicate history; seed {seeds}.",
        f"The correct answer {answers} the methods." + _spoken(board),
        "Scorer: the benchmark's own, LENIENT: not to be compared with strict figures."
        if board.lenient
        else "Scorer: strict; steps as integers, agents by normalised name.",
        "Intervals: 95 %, Wilson for shares, bootstrap over questions for MRR.",
        "Every run counts; no answer is a wrong answer. Constants are fitted per part.",
        "`uniform` is the exact expectation of naming a step at random, and its speaker.",
    ]
    if len(board.seeds) > 1:
        lines.append("Figures are means over the seeds; pairs are those of the first seed.")
    if board.protocol == "lodo":
        others = ", ".join(board.outside) or "none"
        lines.append(
            f"Weights marked `{FITS['transferred']}`: fitted on {others}, without any run or question"
            " of this benchmark; definitions of labels differ there."
        )
    if any("mode_micro" in row.cells for row in board.rows):
        lines.append(
            "Modes are those of the suspects accused; a method that names none has a dash, not 0."
            " `frequent-modes` says the most frequent modes of the other folds of every run."
        )
    if board.idle:
        rows = ", ".join(f"`{name}`" for name in board.idle)
        lines.append(f"Left out, because no label names what they answer: {rows}.")
    lines += [_price(row) for row in board.rows if row.cost is not None and row.subset == POOLED]
    lines += board.notes
    if board.unlabelled:
        lines.append(f"Not scored: {board.unlabelled} runs without such a label.")
    if board.problems:
        lines.append(f"Not read in full: {len(board.problems)} files or records.")
    return lines


def _price(row: Row) -> str:
    """What a method that asks a model came to."""
    cost = row.cost or Cost()
    money = f", {cost.money:.4g} USD" if cost.money else ""
    each = cost.tokens / max(1, row.n)
    return (
        f"`{row.method}`: {cost.calls:,} calls, {cost.tokens:,} tokens ({each:,.0f} a run){money}."
    )


def as_rich(board: Leaderboard) -> list[RenderableType]:
    """One table for each part of the benchmark, and the caption; fits 80 columns."""
    from rich.text import Text

    tables: list[RenderableType] = [
        _rich_table(board, subset, rows) for subset, rows in _by_subset(board)
    ]
    notes = "Shares in %, their intervals below. p: McNemar against the first method, step."
    if _several(board):
        tables.append(_rich_sets(board))
    return [*tables, Text("\n".join([*caption(board), notes]), style="dim")]


def as_text(board: Leaderboard, width: int = 80) -> str:
    """The same without colours, `width` columns wide."""
    from rich.console import Console

    out = StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, emoji=False)
    for part in as_rich(board):
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def as_markdown(board: Leaderboard) -> str:
    """Tables in Markdown, with the caption above them."""
    lines = [f"# {_cell(board.benchmark)}", "", *(f"- {line}" for line in caption(board)), ""]
    metrics = _heads(board)
    heads = [
        "method",
        "weights",
        "answer",
        "n",
        *(TITLES[m] for m in metrics),
        "no answer",
        "broke",
    ]
    for subset, rows in _by_subset(board):
        lines += [f"## {_cell(subset)}", "", *markdown(heads, [_line(r, metrics) for r in rows])]
    lines += _set_tables(board)
    if board.modes:
        lines += ["## Failure modes", "", *markdown(_MODE_HEADS, _mode_lines(board))]
    if board.pairs:
        lines += ["## Paired tests (McNemar)", "", *markdown(_PAIR_HEADS, _pair_lines(board))]
    return "\n".join(lines)


def as_json(board: Leaderboard) -> bytes:
    """The whole result but the cases, as one line of JSON; the same bytes for the same input."""
    document = msgspec.to_builtins(board)
    del document["cases"]
    return msgspec.json.encode(document)


def cases_jsonl(board: Leaderboard) -> Iterator[bytes]:
    """One line of JSON, with its line end, for every method, seed and run."""
    for case in board.cases:
        yield encode(case) + b"\n"


def _set_tables(board: Leaderboard) -> list[str]:
    """What is accused altogether, over the whole benchmark, where that says more than the rows."""
    rows = _by_subset(board)[-1][1]
    stated = _several(board)
    if not stated:
        return []
    heads = ["method", *(board.columns.get(m) or TITLES[m] for m in stated)]
    own = [row for row in rows if any(metric in row.cells for metric in stated)]
    lines = [[row.method, *(figure(row.cells.get(m), m) for m in stated)] for row in own]
    return ["## All that is accused", "", *markdown(heads, lines)]


def _several(board: Leaderboard) -> list[str]:
    """Set metrics and own columns to be shown: step sets only where runs have several labels."""
    met = {metric for row in board.rows for metric in row.cells}
    many = any(len(case.gold.steps) > 1 for case in board.cases)
    plain = set() if many else {"recall", "precision"}
    return [m for m in (*board.columns, *SETS) if m in met and m not in plain]


_MODE_HEADS = [
    "method", "mode", "labelled", "said", "accuracy %", "kappa", "precision %", "recall %",
]  # fmt: skip


def _mode_lines(board: Leaderboard) -> list[list[str]]:
    return [
        [
            row.method,
            row.mode,
            str(row.labelled),
            f"{row.said:g}",
            f"{100 * row.accuracy:.1f}",
            DASH if row.kappa is None else f"{row.kappa:.2f}",
            *(DASH if v is None else f"{100 * v:.1f}" for v in (row.precision, row.recall)),
        ]
        for row in board.modes
    ]


_PAIR_HEADS = ["runs", "metric", "first", "second", "only first", "only second", "mid-p", "exact p"]


def _heads(board: Leaderboard) -> list[str]:
    stated = {metric for row in board.rows for metric in row.cells}
    return [metric for metric in SHOWN if metric in stated]


def _by_subset(board: Leaderboard) -> list[tuple[str, list[Row]]]:
    names = list(dict.fromkeys(row.subset for row in board.rows))
    return [(name, [row for row in board.rows if row.subset == name]) for name in names]


def _rich_table(board: Leaderboard, subset: str, rows: list[Row]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(f"{board.benchmark} · {subset} · {rows[0].n} runs", style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    metrics, tests = _heads(board), _step_tests(board, subset)
    table.add_column("method", no_wrap=True)
    heads = [TITLES[metric].removesuffix(" %") for metric in metrics]
    for head in ("answer", *heads, "p", "silent\nbroke"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        cells = [
            f"{row.method}\n{FITS[row.fit]}",
            "shown" if row.with_answer else "hidden",
            *(narrow(row.cells.get(metric), metric) for metric in metrics),
            tests.get(row.method, ""),
            f"{row.abstained:g}\n{row.failed:g}",
        ]
        table.add_row(*map(Text, cells), style="bold red" if row.fit == "seen" else None)
    return table


def _rich_sets(board: Leaderboard) -> Table:
    """Everything accused, one method a column: there are more metrics than methods."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [r for r in _by_subset(board)[-1][1] if any(m in r.cells for m in _several(board))]
    title = Text("all that is accused", style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("")
    for row in rows:
        table.add_column(Text(row.method), justify="right", overflow="fold")
    for metric in _several(board):
        cells = [narrow(row.cells.get(metric), metric) for row in rows]
        table.add_row(Text(board.columns.get(metric) or TITLES[metric]), *map(Text, cells))
    return table


def _step_tests(board: Leaderboard, subset: str) -> dict[str, str]:
    """P of the step against the first method, by method, as text."""
    chosen = [pair for pair in board.pairs if (pair.subset, pair.metric) == (subset, "step")]
    return {p.second: "<.001" if p.mid_p < 0.0005 else f"{p.mid_p:.3f}" for p in chosen}


def narrow(cell: Cell | None, metric: str) -> str:
    """The figure, and below it the interval, in whole percent (means: two decimals)."""
    if cell is None:
        return DASH
    if metric in MEANS:
        return f"{cell.value:.3f}\n{cell.low:.2f}{DASH}{cell.high:.2f}"
    return f"{100 * cell.value:.1f}\n{100 * cell.low:.0f}{DASH}{100 * cell.high:.0f}"


def _line(row: Row, metrics: list[str]) -> list[str]:
    return [
        row.method,
        FITS[row.fit],
        "shown" if row.with_answer else "hidden",
        str(row.n),
        *(figure(row.cells.get(metric), metric) for metric in metrics),
        f"{row.abstained:g}",
        f"{row.failed:g}",
    ]


def figure(cell: Cell | None, metric: str) -> str:
    """The figure with its interval in one line; shares in percent, means as they are."""
    if cell is None:
        return DASH
    if metric in MEANS:
        return f"{cell.value:.3f} ({cell.low:.3f}{DASH}{cell.high:.3f})"
    return f"{100 * cell.value:.1f} ({100 * cell.low:.1f}{DASH}{100 * cell.high:.1f})"


def _pair_lines(board: Leaderboard) -> list[list[str]]:
    return [
        [
            pair.subset,
            pair.metric,
            pair.first,
            pair.second,
            str(pair.only_first),
            str(pair.only_second),
            f"{pair.mid_p:.3g}",
            f"{pair.exact:.3g}",
        ]
        for pair in board.pairs
    ]


def markdown(heads: list[str], lines: list[list[str]]) -> list[str]:
    """The lines of a table in Markdown, an empty one after it."""
    rule = ["---"] * len(heads)
    return [*("| " + " | ".join(map(_cell, line)) + " |" for line in (heads, rule, *lines)), ""]


def _cell(text: str) -> str:
    """Text that stays one cell of a Markdown table, with no markup of its own."""
    for character in "\\|`*_<>[]":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
