"""Where a benchmark may lie on a machine, and how its files are read from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tracekit.errors import InputError, Problem
from tracekit.ingest.pipeline import Ingest
from tracekit.trace import Trace


class Places(NamedTuple):
    """What tells the files of one benchmark from everything else in a folder."""

    what: str
    """Name of the benchmark, for messages."""
    formats: tuple[str, ...]
    """Readers that may take its files."""
    folders: tuple[str, ...]
    """Names that its folder goes by, below the folder given or below `labeled/` there."""
    parts: tuple[str, ...]
    """Patterns of what lies directly in that folder; what matches is read."""

    def find(self, path: Path) -> list[Path]:
        """The parts that are there, or `path` itself when it is a file.

        Raises `InputError` when there is nothing, and says what was expected.
        """
        if path.is_file():
            return [path]
        below = (path / "labeled" / name for name in self.folders)
        for folder in (path, *below, *(path / name for name in self.folders)):
            found = sorted(part for pattern in self.parts for part in folder.glob(pattern))
            if found:
                return found
        places = " or ".join(self.folders)
        raise InputError(
            f"{path}: no {self.what} data here; expected the folders or files"
            f" {' and '.join(self.parts)}, below it or below {places}"
            " (docs/data.md says where to get them)"
        )

    def read(self, found: Sequence[Path]) -> Iterator[Trace | Problem]:
        """The traces and problems of the files named, by the benchmark's own readers."""
        return iter(Ingest(list(found), formats=list(self.formats)))
