"""Text logs whose records start with a header line and run on to the next one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from tracekit.ingest.decode import decode_text
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Raw

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class Entry(msgspec.Struct, frozen=True):
    """One record of a text log."""

    raw: Raw
    """From the header to the last line of the record."""
    header: re.Match[str] | None
    """The header as it was found; None for what stands before the first header."""
    text: str
    """The rest of the header's line and the lines below it, without blanks at the end."""

    def __getitem__(self, group: str) -> str:
        """A named group of the header, empty when it did not take part."""
        return (self.header[group] or "") if self.header is not None else ""


def strip_ansi(text: str) -> str:
    r"""Text without the codes that colour terminals.

    >>> strip_ansi("\x1b[32m[0] Programmer:\x1b[0m")
    '[0] Programmer:'
    """
    return _ANSI.sub("", text) if "\x1b" in text else text


def head_lines(head: bytes) -> list[str]:
    r"""The lines of a file's head as `log_lines` gives them, for readers to judge.

    >>> head_lines(b"[09:00:00 INFO]\r\nTask:\r\n")
    ['[09:00:00 INFO]', 'Task:', '']
    """
    return [line.rstrip("\r\0") for line in strip_ansi(decode_text(head)).split("\n")]


def between(text: str, start: str, end: str) -> str | None:
    """What stands between two marks, the first of each; None when one is missing.

    Takes one pass: a lazy regular expression takes one for every start that has no end.

    >>> between("a <b> c", "<", ">")
    'b'
    """
    _, found, rest = text.partition(start)
    inner, closed, _ = rest.partition(end)
    return inner if found and closed else None


def log_lines(source: OpenSource) -> Iterator[tuple[Raw, str]]:
    """Every line of a text file without colour codes; not records by themselves.

    NUL bytes at the end of a line are what a crash left of a file.
    """
    start = 0
    for number, data in enumerate(source.data.split(b"\n"), 1):
        raw = Raw(record=number, line=number, start=start, end=start + len(data))
        yield raw, strip_ansi(decode_text(data).rstrip("\r\0"))
        start += len(data) + 1


def entries(lines: Iterable[tuple[Raw, str]], header: re.Pattern[str]) -> Iterator[Entry]:
    """The records of a log: a line on which `header` matches at its start begins one.

    Lines before the first header come as one entry without header, unless they are blank.
    """
    first: Raw | None = None
    last = Raw(record=0)
    found: re.Match[str] | None = None
    body: list[str] = []
    for raw, line in lines:
        match = header.match(line)
        if match is not None or first is None:
            if first is not None and (found or any(map(str.strip, body))):
                yield _entry(first, last, found, body)
            first, found, body = raw, match, [line[match.end() :] if match else line]
        else:
            body.append(line)
        last = raw
    if first is not None and (found or any(map(str.strip, body))):
        yield _entry(first, last, found, body)


def log_entries(source: OpenSource, header: re.Pattern[str]) -> Iterator[Entry]:
    """The records of a text file, each one accounted for by the number of its first line."""
    for entry in entries(log_lines(source), header):
        source.see(entry.raw.record)
        yield entry


def _entry(first: Raw, last: Raw, found: re.Match[str] | None, body: list[str]) -> Entry:
    raw = msgspec.structs.replace(first, end=last.end)
    return Entry(raw, found, "\n".join(body).rstrip())
