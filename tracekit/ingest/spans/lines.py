"""Files of one span a line, in memory that does not grow with them: each line is gone over twice.

The first time nothing is kept of a span but its trace and its place. When all are known, the spans
of one trace at a time are read in full, however far apart they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext

from tracekit.errors import Problem
from tracekit.ingest.documents import Document, documents, in_lines, read_line
from tracekit.ingest.sources import Line, OpenSource
from tracekit.ingest.spans.attributes import Span
from tracekit.ingest.spans.store import Later, SpanStore

Reread = Callable[[OpenSource, Line], Iterable[Span | Problem]]
"""Reads the span of a line that was noted before."""


def noted(
    source: OpenSource, trace_of: Callable[[Line], str | None]
) -> Iterator[Document | Problem | Later]:
    """`documents`, but where a line can be read again later, a line of one span is only noted.

    `trace_of` gives the trace id of such a line, None for any other line.
    """
    if not (source.seekable and in_lines(source)):
        yield from documents(source)
        return
    for line in source.lines():
        trace = trace_of(line)
        if trace is None:
            yield from read_line(source, line)
        else:
            yield Later(trace, line.number, line.start, len(line.data))


def gather(
    source: OpenSource, spans: Iterable[Span | Later | Problem], reread: Reread | None
) -> Iterator[tuple[str, list[Span]] | Problem]:
    """Spans by trace, in the order in which the traces begin, each trace with its id."""
    store = SpanStore()
    troubled = False
    for span in spans:
        if isinstance(span, Problem):
            troubled = True
            yield span
        else:
            store.add(span)
    if not store and not troubled:
        yield source.skip_file("there are no spans in the file")
    with source.again() if source.seekable else nullcontext() as again:
        for trace, members in store.groups():
            found: list[Span] = []
            for member in members:
                if isinstance(member, Span):
                    found.append(member)
                    continue
                assert again is not None
                assert reread is not None
                line = again(member.number, member.start, member.size)
                for item in reread(source, line):
                    if isinstance(item, Span):
                        found.append(item)
                    else:
                        yield item
            if found:
                yield trace, found
