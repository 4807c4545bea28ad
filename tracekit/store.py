"""Traces and verdicts on disk: JSON Lines, optionally compressed, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
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
    """One trace from one line of JSONL; raises `SchemaError` with what is wrong and where.

    >>> decode_trace('{"schema": "tracekit/trace/1", "id": "a", "source": {"format": "x"}}').id
    'a'
    """
    try:
        return _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise SchemaError(f"not a {SCHEMA} document: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SchemaError(f"not JSON: {error}") from None


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
