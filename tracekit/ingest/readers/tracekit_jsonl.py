"""tracekit's own JSONL: one Trace per line, as `tracekit ingest` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tracekit.errors import Problem, SchemaError
from tracekit.ingest.sources import OpenSource
from tracekit.store import decode_trace
from tracekit.trace import Trace, faults


class TracekitJsonl:
    """Reads normalised traces; raw pointers keep naming the file the trace came from."""

    name: ClassVar[str] = "tracekit"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the schema name opens the first line."""
        return 1.0 if head.lstrip().startswith(b'{"schema":"tracekit/trace/') else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per line; a broken line is a problem and the rest goes on."""
        for line in source.lines():
            try:
                trace = decode_trace(line.data)
            except SchemaError as error:
                yield source.problem(line.raw, str(error), do="write the file again")
                continue
            wrong = faults(trace)
            if wrong:
                what = f"the trace contradicts itself: {'; '.join(wrong[:3])}"
                yield source.problem(line.raw, what, do="write the file again")
                continue
            source.account.settle(line.number)
            yield trace
