"""A folder of logs to one file of traces: in parallel, resumable, complete or not at all.

Every input file becomes a *part*: `KEY.jsonl` with its traces, then `KEY.json` with its report,
where the key names the file, its size and its time of change. Parts lie in `.OUT.parts/` beside the output until all are there; then they are joined in
the order of the inputs, duplicates are dropped, and the output appears in one move. After a crash
`resume` keeps finished parts, cuts a half-written last line off an unfinished one, and goes on
behind it: at most one trace of each file is written twice.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import msgspec

from tracekit.errors import UsageError
from tracekit.folds import fingerprint
from tracekit.ingest.engines import engine
from tracekit.ingest.files import find_files
from tracekit.ingest.join import join, joinable
from tracekit.ingest.pipeline import FileReport, Ingest, summarise
from tracekit.ingest.redact import Redaction, redactor_for
from tracekit.ingest.sources import Limits
from tracekit.store import atomic, decode_trace, encode

MANIFEST = "tracekit/manifest/1"


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One trace of a part, as far as joining parts needs it."""

    id: str
    format: str
    fingerprint: str
    joinable: bool
    size: int
    """Bytes of its line in the part, line end included."""


class Task(msgspec.Struct, frozen=True):
    """One input file to be read."""

    number: int
    path: str
    size: int
    changed: int
    """Time of last change in nanoseconds."""
    redact: Redaction = "none"
    """What is taken out: a part that was read without is never taken for one that was read with."""

    @property
    def key(self) -> str:
        """Name of the part: another input, or a changed one, never finds this part."""
        return f"{self.number:06d}-{hashlib.sha256(encode(self)).hexdigest()[:16]}"


class Part(msgspec.Struct, kw_only=True):
    """What became of one input file: the content of `KEY.json`."""

    task: Task
    files: list[FileReport]
    """The file itself, or one report for each member of an archive."""
    entries: list[Entry]
    redacted: dict[str, int] = {}
    """Findings of the redactor by rule."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a batch is read; part of the manifest."""

    formats: tuple[str, ...] | None = None
    """Readers to choose from; None = all."""
    limits: Limits = Limits()
    """Caps against bombs and accidents."""
    keep_duplicates: bool = False
    """Whether a trace equal to an earlier one is written too."""
    redact: Redaction = "none"
    """What is taken out of the traces before they are written."""


class Manifest(msgspec.Struct, kw_only=True, tag_field="schema", tag=MANIFEST):
    """The account of a batch, machine-readable; the same inputs give the same bytes."""

    output: str
    """The file of traces, as the user named it."""
    sha256: str
    """Hash of the output before compression."""
    totals: dict[str, Any]
    """Files, records, traces, steps, by format, and problems by severity."""
    options: Options
    """How the batch was read."""
    files: list[FileReport]
    """A report of every file, in the order of the inputs."""
    duplicates: list[tuple[str, str]]
    """(path, trace id) of every trace left out because an equal one came before it."""
    joined: list[str]
    """Ids of traces whose spans lay in several files."""
    redacted: dict[str, int]
    """Secrets and personal data taken out, by rule; empty when nothing was or should be."""


def ingest_to(
    paths: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    options: Options | None = None,
    jobs: int = 1,
    resume: bool = False,
    engine_name: str = "local",
    progress: Callable[[Part], None] | None = None,
) -> Manifest:
    """Read logs and write their traces to `out` (JSONL, `.gz` or `.zst`), atomically.

    `jobs` processes read files at a time. `resume` goes on after a crash with the same inputs.
    Returns the manifest; the caller decides where to write it. Raises `InputError` for a path
    that does not exist and `UsageError` when another run is using the same output.
    """
    chosen = options or Options()
    target = Path(out)
    work = target.parent / f".{target.name}.parts"
    with _Workplace(work, resume):
        tasks = list(_tasks(paths, target, chosen.redact))
        # Large files first keeps all workers busy to the end.
        todo = [
            t for t in sorted(tasks, key=lambda t: -t.size) if not (work / f"{t.key}.json").exists()
        ]
        run = partial(_read_part, work=str(work), options=chosen)
        for part in engine(engine_name)(run, todo, jobs):
            if progress is not None:
                progress(msgspec.json.decode(part, type=Part))
        manifest = _assemble(work, tasks, target, chosen)
        shutil.rmtree(work)
    return manifest


class _Workplace:
    """The folder of parts, locked against a second run over the same output."""

    def __init__(self, folder: Path, resume: bool) -> None:
        self.folder, self.resume = folder, resume

    def __enter__(self) -> None:
        import fcntl

        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.lock = (self.folder.parent / f"{self.folder.name}.lock").open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.lock.close()
            raise UsageError(f"{self.folder}: another run is writing this output") from None
        if not self.resume:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)

    def __exit__(self, *error: object) -> None:
        Path(self.lock.name).unlink(missing_ok=True)
        self.lock.close()


