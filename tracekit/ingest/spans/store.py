"""Spans grouped by trace in bounded memory: what does not fit waits in a temporary file."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from typing import IO

import msgspec

from tracekit.ingest.spans.attributes import Span

IN_MEMORY = 10_000
"""Spans held in memory before they go to disk, some 50 MB at 4 KB a span."""


class Later(msgspec.Struct, frozen=True, gc=False):
    """A span that stands alone on its line and is read when its trace is put together."""

    trace: str
    number: int
    """Line, from 1."""
    start: int
    """First byte."""
    size: int
    """Bytes, without the line end."""


class SpanStore:
    """Takes the spans of interleaved traces and gives them back trace by trace.

    Traces come in the order in which their first spans came, spans of a trace in theirs, whether
    they were on disk or not. Of spans that can be read later only the places are kept.
    """

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._limit = in_memory
        self._traces: dict[str, None] = {}  # in order; a set has none
        self._later: dict[str, array[int]] = {}  # number, start and size of each line
        self._held: dict[str, list[Span]] = {}
        self._count = 0
        self._places: dict[str, array[int]] = {}  # start and end of each span, by trace
        self._file: IO[bytes] | None = None
        self._encode = msgspec.json.Encoder().encode  # JSON, not MessagePack: ids of 128 bits
        self._decode = msgspec.json.Decoder(Span).decode

    def add(self, span: Span | Later) -> None:
        """Keep a span for its trace."""
        trace = span.trace
        if trace not in self._traces:
            self._traces[trace] = None
        if isinstance(span, Later):
            places = self._later.get(trace)
            if places is None:
                places = self._later[trace] = array("Q")
            places.extend((span.number, span.start, span.size))
            return
        self._held.setdefault(trace, []).append(span)
        self._count += 1
        if self._count > self._limit:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="tracekit-spans-")  # noqa: SIM115
        at = self._file.tell()
        chunks: list[bytes] = []
        for trace, spans in self._held.items():
            places = self._places.setdefault(trace, array("Q"))
            for span in spans:
                chunks.append(self._encode(span))
                places.append(at)
                at += len(chunks[-1])
                places.append(at)
        self._file.write(b"".join(chunks))
        self._held.clear()
        self._count = 0

    def groups(self) -> Iterator[tuple[str, list[Span | Later]]]:
        """(trace id, its spans), each trace once; what was given back is let go."""
        try:
            for trace in self._traces:
                yield trace, self._take(trace)
        finally:
            if self._file is not None:
                self._file.close()

    def _take(self, trace: str) -> list[Span | Later]:
        places = self._places.pop(trace, None)
        spans: list[Span | Later] = [] if places is None else [*self._fetch(places)]
        spans += self._held.pop(trace, ())
        lines = self._later.pop(trace, ())
        later = [Later(trace, *lines[i : i + 3]) for i in range(0, len(lines), 3)]
        if not spans:
            return [*later]
        return sorted((*spans, *later), key=_line) if later else spans

    def _fetch(self, places: array[int]) -> list[Span]:
        file = self._file
        assert file is not None
        file.flush()
        spans: list[Span] = []
        first = 0
        while first < len(places):  # neighbours are read in one go
            last = first + 1
            while last + 1 < len(places) and places[last + 1] == places[last]:
                last += 2
            start = places[first]
            file.seek(start)
            data = memoryview(file.read(places[last] - start))
            for i in range(first, last, 2):
                spans.append(self._decode(data[places[i] - start : places[i + 1] - start]))
            first = last + 1
        return spans

    def __bool__(self) -> bool:
        """Whether it holds anything."""
        return bool(self._traces)


def _line(span: Span | Later) -> int:
    return span.number if isinstance(span, Later) else span.raw.line or 0
