"""Spans into traces as they arrive: what an OTLP receiver does with what it was sent.

Every request is first written to `NAME.spans.jsonl` beside the output, as OTLP JSON Lines which
`tracekit ingest` reads; only then is it acknowledged. A trace is written when its root span has
arrived and nothing was added to it for a while, or when the receiver closes. A span that comes
later brings the whole trace again; when the receiver closes, the older lines go. Steps point into
the file of spans, which stays.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tracekit.capture.lines import LineFile
from tracekit.errors import Problem, UsageError
from tracekit.ingest.join import join
from tracekit.ingest.readers.otlp_json import OtlpJson, read_document
from tracekit.ingest.redact import Redactor
from tracekit.ingest.sources import Blob, OpenSource
from tracekit.ingest.spans.assemble import assemble
from tracekit.ingest.spans.attributes import Span
from tracekit.store import atomic, encode, read_traces
from tracekit.trace import Trace

WITHOUT_ROOT = 10
"""How many times longer a trace is waited for whose root span has not arrived."""


class Pending:
    """The spans of one trace, and whether they were written."""

    __slots__ = ("changed", "rooted", "spans", "written")

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.changed = 0.0
        """When the last span arrived, on the monotonic clock."""
        self.rooted = False
        self.written = False
        """Whether the spans are in the output as they are."""


class Receipt(msgspec.Struct, frozen=True):
    """What became of one request."""

    accepted: int
    """Spans that were taken."""
    rejected: int = 0
    """Spans that were not."""
    why: str = ""
    """Why, when some were not."""


class SpanCollector:
    """Takes export requests and appends traces to `path`; shared by the threads of a server.

    `quiet` is how many seconds a trace must rest before it is written; `most` bounds the spans
    that are held, beyond which the traces that rest longest are written early and let go.
    Raises `UsageError` for a path that cannot be appended to.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        quiet: float = 5.0,
        redact: bool = False,
        most: int = 50_000,
    ) -> None:
        self._file = LineFile(path)
        self.quiet, self.most = quiet, most
        self._redactor = Redactor() if redact else None
        self._lock = threading.RLock()
        self._traces: dict[str, Pending] = {}
        self._held = 0
        self._repeated = False
        self.spans = 0
        """Spans accepted so far."""
        self.problems: list[Problem] = []
        """What the spans left in doubt, and what went wrong in writing."""
        self.last = time.monotonic()
        """When the last request arrived, on the monotonic clock."""
        self.journal = _beside(self._file.path)
        """The file of spans as they arrived."""
        self._lines = _count_lines(self.journal)
        self._stream = self.journal.open("ab", buffering=0)

    @property
    def ids(self) -> set[str]:
        """Ids of the traces that have arrived so far and are still held."""
        with self._lock:
            return set(self._traces)

    @property
    def redacted(self) -> int:
        """Secrets taken out so far."""
        return self._redactor.counts.total() if self._redactor is not None else 0

    def take(self, request: Any) -> Receipt:
        """One decoded export request; it is on disk when this returns.

        Raises `ValueError` for what is no export request, and `OSError` when it cannot be kept.
        """
        check(request)
        if self._redactor is not None:
            request = redacted(request, self._redactor)
        line = msgspec.json.encode(request) + b"\n"
        with self._lock:
            self.last = time.monotonic()
            if not request.get("resourceSpans"):
                return Receipt(0)
            self._keep(line)
            found = list(self._read(request, self._lines))
            spans = [s for s in found if isinstance(s, Span) and s.trace and s.id]
            for span in spans:
                self._add(span)
            self.spans += len(spans)
            rejected = len(found) - len(spans)
            why = "spans need a traceId and a spanId" if rejected else ""
            self._relieve()
        return Receipt(len(spans), rejected, why)

    def _keep(self, line: bytes) -> None:
        start = self._stream.seek(0, os.SEEK_END)
        try:
            left = memoryview(line)
            while left:
                left = left[self._stream.write(left) :]
            os.fsync(self._stream.fileno())
        except OSError:
            self._stream.truncate(start)
            raise
        self._lines += 1

    def _source(self) -> OpenSource:
        return OpenSource(Blob(lambda: self.journal.open("rb")), str(self.journal))

    def _read(self, request: Any, line: int) -> Iterator[Span | Problem]:
        return read_document(self._source(), request, "", line)

    def _add(self, span: Span) -> None:
        held = self._traces.setdefault(span.trace, Pending())
        held.spans.append(span)
        held.changed = time.monotonic()
        held.rooted = held.rooted or span.parent is None
        if held.written:
            self._repeated = True
        held.written = False
        self._held += 1

    # --- writing ------------------------------------------------------------------------------

    def settle(self) -> int:
        """Write the traces that are complete and rest; returns how many."""
        with self._lock:
            return sum(self._emit(id, held) for id, held in self._traces.items() if self._due(held))

    def _due(self, held: Pending) -> bool:
        patience = self.quiet if held.rooted else self.quiet * WITHOUT_ROOT
        return not held.written and time.monotonic() - held.changed >= patience

    def _emit(self, id: str, held: Pending) -> int:
        """Append the trace of these spans, once more when some came late."""
        lines = []
        for item in assemble(self._source(), OtlpJson.name, held.spans):
            if isinstance(item, Problem):
                self._note(item)
            else:
                lines.append(encode(item.trace()) + b"\n")
        try:
            self._file.append(b"".join(lines))
        except OSError as error:
            what = f"trace {id} could not be written, later again: {error.strerror}"
            self._note(Problem(what=what, path=str(self._file.path)))
            held.changed = time.monotonic()
            return 0
        held.written = True
        return len(lines)

    def _note(self, problem: Problem) -> None:
        if problem.severity != "skip" and len(self.problems) < 1000:
            self.problems.append(problem)

    def _relieve(self) -> None:
        """Write the traces that rest longest, and let them go, while too many spans are held."""
        while self._held > self.most and len(self._traces) > 1:
            id, held = min(self._traces.items(), key=lambda item: item[1].changed)
            if not held.written and not self._emit(id, held):
                return
            del self._traces[id]
            self._held -= len(held.spans)
            self._repeated = True  # what comes late is written alone, and joined at the end

    def close(self) -> None:
        """Write everything, and leave one line for each trace."""
        with self._lock:
            for id, held in self._traces.items():
                if not held.written:
                    self._emit(id, held)
            self._stream.close()
            if self._repeated:
                with self._file.locked():
                    compact(self._file.path)


