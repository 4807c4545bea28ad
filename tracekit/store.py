"""Traces and verdicts on disk: JSON Lines, optionally compressed, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from tracekit.errors import SchemaError
from tracekit.optional import require
from tracekit.trace import SCHEMA, Trace

_DECODER = msgspec.json.Decoder(Trace)
_ENCODER = msgspec.json.Encoder()


def decode_trace(line: bytes | str) -> Trace:
    """One trace from one line of JSONL, of this schema version or an older one.

    A document that names no version is taken for one of today's. Raises `SchemaError` that says what is wrong and where.

    >>> decode_trace('{"schema": "tracekit/trace/1", "id": "a", "source": {"format": "x"}}').id
    'a'
    >>> decode_trace('{"schema": "tracekit/trace/9", "id": "a", "source": {"format": "x"}}')
    Traceback (most recent call last):
        ...
    tracekit.errors.SchemaError: a tracekit/trace/9 document, newer than this tracekit: upgrade it
    """
    try:
        return _DECODER.decode(line)
    except msgspec.ValidationError as error:
        return _older(line, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SchemaError(f"not JSON: {error}") from None


OLDER: dict[str, Callable[[bytes | str], Trace]] = {}
"""How documents of earlier schema versions become today's `Trace`, by their `schema` member."""


class _Head(msgspec.Struct):
    schema: str | None = None


def _older(line: bytes | str, error: msgspec.ValidationError) -> Trace:
    """The trace of an older version; for everything else a `SchemaError`."""
    try:
        schema = msgspec.json.decode(line, type=_Head).schema
    except msgspec.ValidationError:
        schema = None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
        raise SchemaError(f"not JSON: {broken}") from None
    if schema in OLDER:
        return OLDER[schema](line)
    if schema is not None and schema != SCHEMA:
        family, _, version = schema.rpartition("/")
        ours, _, today = SCHEMA.rpartition("/")
        newer = family == ours and version.isdecimal() and int(version) > int(today)
        say = "newer than this tracekit: upgrade it" if newer else f"not a {SCHEMA} one"
        raise SchemaError(f"a {schema[:100]} document, {say}") from None
    raise SchemaError(f"not a {SCHEMA} document: {error}") from None


def encode(value: msgspec.Struct) -> bytes:
    """Any tracekit struct as one line of JSON without its line end; the same bytes every time."""
    return _ENCODER.encode(value)


def write_traces(traces: Iterable[Trace], path: str | os.PathLike[str]) -> int:
    """Write traces as JSONL (zstd for `.zst`, gzip for `.gz`), atomically; returns how many."""
    count = 0
    with atomic(path) as stream:
        for trace in traces:
            stream.write(encode(trace) + b"\n")
            count += 1
    return count


def read_traces(path: str | os.PathLike[str]) -> Iterator[Trace]:
    """The traces of a JSONL file that tracekit wrote; raises `SchemaError` with the line number."""
    with _open(Path(path)) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                try:
                    yield decode_trace(line)
                except SchemaError as error:
                    raise SchemaError(f"{path}:{number}: {error}") from None


@contextmanager
def atomic(path: str | os.PathLike[str], *, sync: bool = True) -> Iterator[IO[bytes]]:
    """A binary stream that becomes the file only when the body ends well; synced before that.

    `sync=False` is for files that a lost machine may take with it.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as plain:
            with _compressed(plain, target) as stream:
                yield stream
            plain.flush()
            if sync:
                os.fsync(plain.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp made it private
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _compressed(plain: IO[bytes], target: Path) -> Iterator[IO[Any]]:
    if target.suffix == ".gz":
        import gzip

        with gzip.GzipFile(filename="", fileobj=plain, mode="wb", mtime=0) as stream:
            yield stream  # type: ignore[misc]
    elif target.suffix == ".zst":
        writer = (
            require("zstandard", "zstd").ZstdCompressor(level=9).stream_writer(plain, closefd=False)
        )
        with writer as stream:
            yield stream
    else:
        yield plain


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        import gzip

        return gzip.open(path, "rb")  # type: ignore[return-value]
    if path.suffix == ".zst":
        import io

        reader = require("zstandard", "zstd").ZstdDecompressor().stream_reader(path.open("rb"))
        return io.BufferedReader(reader)
    return path.open("rb")
