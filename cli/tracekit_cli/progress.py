"""A progress bar on stderr where there is a terminal, and nothing at all elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tracekit_cli.output import interactive

Tick = Callable[[str], None]
"""Called once for each thing that is done, with what to show beside the bar."""


@contextmanager
def bar(what: str, total: int | None, *, quiet: bool = False) -> Iterator[Tick]:
    """A bar over `total` things (None = nobody knows); it vanishes when the body ends."""
    if quiet or not interactive():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from tracekit.report.visible import one_line

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[now]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total, now="")
        yield lambda now: progress.update(task, advance=1, now=one_line(now, 40))
