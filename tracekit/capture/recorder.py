"""Runs as they happen: agents and steps are noted at once, and a run becomes a trace when it ends.

A `Recorder` never breaks the system it watches. What goes wrong inside it is counted in `errors`,
kept in `problems`, said once in the log `tracekit.capture`, and raised nowhere.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from tracekit.capture.journals import Journal, leftovers
from tracekit.capture.lines import LineFile
from tracekit.capture.runs import Run
from tracekit.errors import Problem
from tracekit.ingest.redact import Redactor
from tracekit.store import encode
from tracekit.trace import Outcome, Source, Task, Trace

LOG = logging.getLogger("tracekit.capture")

Check = Callable[[Trace], "Outcome | bool | None"]
"""Says of a finished run how it ended; None = it does not know."""

MOST_PROBLEMS = 100
"""Problems kept as data; further ones are only counted."""

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class Recorder:
    """Appends every run to `path` as one line of Trace JSONL when it ends.

    Until then the run is journaled in the folder `PATH.running`, which `tracekit ingest` reads as
    well: after a crash, `Recorder.recover(path)` turns what lies there into partial traces.
    Threads may share a recorder, runs may overlap, and several processes may write to one file.

    `redact` takes secrets out before anything is written. `check` decides the outcome of runs;
    without it the outcome is unknown, unless an exception ended the run. Raises `UsageError` for
    a path that cannot be appended to.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, redact: bool = False, check: Check | None = None
    ) -> None:
        self._file = LineFile(path)
        self._redactor = Redactor() if redact else None
        self._check = check
        self._lock = threading.RLock()
        self._open: dict[str, Run] = {}
        self._unwritten: list[bytes] = []
        self._errors: Counter[str] = Counter()
        self.problems: list[Problem] = []
        """The first hundred things that went wrong in here."""
        self.written = 0
        """Traces written so far."""
        atexit.register(self.close)

    @property
    def path(self) -> Path:
        """The file of traces."""
        return self._file.path

    @property
    def errors(self) -> int:
        """How often something went wrong in here."""
        return sum(self._errors.values())

    @property
    def redacted(self) -> Counter[str]:
        """Secrets taken out of the traces written so far, by rule."""
        return self._redactor.counts if self._redactor is not None else Counter()

    def run(
        self,
        question: str = "",
        *,
        id: str | None = None,
        framework: str | None = None,
        version: str | None = None,
        extra: dict[str, Any] | None = None,
        check: Check | None = None,
    ) -> Run:
        """Open a run; it is written when it `end`s, or when the body of `with` ends."""
        source = Source(format="live", framework=framework, version=version)
        run = Run(
            self,
            id or uuid.uuid4().hex,
            source,
            Task(question=question),
            extra or {},
            check or self._check,
        )
        with self._lock:
            self._open[run.key] = run
        return run

    def guard(self, what: str) -> Guard:
        """A context in which errors of the recorder, and of nobody else, stop."""
        return Guard(self, what)

    def note(self, what: str, error: BaseException) -> None:
        """Count an error, keep it as a problem, and log the first one of its kind."""
        told = f"{what}: {type(error).__name__}: {str(error)[:200]}"
        with self._lock:
            kind = f"{what}: {type(error).__name__}"
            self._errors[kind] += 1
            if len(self.problems) < MOST_PROBLEMS:
                self.problems.append(Problem(what=told, path=str(self.path)))
            first = self._errors[kind] == 1
        if first:
            LOG.warning("%s (the run goes on; said once)", told)

    def journal(self, source: Source) -> Journal | None:
        """A new journal beside the output, for one run; None when there is to be none."""
        return Journal(self._running, source)

    def clean(self, value: _Struct) -> _Struct:
        """The value as it may be written; findings are counted when the trace is."""
        return value if self._redactor is None else Redactor().struct(value)

    def write(self, run: Run, trace: Trace) -> bool:
        """Append a finished run; False when that failed, in which case `close` tries again."""
        with self._lock:
            self._open.pop(run.key, None)
            if self._redactor is not None:
                trace = self._redactor.trace(trace)
            self._unwritten.append(encode(trace) + b"\n")
            return self._flush()

    def _flush(self) -> bool:
        """Append what could not be written before, and what is new."""
        with self.guard("a trace could not be written"):
            self._file.append(b"".join(self._unwritten))
            self.written += len(self._unwritten)
            self._unwritten.clear()
        return not self._unwritten

    def close(self) -> None:
        """End the runs that are still open, as unfinished ones, and write what is left."""
        atexit.unregister(self.close)
        with self._lock:
            for run in list(self._open.values()):
                with self.guard("a run could not be closed"):
                    run.abandon()
            if self._unwritten:
                self._flush()
        Journal.tidy(self._running)

    @property
    def _running(self) -> Path:
        return running(self.path)

    @staticmethod
    def recover(path: str | os.PathLike[str]) -> list[Trace]:
        """Append the runs that a crash interrupted, with unknown outcome; returns them.

        Runs that a living process is still recording stay where they are. Journals are removed
        once their runs are on disk; what cannot be read is left for `tracekit ingest`.
        """
        file, found = LineFile(path), []
        for journal, trace in leftovers(running(path), file.path):
            if trace is not None:
                file.append(encode(trace) + b"\n")
                found.append(trace)
            journal.unlink()
        Journal.tidy(running(path))
        return found

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Guard:
    """`with recorder.guard(what)`: an error inside is noted and goes no further."""

    __slots__ = ("recorder", "what")

    def __init__(self, recorder: Recorder, what: str) -> None:
        self.recorder, self.what = recorder, what

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self.recorder.note(self.what, error)
        return True


def running(path: str | os.PathLike[str]) -> Path:
    """The folder of journals that belongs to a file of traces."""
    return Path(f"{os.fspath(path)}.running")


def now() -> float:
    """Seconds since 1970 UTC."""
    return time.time()