def compact(path: Path) -> None:
    """Make one trace of the lines that tell the same one; what a later line repeats goes.

    The one line stands where the last of them stood.
    """
    left = Counter(trace.id for trace in read_traces(path))
    several = {id for id, count in left.items() if count > 1}
    parts: dict[str, list[Trace]] = {}
    with atomic(path) as stream:
        for trace in read_traces(path):
            left[trace.id] -= 1
            if trace.id in several:
                parts.setdefault(trace.id, []).append(trace)
                if left[trace.id]:
                    continue
                trace = _united(parts.pop(trace.id))
            stream.write(encode(trace) + b"\n")


def _united(versions: list[Trace]) -> Trace:
    """The newest version, with what only older ones hold."""
    kept: list[Trace] = []
    told: set[Any] = set()
    for version in reversed(versions):
        records = {(raw.path, raw.record) for step in version.steps for raw in step.raw}
        if not records <= told:
            kept.append(version)
            told |= records
    return kept[0] if len(kept) == 1 else join(kept)


def check(request: Any) -> None:
    """Raise `ValueError` for what is no export request, and say where it is none.

    >>> check({"resourceSpans": [{"scopeSpans": 3}]})
    Traceback (most recent call last):
        ...
    ValueError: not an ExportTraceServiceRequest: `scopeSpans` is no list of objects
    """
    if not isinstance(request, dict) or (request and "resourceSpans" not in request):
        raise ValueError("not an ExportTraceServiceRequest: there are no `resourceSpans`")
    for batch in _listed(request, "resourceSpans"):
        for name in ("scopeSpans", "instrumentationLibrarySpans"):
            for scope in _listed(batch, name):
                if not isinstance(scope.get("spans", []), list):
                    raise ValueError("not an ExportTraceServiceRequest: `spans` is no list")


def _listed(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"not an ExportTraceServiceRequest: `{name}` is no list of objects")
    return found


def redacted(value: Any, redactor: Redactor) -> Any:
    """An export request without its secrets; attributes are `key` and `value` there."""
    if isinstance(value, list):
        return [redacted(item, redactor) for item in value]
    if not isinstance(value, dict):
        return redactor.value(value)
    key, held = value.get("key"), value.get("value")
    text = held.get("stringValue") if isinstance(held, dict) else None
    if isinstance(key, str) and isinstance(text, str):
        ((key, text),) = redactor.value({key: text}).items()
        return {**value, "key": key, "value": {**held, "stringValue": text}}  # type: ignore[dict-item]
    ids = {k: v for k, v in value.items() if k in _IDS}
    rest = {k: redacted(v, redactor) for k, v in value.items() if k not in _IDS}
    return {**ids, **rest}


_IDS = frozenset({"traceId", "spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano"})


def _beside(path: Path) -> Path:
    """Where the spans of an output go: `traces.jsonl` has `traces.spans.jsonl`."""
    found = path.with_name(path.name.removesuffix(".jsonl") + ".spans.jsonl")
    if found == path:
        raise UsageError(f"{path}: the output needs a name of its own")
    return found


def _count_lines(path: Path) -> int:
    """Lines of a file; one that breaks off is ended, so that the next one stands alone."""
    if not path.exists():
        return 0
    count, last = 0, b"\n"
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            count, last = count + chunk.count(b"\n"), chunk[-1:]
    if last != b"\n":
        with path.open("ab") as stream:
            stream.write(b"\n")
        count += 1
    return count
