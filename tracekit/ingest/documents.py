"""The JSON documents of a file: one, one a line, or several that simply follow one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.decode import LENIENT, clean, decode_json, too_deep
from tracekit.ingest.salvage import salvage_json
from tracekit.ingest.sources import Line, OpenSource
from tracekit.trace import Trace


class Document(msgspec.Struct, frozen=True):
    """One JSON value of a file."""

    value: Any
    line: int | None = None
    """Line it begins in, None for the only document of a file."""
    data: bytes = b""
    """Its bytes; empty for the only document of a file."""

    def id(self, source: OpenSource) -> str:
        """An id for the trace of this document when the log has none."""
        return source.default_id(self.data, "" if self.line is None else f"-{self.line}")


def documents(source: OpenSource) -> Iterator[Document | Problem]:
    """Every document of a JSON or JSON Lines file, or of pretty-printed ones in a row.

    What is broken gives a problem, an empty list or object too; a document that breaks off is
    read as far as it goes. In a file of several every document counts as a record, by its line.
    """
    if in_lines(source):
        for line in source.lines():
            yield from read_line(source, line)
    else:
        yield from (_held(source, item) for item in _whole(source))


class Entry(NamedTuple):
    """One of the values that a file lists, or a document that is one itself."""

    document: Document
    value: Any
    where: str
    """Pointer to it in the document, such as `/3`; empty = it is the document."""


Read = Callable[[OpenSource, Document, dict[str, Any], str], Iterator[Trace | Problem]]
"""Reads one object, by its document and the pointer to it."""


def listed(source: OpenSource) -> Iterator[Entry | Problem]:
    """Every document of a file, or the values in it where it is a list."""
    for document in documents(source):
        if isinstance(document, Problem):
            yield document
        elif isinstance(document.value, list):
            for position, value in enumerate(document.value):
                yield Entry(document, value, f"/{position}")
        else:
            yield Entry(document, document.value, "")


def each(
    source: OpenSource, wanted: Callable[[dict[str, Any]], bool], read: Read, missing: str
) -> Iterator[Trace | Problem]:
    """What `read` makes of every listed object that is `wanted`; for any other, what is `missing`."""
    for entry in listed(source):
        if isinstance(entry, Problem):
            yield entry
        elif isinstance(entry.value, dict) and wanted(entry.value):
            yield from read(source, *entry)
        else:
            yield source.problem(None, missing, line=entry.document.line)


def holds(key: str, *kinds: type) -> Callable[[dict[str, Any]], bool]:
    """Whether an object has a value of one of these kinds there.

    >>> holds("steps", list)({"steps": []}), holds("steps", list)({"steps": "none"})
    (True, False)
    """
    return lambda value: isinstance(value.get(key), kinds)


def read_line(source: OpenSource, line: Line) -> Iterator[Document | Problem]:
    """The document of one line, or what is wrong with it; a half document gives both."""
    try:
        value = decode_json(line.data, source.limits.depth)
    except ValueError as error:
        rescued = salvage_json(line.data, source.limits.depth)
        if rescued is None:
            what = f"the line is not a JSON document: {error}"
            yield source.problem(line.raw, what, do="repair the line")
            return
        value = rescued[0]
        what = "the line breaks off and was read up to there"
        yield source.problem(line.raw, what, severity="warning")
    source.account.unpack(line.number)
    yield _held(source, Document(value, line.number, line.data))


def _held(source: OpenSource, item: Document | Problem) -> Document | Problem:
    if isinstance(item, Document) and item.value in ([], {}):
        return source.problem(None, "the document is empty", severity="skip", line=item.line)
    return item


def in_lines(source: OpenSource) -> bool:
    """Whether a source holds a JSON document a line."""
    return is_lines(_beginning(source))


def _beginning(source: OpenSource) -> bytes:
    """The head, or more when the first line is longer."""
    if b"\n" in source.head.lstrip():
        return source.head
    with source.open() as stream:
        return stream.readline(source.limits.line_bytes) + stream.read(4096)


def is_lines(head: bytes) -> bool:
    """Whether a file holds a JSON document a line: its first line is one, and not the last.

    A first line that is none does not matter when most of the next lines are documents: logs are
    rotated in the middle of a line, and a banner may stand on top.

    >>> is_lines(b'{"a": 1}\\n{"a": 2}\\n'), is_lines(b'{"a": 1}\\n'), is_lines(b'[\\n{}, {}]')
    (True, False, False)
    >>> is_lines(b'starting\\n{"a": 1}\\n{"a": 2}\\n')
    True
    """
    first, _, further = head.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANK).partition(b"\n")
    if not further.strip(_BLANK):
        return False
    if is_document(first):
        return True
    lines = [line for line in further.split(b"\n", 12)[:12] if line.strip(_BLANK)]
    good = sum(len(line) > 4 and is_document(line) for line in lines)
    return good > len(lines) // 2 and good > 1


_BLANK = b" \t\r\n\0"


def is_document(line: bytes) -> bool:
    """Whether a line is a whole JSON object or list."""
    if line[:1] not in (b"{", b"["):
        return False
    try:
        decode_json(line)
    except ValueError:
        return False
    return True


def _whole(source: OpenSource) -> Iterator[Document | Problem]:
    """One document, or several in a row; the last one may break off."""
    try:
        yield Document(decode_json(source.data, source.limits.depth))
        return
    except ValueError:
        text = source.text()
    end = line = counted = 0
    for value, start, end in _in_a_row(text):
        line = (line or 1) + text.count("\n", counted, start)
        counted = start
        if too_deep(value, source.limits.depth):
            what = f"nested deeper than {source.limits.depth} levels; raise --max-depth"
            yield source.problem(None, f"not a JSON document: {what}", line=line)
            continue
        source.account.see(line)
        source.account.unpack(line)
        yield Document(clean(value), line, text[start:end].encode("utf-8", "replace"))
    if not line:
        value = source.json()
        yield value if isinstance(value, Problem) else Document(value)
        return
    tail = text[end:].strip().encode("utf-8", "replace")
    if not tail:
        return
    line = text.count("\n", 0, len(text) - len(text[end:].lstrip())) + 1
    rescued = salvage_json(tail, source.limits.depth)
    what = "the last document breaks off" if rescued else "what follows is not a JSON document"
    yield Problem(what=what, severity="warning" if rescued else "error", path=source.path, byte=end)
    if rescued:
        source.account.see(line)
        source.account.unpack(line)
        yield Document(rescued[0], line, tail)


def _in_a_row(text: str) -> Iterator[tuple[Any, int, int]]:
    """Documents that follow one another with their first and last characters, while they decode."""
    end = 0
    while True:
        start = end + len(text[end : end + 4096]) - len(text[end : end + 4096].lstrip())
        if text[start : start + 1] not in ("{", "["):
            return
        try:
            value, end = LENIENT.raw_decode(text, start)
        except (ValueError, RecursionError):
            return
        yield value, start, end
