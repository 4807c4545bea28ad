"""Folders of logs to traces: find, sniff, read, account. One bad file never stops the others."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tracekit.errors import InputError, Problem, boundary
from tracekit.ingest.archives import expand
from tracekit.ingest.files import find_files
from tracekit.ingest.sniff import reader_of, sniff, surest_of
from tracekit.ingest.sources import Limits, OpenSource
from tracekit.protocols import Reader
from tracekit.trace import Trace

LISTED = 1000
"""Problems of one severity that the report of a file lists; a file of garbage has millions."""


class FileReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of one file; the manifest is a list of these."""

    path: str
    """The file as the user named it; a member of an archive follows after `!/`."""
    format: str | None = None
    """Reader that took it; None = none did."""
    records: int = 0
    """Records that the reader took."""
    skipped: int = 0
    """Records without a step, each with a reason in `problems`."""
    traces: int = 0
    """Traces made of them."""
    steps: int = 0
    """Steps of those traces."""
    problems: list[Problem] = msgspec.field(default_factory=list)
    """What could not be used, and doubts about what was: of each severity the first 1000."""
    unlisted: dict[str, int] = msgspec.field(default_factory=dict)
    """How many more problems there were, by severity."""


class Ingest:
    """An iterable over traces and problems of files and folders, which keeps the books.

    Iterating yields `Trace | Problem`; afterwards `files` holds a report of each file. Raises
    `InputError` only for a path that does not exist.
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        formats: Sequence[str] | None = None,
        limits: Limits | None = None,
        progress: Callable[[FileReport], None] | None = None,
    ) -> None:
        self.paths = list(paths)
        self.formats = formats
        self.limits = limits or Limits()
        self.progress = progress
        self.files: list[FileReport] = []

    def __iter__(self) -> Iterator[Trace | Problem]:
        self.files = []
        for file, path in find_files(self.paths):
            yield from self._file(file, path)

    def traces(self) -> Iterator[Trace]:
        """The traces alone; problems are in the reports."""
        return (item for item in self if isinstance(item, Trace))

    def _file(self, file: Path, path: str) -> Iterator[Trace | Problem]:
        """All sources within one file: itself, or the members of an archive."""
        source = OpenSource(file, path, self.limits)
        try:
            before = file.stat()
            if before.st_size == 0:
                yield from self._report(source, [source.skip_file("the file is empty")])
                return
            for item in expand(source, lambda whole: surest_of(whole, self.formats)[0] is not None):
                if isinstance(item, Problem):
                    yield from self._report(source, [item])
                else:
                    yield from self._report(item, self._read(item))
            after = file.stat()
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                yield from self._report(source, [_grew(path)])
        except InputError as error:
            yield from self._report(source, [Problem(what=str(error), path=path)])
        except OSError as error:
            what = f"cannot be read: {error.strerror or error}"
            yield from self._report(source, [Problem(what=what, path=path)])

    def _report(
        self, source: OpenSource, items: Iterable[Trace | Problem]
    ) -> Iterator[Trace | Problem]:
        """Pass items on and keep the books of their source."""
        report = FileReport(path=source.path)
        self.files.append(report)
        met: Counter[str] = Counter()
        for item in items:
            if isinstance(item, Problem):
                met[item.severity] += 1
                if met[item.severity] <= LISTED:
                    report.problems.append(item)
                else:
                    report.unlisted[item.severity] = met[item.severity] - LISTED
            else:
                report.format = item.source.format
                report.traces += 1
                report.steps += len(item.steps)
            yield item
        report.format = source.format or report.format
        report.records = source.account.records
        report.skipped = source.account.skipped
        if self.progress is not None:
            self.progress(report)

    def _read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        try:
            reader, _ = sniff(source, self.formats)
            if reader is None:
                yield from source.warnings
                do = "see `tracekit formats`"
                yield source.skip_file("no reader knows this format", do=do)
                return
            source.format = reader.name
            yield from read_source(reader, source)
        except InputError as error:
            yield Problem(what=str(error), path=source.path)

    def summary(self) -> dict[str, Any]:
        """Totals over all files, ready for JSON."""
        return summarise(self.files)


def _grew(path: str) -> Problem:
    what = "the file changed while it was read; what was added later is not in the traces"
    return Problem(what=what, path=path, severity="warning", do="read it again when it is complete")


def read_source(reader: Reader, source: OpenSource) -> Iterator[Trace | Problem]:
    """Everything one reader makes of one source, and a problem for every record it lost."""
    with boundary(f"reader {reader.name!r} failed", source.path) as failure:
        silent = True
        for item in reader.read(source):
            source.account.take(item, source.path)
            silent = False
            yield item
        if silent and not source.warnings:
            yield source.skip_file("the file holds nothing of the format it looks like")
    yield from source.warnings
    for fault in source.blob.faults:
        yield source.problem(None, fault, severity="warning")
    if failure.problem is not None:
        yield failure.problem
    lost = source.account.open()
    for key in lost[:20]:
        line, record = (key, None) if isinstance(key, int) else (None, key)
        yield Problem(
            what="the record was read but no step holds it",
            path=source.path,
            line=line,
            record=record,
            do="report this as a bug of the reader",
        )
    if len(lost) > 20:
        yield Problem(what=f"{len(lost) - 20} more records were lost", path=source.path)


def load(
    *paths: str | os.PathLike[str], format: str | None = None, limits: Limits | None = None
) -> Iterator[Trace]:
    """Yield the traces of files and folders, in any known format.

    Problems are left out; use `Ingest` to see them. `format` names a reader instead of sniffing.
    Raises `InputError` for a path that does not exist and `UnknownName` for an unknown format.
    """
    if format is not None:
        reader_of(format)
    return Ingest(paths, formats=[format] if format else None, limits=limits).traces()


def summarise(files: Sequence[FileReport]) -> dict[str, Any]:
    """Totals over file reports: files, records, traces, steps, by format, problems by severity."""
    formats: dict[str, Counter[str]] = {}
    severities: Counter[str] = Counter()
    for report in files:
        counts = formats.setdefault(report.format or "unknown", Counter())
        counts.update(files=1, records=report.records, traces=report.traces, steps=report.steps)
        severities.update(problem.severity for problem in report.problems)
        severities.update(report.unlisted)
    return {
        "files": len(files),
        "records": sum(report.records for report in files),
        "traces": sum(report.traces for report in files),
        "steps": sum(report.steps for report in files),
        "skipped": sum(report.skipped for report in files),
        "formats": {name: dict(formats[name]) for name in sorted(formats)},
        "problems": {severity: severities[severity] for severity in ("error", "warning", "skip")},
    }
