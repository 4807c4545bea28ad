"""Where output goes: data to stdout, everything else to stderr, log text never unfiltered."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tracekit.errors import Problem
from tracekit.report.visible import one_line, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

CELL = 4_000
"""Characters of a cell that are shown at most."""
GATE = 1
"""Exit code when what was asked to stop a build was met."""
UNREADABLE = 3
"""Exit code when some input could not be read; results of the rest are printed all the same."""


def emit(line: bytes) -> None:
    """Bytes on stdout, exactly as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(line)


def emit_json(value: Any) -> None:
    """One JSON document on stdout, indented for people, the same bytes for the same value."""
    emit(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def show(*renderables: RenderableType) -> None:
    """Renderables on stdout; colours and widths follow the terminal and NO_COLOR.

    Strings are neutralised and keep their lines; words of a log go through `one_line` before.
    """
    from tracekit.report.terminal import console

    target = console()
    for renderable in renderables:
        target.print(visible(renderable) if isinstance(renderable, str) else renderable)


def listing(columns: Sequence[str], rows: Iterable[Sequence[object]], *, cut: bool = False) -> None:
    """A plain table on stdout; every cell is one neutral line, the last column wraps or is `cut`."""
    from rich.table import Table
    from rich.text import Text

    from tracekit.report.terminal import console

    lines = [[one_line(str(cell), CELL) for cell in row] for row in rows]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    target = console()
    widths = [
        min(max([len(column), *(len(line[number]) for line in lines)]), 40)
        for number, column in enumerate(columns[:-1])
    ]
    room = target.width - sum(widths) - 2 * len(widths)
    while room < 20 and max(widths, default=0) > 12:  # long cells give way, short ones stay whole
        widths[widths.index(max(widths))] -= 1
        room += 1
    for column, width in zip(columns, widths, strict=False):
        table.add_column(column, no_wrap=True, width=width)
    table.add_column(
        columns[-1], no_wrap=cut, overflow="ellipsis" if cut else "fold", max_width=max(room, 20)
    )
    for line in lines:
        table.add_row(*map(Text, line))
    target.print(table)


def note(text: str, *, quiet: bool = False) -> None:
    """One line for people on stderr."""
    if not quiet:
        sys.stderr.write(one_line(text, 1000) + "\n")


def redacted(counts: Mapping[str, int]) -> str:
    """What was taken out of traces, in one line.

    >>> redacted({"email": 2, "jwt": 1})
    'redacted: 2 email, 1 jwt'
    """
    words = [f"{count:,} {rule}" for rule, count in sorted(counts.items())]
    return f"redacted: {', '.join(words) or 'nothing found'}"


def report_problems(problems: Sequence[Problem], *, quiet: bool = False, most: int = 20) -> int:
    """Errors and warnings on stderr, errors first; returns the exit code that they ask for.

    What is the same in many places is said once.
    """
    errors = [problem for problem in problems if problem.severity == "error"]
    warnings = [problem for problem in problems if problem.severity == "warning"]
    alike: dict[str, list[Problem]] = {}
    for problem in errors if quiet else [*errors, *warnings]:
        alike.setdefault(problem.what, []).append(problem)
    for same in list(alike.values())[:most]:
        more = f" (and {len(same) - 1} times more)" if len(same) > 1 else ""
        note(f"tracekit: {same[0]}{more}")
    if len(alike) > most:
        note(
            f"tracekit: … and {len(alike) - most} more; `tracekit ingest` writes a manifest of all"
        )
    return UNREADABLE if errors else 0


def interactive() -> bool:
    """Whether stderr is a terminal on which a progress bar can move."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def first_line(plugin: object) -> str:
    """What a plug-in says it is: the first line of its docstring."""
    return (type(plugin).__doc__ or "").strip().partition("\n")[0]
