"""Where a benchmark may lie on a machine, and how its files are read from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tracekit.attribution import Attribution
from tracekit.errors import InputError, Problem
from tracekit.ingest.documents import documents
from tracekit.ingest.files import find_files
from tracekit.ingest.pipeline import Ingest, read_source
from tracekit.ingest.sources import OpenSource
from tracekit.metrics import score
from tracekit.protocols import Reader
from tracekit.trace import Definition, Trace


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

    def read_with(self, reader: Reader, found: Sequence[Path]) -> Iterator[Trace | Problem]:
        """The same by a reader that is not registered, because nothing else has its format.

        Files that do not end in `.json` or `.jsonl` are left alone.
        """
        for file, path in find_files(found):
            if file.suffix in (".json", ".jsonl"):
                yield from read_source(reader, OpenSource(file, path))


def exact(trace: Trace, definition: Definition, attribution: Attribution) -> tuple[bool, bool]:
    """(agent right, step right), strictly, for benchmarks whose scorer is exact or not known."""
    labels = [label for label in trace.labels if label.definition == definition]
    found = score(attribution, labels, len(trace.steps))
    return found.agent == 1.0, found.step == 1.0


class Row(NamedTuple):
    """One record of a file."""

    value: dict[str, Any]
    """The record."""
    pointer: str
    """Where it lies in its document: empty, or `/3` in a list."""
    line: int | None
    """Line of its document in a file of several; None in a file of one."""


def rows(source: OpenSource) -> Iterator[Row | Problem]:
    """The records of a file: one, one a line, or the items of a list."""
    for document in documents(source):
        if isinstance(document, Problem):
            yield document
            continue
        listed = isinstance(document.value, list)
        for position, value in enumerate(document.value if listed else [document.value]):
            if isinstance(value, dict):
                yield Row(value, f"/{position}" if listed else "", document.line)
            else:
                yield source.problem(None, "a record is not an object", line=document.line)


def table(record: Any, key: str) -> dict[str, Any]:
    """An object within a record, empty when there is none."""
    found = record.get(key) if isinstance(record, dict) else None
    return found if isinstance(found, dict) else {}
