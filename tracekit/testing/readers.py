"""The contract of a reader, checked on files of its format and on what may become of them."""

from __future__ import annotations

import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tracekit.errors import ContractError, Problem, SchemaError, UsageError
from tracekit.ingest.decode import decode_json
from tracekit.ingest.sniff import THRESHOLD
from tracekit.ingest.sources import HEAD, Blob, OpenSource
from tracekit.protocols import Reader
from tracekit.store import decode_trace, encode
from tracekit.testing.damage import BOM, STRANGERS, breaks, stains, swaps
from tracekit.testing.rules import broken
from tracekit.testing.watch import Forbidden, watched
from tracekit.trace import Trace, faults

SMALL = 256 * 1024
"""Files up to this many bytes are damaged in every way; larger ones are only read."""

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Output(msgspec.Struct, frozen=True):
    """What a reader made of one file."""

    traces: list[Trace]
    problems: list[Problem]

    def bytes(self) -> list[bytes]:
        """Everything in it, comparable."""
        return [encode(item) for item in (*self.traces, *self.problems)]


def check_reader(reader: Reader, files: Iterable[str | os.PathLike[str]]) -> None:
    """Check that a reader keeps its promises (`tracekit.testing.rules.READER`).

    `files` are logs of its format, at least one with a trace; keep some below 256 KiB, for only
    those are also damaged: cut short, stained, one value swapped for another type. Raises
    `ContractError` that names the rule, and `UsageError` when `files` is empty.
    """
    paths = [Path(file) for file in files]
    if not paths:
        raise UsageError("check_reader needs at least one file of the format")
    subject = f"reader {getattr(reader, 'name', type(reader).__name__)!r}"
    if not NAME.fullmatch(str(getattr(reader, "name", ""))):
        raise broken(subject, "name", f"it is {getattr(reader, 'name', None)!r}")
    with watched(subject, "no-network", "no-processes", "no-writes"):
        _check_strangers(reader, subject)
        found = [_check_file(reader, subject, path) for path in paths]
    if not any(output.traces for output in found):
        raise broken(subject, "reads-something", ", ".join(path.name for path in paths))
    with tempfile.TemporaryDirectory(prefix="tracekit-") as folder:
        for path, output in zip(paths, found, strict=True):
            if path.stat().st_size <= SMALL:
                _check_damaged(reader, subject, path, output, Path(folder))


def _check_strangers(reader: Reader, subject: str) -> None:
    for what, data in STRANGERS.items():
        sure = _sniff(reader, subject, data, "log.txt")
        if what in ("empty", "blank", "noise", "nul") and sure >= THRESHOLD:
            raise broken(subject, "sniff-noise", f"{sure} for a file of {what}")


def _check_file(reader: Reader, subject: str, path: Path) -> Output:
    """The checks on a file of the format, as it is."""
    first = _read(reader, subject, path, path.name)
    second = _read(reader, subject, path, path.name)
    if first.bytes() != second.bytes():
        raise broken(subject, "deterministic", path.name)
    with path.open("rb") as stream:
        sure = _sniff(reader, subject, stream.read(HEAD), path.name)
    if first.traces and sure < THRESHOLD:
        raise broken(subject, "sniff-own", f"{sure} for {path.name}")
    return first


def _check_damaged(reader: Reader, subject: str, path: Path, output: Output, folder: Path) -> None:
    """The checks on copies of a file that something has happened to."""
    data = path.read_bytes()
    copy = folder / path.name
    whole_json = _is_json(data) or _is_json(data.strip().partition(b"\n")[0])
    alone = _read_bytes(reader, subject, data, copy, "a copy")

    for what, damaged in _damages(data):
        after = _read_bytes(reader, subject, damaged, copy, what)
        if damaged.strip(b"\0 \r\n") and not (after.traces or after.problems):
            raise broken(subject, "no-silence", f"{path.name}, {what}")
    for what, damaged in breaks(data):
        after = _read_bytes(reader, subject, damaged, copy, what)
        if whole_json and output.traces and not after.problems:
            raise broken(subject, "reports-damage", f"{path.name}, {what}")
    if not data.startswith(BOM) and _is_text(data):
        marked = _read_bytes(reader, subject, BOM + data, copy, "a byte order mark")
        if _said(marked) != _said(alone):
            raise broken(subject, "byte-order-mark", path.name)


def _is_text(data: bytes) -> bool:
    """Whether a byte order mark can stand before it."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def _is_json(data: bytes) -> bool:
    try:
        return isinstance(decode_json(data), dict | list)
    except ValueError:
        return False


def _damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield from STRANGERS.items()
    yield from stains(data)
    yield from swaps(data)


def _said(output: Output) -> list[list[tuple[str, str]]]:
    return [[(step.agent, step.content) for step in trace.steps] for trace in output.traces]


def _read_bytes(reader: Reader, subject: str, data: bytes, copy: Path, what: str) -> Output:
    copy.write_bytes(data)
    with watched(subject, "no-network", "no-processes", "no-writes"):
        _sniff(reader, subject, data[:HEAD], copy.name)
        return _read(reader, subject, copy, copy.name, f", {what}")


def _sniff(reader: Reader, subject: str, head: bytes, name: str) -> float:
    try:
        sure = reader.sniff(head, name)
    except Forbidden:
        raise
    except Exception as error:
        raise broken(subject, "sniff", f"{type(error).__name__}: {error} for {name}") from error
    if not isinstance(sure, int | float) or not 0 <= sure <= 1:
        raise broken(subject, "sniff", f"{sure!r} for {name}")
    return float(sure)


def examine(reader: Reader, data: bytes, name: str) -> Output:
    """What a reader makes of any bytes; the file lies in memory and is called `name`.

    Raises `ContractError` that names the promise which does not hold: what fuzzers look for.
    """
    subject = f"reader {reader.name!r}"
    _sniff(reader, subject, data[:HEAD], name)
    return _read(reader, subject, Blob(lambda: io.BytesIO(data)), name)


def _read(reader: Reader, subject: str, file: Path | Blob, name: str, what: str = "") -> Output:
    """Everything a reader yields, with the promises that hold for any bytes at all."""
    source = OpenSource(file, name)
    where = f"{name}{what}"
    output = Output([], [])
    try:
        for item in reader.read(source):
            if isinstance(item, Trace):
                output.traces.append(item)
            elif isinstance(item, Problem):
                output.problems.append(item)
            else:
                raise broken(subject, "only-traces-and-problems", f"{item!r:.80} for {where}")
            source.account.take(item, source.path)
    except (ContractError, Forbidden):
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error!s:.200} for {where}"
        raise broken(subject, "never-raises", detail) from error
    output.problems.extend(source.warnings)
    for problem in output.problems:
        if problem.path != source.path:
            raise broken(subject, "problem-names-file", f"{problem} for {where}")
    for trace in output.traces:
        _check_trace(subject, trace, where)
    if lost := source.account.open():
        raise broken(subject, "accounted", f"{lost[:3]} for {where}")
    if any(trace.steps for trace in output.traces) and not source.account.records:
        raise broken(subject, "accounted", f"no record was taken through the source for {where}")
    return output


def _check_trace(subject: str, trace: Trace, where: str) -> None:
    if wrong := faults(trace):
        raise broken(subject, "sound-traces", f"{'; '.join(wrong[:3])} for {where}")
    try:
        again = decode_trace(encode(trace))
    except (SchemaError, ValueError, TypeError) as error:
        raise broken(subject, "lossless", f"{error!s:.200} for {where}") from error
    if again != trace:
        raise broken(subject, "lossless", f"trace {trace.id} changes for {where}")
