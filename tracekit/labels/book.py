"""The file that `tracekit label` keeps: one line of JSON per label, added to, never torn."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tracekit.errors import InputError, Problem, UsageError
from tracekit.labels.table import Row, read_rows
from tracekit.store import atomic
from tracekit.trace import Definition


class Book:
    """The labels in a JSONL file, which need not exist yet.

    Raises `UsageError` for a file that is named as something else, and `InputError` for one that
    holds rows which cannot be read: adding to it would hide them.
    """

    def __init__(self, file: Path) -> None:
        if file.suffix not in (".jsonl", ".ndjson"):
            raise UsageError(f"{file}: labels are written as JSON lines; name it NAME.jsonl")
        self.file = file
        self._done: set[tuple[str, str, Definition]] = set()
        for row in read_rows(file) if file.exists() else ():
            if isinstance(row, Problem):
                raise InputError(f"{row}; correct the file first, it is left as it is")
            self._note(row)

    def holds(self, trace: str, annotator: str, definition: Definition | None = None) -> bool:
        """Whether this annotator has labelled the trace, by this definition if one is named."""
        by = {d for t, a, d in self._done if (t, a) == (trace, annotator)}
        return bool(by) if definition is None else definition in by

    def add(self, row: Row) -> None:
        """Append a row; the file is replaced as a whole, so that a crash loses at most this row."""
        bare = msgspec.structs.replace(row, path="", line=0)
        before = self.file.read_bytes() if self.file.exists() else b""
        gap = b"" if before.endswith(b"\n") or not before else b"\n"
        with atomic(self.file) as stream:
            stream.write(before + gap + msgspec.json.encode(bare) + b"\n")
        self._note(row)

    def _note(self, row: Row) -> None:
        self._done.add((row.trace, row.annotator, row.definition))
