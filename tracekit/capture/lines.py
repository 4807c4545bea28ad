"""A growing file of whole lines: what is appended is there to the end, or not there at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tracekit.errors import SchemaError, UsageError
from tracekit.store import decode_trace

_TRACE = b'{"schema":"tracekit/trace/'


class LineFile:
    """A file of traces that several threads and processes may append to.

    Raises `UsageError` for a file that cannot grow (compressed) or holds something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.suffix in (".gz", ".zst"):
            do = "capture to a plain file and compress it afterwards"
            raise UsageError(f"{self.path}: a compressed file cannot grow; {do}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            with self.path.open("rb") as stream:
                head = stream.read(len(_TRACE))
            if head and head != _TRACE:
                raise UsageError(f"{self.path} holds something else than traces; choose another")

    def append(self, lines: bytes) -> None:
        """Append whole lines and wait until they are on disk; after an error none is there."""
        with self.locked() as stream:
            _repair(stream)
            start = stream.seek(0, os.SEEK_END)
            try:
                left = memoryview(lines)
                while left:
                    left = left[stream.write(left) :]
                os.fsync(stream.fileno())
            except BaseException:
                stream.truncate(start)
                raise

    @contextmanager
    def locked(self) -> Iterator[IO[bytes]]:
        """The file, open to append, while nobody else appends to it or replaces it."""
        while True:
            with self.path.open("a+b", buffering=0) as stream:
                fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(stream.fileno()), os.stat(self.path)):
                    yield stream
                    return


def _repair(stream: IO[bytes]) -> None:
    """Take away the part of a line that a killed process left behind; its journal has it all."""
    end = stream.seek(0, os.SEEK_END)
    if end == 0:
        return
    stream.seek(end - 1)
    if stream.read(1) == b"\n":
        return
    start, tail = _last_line(stream, end)
    try:
        decode_trace(tail)
    except SchemaError:
        stream.truncate(start)
    else:  # whole but for its line end
        stream.write(b"\n")


def _last_line(stream: IO[bytes], end: int) -> tuple[int, bytes]:
    """Where the line that has no end begins, and what there is of it."""
    tail = b""
    at = end
    while at > 0 and b"\n" not in tail:
        size = min(1 << 16, at)
        at -= size
        stream.seek(at)
        tail = stream.read(size) + tail
    cut = tail.rfind(b"\n") + 1
    return at + cut, tail[cut:]