def _tasks(
    paths: Iterable[str | os.PathLike[str]], exclude: Path, redact: Redaction
) -> Iterator[Task]:
    own = os.path.realpath(exclude)  # an output among the inputs is not one of them
    files = (found for found in find_files(paths) if os.path.realpath(found[0]) != own)
    for number, (file, path) in enumerate(files):
        stat = file.stat()
        yield Task(number, path, stat.st_size, stat.st_mtime_ns, redact)


def _read_part(task: Task, work: str, options: Options) -> bytes:
    """Read one file into its part, behind what an earlier run left; returns the report."""
    part = Path(work) / f"{task.key}.jsonl"
    done = _whole_lines(part)
    ingest = Ingest([task.path], formats=options.formats, limits=options.limits)
    entries: list[Entry] = []
    redactor = redactor_for(options.redact)
    with part.open("ab", buffering=0) as stream:  # one write a trace, none lost
        for trace in ingest.traces():
            if redactor is not None:
                trace = redactor.trace(trace)
            line = encode(trace) + b"\n"
            if len(entries) >= done:
                stream.write(line)
            form = trace.source.format
            entries.append(Entry(trace.id, form, fingerprint(trace), joinable(trace), len(line)))
    counts = dict(sorted(redactor.counts.items())) if redactor is not None else {}
    report = encode(Part(task=task, files=ingest.files, entries=entries, redacted=counts))
    with atomic(part.with_suffix(".json"), sync=False) as final:
        final.write(report)
    return report


def _whole_lines(part: Path) -> int:
    """Number of complete lines that an earlier run left; the rest of the last one is cut off."""
    if not part.exists():
        return 0
    count = end = 0
    with part.open("r+b") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                count, end = count + 1, end + len(line)
        stream.truncate(end)
    return count


def _assemble(work: Path, tasks: list[Task], target: Path, options: Options) -> Manifest:
    parts = [
        msgspec.json.decode((work / f"{task.key}.json").read_bytes(), type=Part) for task in tasks
    ]
    groups: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for number, part in enumerate(parts):
        for index, entry in enumerate(part.entries):
            if entry.joinable:
                groups[entry.format, entry.id].append((number, index))
    split = {place: group for group in groups.values() if len(group) > 1 for place in group}
    seen: set[str] = set()
    duplicates: list[tuple[str, str]] = []
    joined: list[str] = []
    digest = hashlib.sha256()
    lines = _Lines(work, parts)
    with atomic(target) as stream:
        for number, part in enumerate(parts):
            for index, entry in enumerate(part.entries):
                group = split.get((number, index))
                if not options.keep_duplicates and entry.fingerprint in seen:
                    duplicates.append((part.task.path, entry.id))
                    continue
                seen.add(entry.fingerprint)
                if group is None:
                    line = lines.at(number, index)
                elif group[0] == (number, index):
                    line = encode(join([decode_trace(lines.at(*place)) for place in group])) + b"\n"
                    joined.append(entry.id)
                else:
                    continue
                stream.write(line)
                digest.update(line)
    lines.close()
    files = [report for part in parts for report in part.files]
    redacted: Counter[str] = Counter()
    for part in parts:
        redacted.update(part.redacted)
    return Manifest(
        output=str(target),
        sha256=digest.hexdigest(),
        totals={**summarise(files), "duplicates": len(duplicates), "joined": len(joined)},
        options=options,
        files=files,
        duplicates=duplicates,
        joined=joined,
        redacted=dict(sorted(redacted.items())),
    )


class _Lines:
    """The lines of parts by position; reading them in order costs no seek."""

    def __init__(self, work: Path, parts: list[Part]) -> None:
        self._work, self._parts = work, parts
        self._number = -1
        self._stream: IO[bytes] = io.BytesIO()
        self._offsets: list[int] = []

    def at(self, number: int, index: int) -> bytes:
        """Line `index` of part `number`, with its line end."""
        if number != self._number:
            self.close()
            self._number = number
            part = self._parts[number]
            self._stream = (self._work / f"{part.task.key}.jsonl").open("rb")
            self._offsets = [0, *accumulate(entry.size for entry in part.entries)]
        start, end = self._offsets[index], self._offsets[index + 1]
        if self._stream.tell() != start:
            self._stream.seek(start)
        return self._stream.read(end - start)

    def close(self) -> None:
        """Close the part that is open."""
        self._stream.close()
