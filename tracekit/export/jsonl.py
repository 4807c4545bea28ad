"""tracekit's own JSON Lines: nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from tracekit.export.fields import ALL
from tracekit.store import write_traces
from tracekit.trace import Trace


class Jsonl:
    """tracekit's own JSON Lines, one trace a line; `.gz` or `.zst` too."""

    name: ClassVar[str] = "jsonl"
    suffix: ClassVar[str] = ".jsonl"
    keeps: ClassVar[frozenset[str]] = ALL

    def losses(self, trace: Trace) -> list[str]:
        """Nothing."""
        return []

    def write(self, traces: Iterable[Trace], out: Path) -> int:
        """One line per trace."""
        return write_traces(traces, out)
