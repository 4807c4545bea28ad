"""Journals of live capture: runs that were still going on when the system, or the log, broke off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.journal import JOURNAL, Instalment, fold
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Trace, faults

_DECODER = msgspec.json.Decoder(Instalment)


class TracekitJournal:
    """Reads the journal of a captured run; a run that never ended is marked `unfinished`."""

    name: ClassVar[str] = "tracekit-journal"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the schema name opens the first line."""
        return 1.0 if head.lstrip().startswith(b'{"schema":"tracekit/journal/') else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file; a line that breaks off is a problem and the rest goes on."""
        found: list[Instalment] = []
        for line in source.lines():
            try:
                new = _DECODER.decode(line.data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                what = f"not a line of a {JOURNAL} document: {error}"
                yield source.problem(line.raw, what, do="the run goes on without this line")
                continue
            if new.schema not in (None, JOURNAL):
                do = "upgrade tracekit"
                yield source.problem(
                    line.raw, f"a journal of another version than {JOURNAL}", do=do
                )
                continue
            found.append(new)
            source.account.settle(line.number)
        trace = fold(found)
        if trace is None:
            yield source.problem(None, "the journal's first line is missing")
            return
        wrong = faults(trace)
        if wrong:
            what = f"the journal contradicts itself: {'; '.join(wrong[:3])}"
            yield source.problem(None, what)
            return
        yield trace
