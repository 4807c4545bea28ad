"""The journals of runs that are going on: one file each, locked while its process lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tracekit.ingest.journal import JOURNAL, Instalment, fold
from tracekit.store import encode
from tracekit.trace import Source, Trace

_DECODER = msgspec.json.Decoder(Instalment)
_ID = re.compile(rb'^\{"schema":"tracekit/trace/\d+","id":("(?:[^"\\]|\\.)*")')


class Journal:
    """One run's journal. What is written survives a killed process, though not a lost machine."""

    def __init__(self, folder: Path, source: Source) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._handle, name = tempfile.mkstemp(prefix="run-", suffix=".jsonl", dir=folder)
        self._path = Path(name)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def write(self, new: Instalment) -> None:
        """Append what is new in one write."""
        os.write(self._handle, encode(new) + b"\n")

    def close(self, *, keep: bool) -> None:
        """Unlock the journal, and remove it unless it holds what is written nowhere else."""
        if not keep:
            self._path.unlink(missing_ok=True)
        os.close(self._handle)

    @staticmethod
    def tidy(folder: Path) -> None:
        """Remove the folder when nothing is left in it."""
        with contextlib.suppress(OSError):
            folder.rmdir()


def leftovers(folder: Path, written: Path) -> Iterator[tuple[Path, Trace | None]]:
    """The journals whose process is gone, with their runs; None for a run that was written."""
    journals = sorted(folder.glob("run-*.jsonl")) if folder.is_dir() else []
    known = _ids(written) if journals else set()
    for journal in journals:
        with journal.open("rb") as stream:
            try:
                fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its process lives
            trace = fold(_instalments(stream.read()))
            if trace is not None:
                yield journal, None if trace.id in known else trace


def _instalments(data: bytes) -> Iterator[Instalment]:
    """The whole lines of a journal; the last one may break off."""
    for line in data.splitlines():
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            new = _DECODER.decode(line)
            if new.schema in (None, JOURNAL):
                yield new


def _ids(path: Path) -> set[str]:
    """Ids of the traces in a file, read off the heads of its lines."""
    if not path.exists():
        return set()
    with path.open("rb") as stream:
        heads = (_ID.match(line[:4096]) for line in stream)
        return {msgspec.json.decode(head[1]) for head in heads if head}
