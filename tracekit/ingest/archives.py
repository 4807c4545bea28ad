"""Compressed files and archives to sources: gzip, zstd, xz, bzip2, zip and tar, nested too.

Nothing is unpacked to disk by name. Each member reads like a file whose path is
`archive.zip!/member`, within caps on size, ratio, number and nesting; a damaged end gives what came
before it and a warning.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from tracekit.errors import InputError, Problem
from tracekit.ingest.sources import Blob, Limits, OpenSource
from tracekit.ingest.zips import open_zip
from tracekit.optional import require

NESTING = 4
"""Containers within containers that are opened: a `.jsonl.gz` in a zip in a tar.xz is three."""

_MAGIC = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)
_FREE = 64 * 1024**2  # output below this is never a bomb, whatever its ratio


def container(head: bytes) -> str | None:
    """Name of the compression or archive form by its first bytes, None for a plain file.

    >>> container(b"PK\\x03\\x04..."), container(b"{}")
    ('zip', None)
    """
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return "tar" if head[257:262] == b"ustar" else None


def expand(
    source: OpenSource, keep: Callable[[OpenSource], bool], depth: int = 0
) -> Iterator[OpenSource | Problem]:
    """The plain files within a source: itself when it is no container, or when `keep` wants it.

    `keep` answers whether a reader takes the container as it is (Inspect's `.eval` is a zip).
    """
    form = container(source.head)
    if form is None or keep(source):
        yield source
        return
    if depth >= NESTING:
        yield source.problem(None, f"containers nest deeper than {NESTING}; not opened")
        return
    if form == "zip":
        inner = _zip(source)
    elif form == "tar":
        inner = _tar(source)
    else:
        inner = iter([_stream(source, form)])
    try:
        for item in inner:
            if isinstance(item, Problem):
                yield item
                continue
            try:
                yield from expand(item, keep, depth + 1)
            except InputError as error:  # this member; the others may be sound
                yield item.problem(None, str(error))
    except (tarfile.TarError, EOFError, ValueError, *_DAMAGE) as error:
        yield source.problem(None, f"damaged {form} archive: {error}", do="fetch the file again")


_DAMAGE = (zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile)


class _Capped(io.RawIOBase):
    """A decompressing stream that stops bombs and survives a damaged end."""

    def __init__(
        self, chain: tuple[IO[bytes], ...], packed: int, limits: Limits, blob: Blob
    ) -> None:
        self._inner = chain[0]
        self._chain = chain  # closing a decompressor leaves the stream below it open
        self._limit = min(limits.expanded_bytes, max(_FREE, packed * limits.ratio))
        self._blob = blob
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._inner.read(len(buffer))
        except (EOFError, OSError, *_DAMAGE) as error:
            self._fault(str(error))
            return 0
        except Exception as error:
            if type(error).__name__ not in ("ZstdError", "BadZipFile"):
                raise
            self._fault(str(error))
            return 0
        self._done += len(data)
        if self._done > self._limit:
            raise InputError(
                f"expands to more than {self._limit} bytes, which looks like a bomb; "
                "raise --max-ratio or --max-expanded-bytes if it is not"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        for stream in self._chain:
            stream.close()
        super().close()

    def _fault(self, text: str) -> None:
        what = f"the compressed data is damaged or cut off after {self._done} bytes: {text}"
        if what not in self._blob.faults:
            self._blob.faults.append(what)


class _Zstd(io.RawIOBase):
    """Zstandard frames one after the other; unlike the library's reader it notices a cut."""

    _CHUNK = 2048  # a block of 4 bytes can expand to 128 KiB: 64 MiB at most in one go

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._codec = require("zstandard", "zstd").ZstdDecompressor(max_window_size=1 << 27)
        self._frame = self._codec.decompressobj()
        self._input = b""
        self._output = memoryview(b"")
        self._started = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._output:
            data = self._input or self._stream.read(self._CHUNK)
            if not data:
                if self._started:
                    raise EOFError("the last zstd frame is incomplete")
                return 0
            self._output = memoryview(self._frame.decompress(data))
            self._started, self._input = not self._frame.eof, b""
            if self._frame.eof:
                self._input = self._frame.unused_data
                self._frame = self._codec.decompressobj()
        count = min(len(buffer), len(self._output))
        buffer[:count], self._output = self._output[:count], self._output[count:]
        return count


def _buffered(chain: tuple[IO[bytes], ...], packed: int, limits: Limits, blob: Blob) -> IO[bytes]:
    return io.BufferedReader(_Capped(chain, packed, limits, blob), 1 << 18)


def _stream(source: OpenSource, form: str) -> OpenSource:
    """A single compressed file; it keeps its path."""
    outer, limits = source.blob, source.limits

    def opener() -> IO[bytes]:
        packed = outer.open()
        return _buffered((_decompressor(form, packed), packed), _size(outer), limits, blob)

    blob = Blob(opener, beside=lambda relative: outer.beside(relative, limits.file_bytes))
    return OpenSource(blob, source.path, limits)


def _decompressor(form: str, stream: IO[bytes]) -> IO[bytes]:
    if form == "zstd":
        return io.BufferedReader(_Zstd(stream))
    if form == "gzip":
        return gzip.open(stream, "rb")  # type: ignore[return-value]
    return lzma.open(stream, "rb") if form == "xz" else bz2.open(stream, "rb")


def _size(blob: Blob) -> int:
    with blob.open() as stream:
        return stream.seek(0, io.SEEK_END) if stream.seekable() else _FREE


def _zip(source: OpenSource) -> Iterator[OpenSource | Problem]:
    with source.blob.open() as stream, open_zip(stream) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    named = {entry.filename: entry for entry in entries}
    if len(entries) > source.limits.members:
        yield source.problem(None, f"holds {len(entries)} members; raise --max-members")
        return
    for entry in sorted(entries, key=lambda entry: entry.filename):
        path = f"{source.path}!/{entry.filename}"
        if _escapes(entry.filename):
            yield Problem(what="the member's name leads outside the archive; not read", path=path)
        elif entry.flag_bits & 1:
            yield Problem(what="the member is encrypted; not read", path=path, do="decrypt it")
        else:
            yield OpenSource(_zip_member(source, entry, named), path, source.limits)


def _zip_member(
    source: OpenSource, entry: zipfile.ZipInfo, named: dict[str, zipfile.ZipInfo]
) -> Blob:
    def opener() -> IO[bytes]:
        outer = source.blob.open()
        try:
            member = open_zip(outer).open(entry)
        except (
            NotImplementedError,
            RuntimeError,
            ValueError,
            EOFError,
            OSError,
            *_DAMAGE,
        ) as error:
            outer.close()  # a method that Python does not know, or a damaged header
            raise InputError(f"the member cannot be opened: {error}") from None
        return _buffered((member, outer), entry.compress_size, source.limits, blob)

    def beside(relative: str) -> bytes | None:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(entry.filename), relative))
        if name not in named or named[name].file_size > source.limits.file_bytes:
            return None
        with _zip_member(source, named[name], named).open() as stream:
            return stream.read()

    blob = Blob(opener, beside=beside)
    return blob


def _tar(source: OpenSource) -> Iterator[OpenSource | Problem]:
    """Members in file order, each held in memory while it is read: tar streams cannot go back."""
    with source.blob.open() as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for count, entry in enumerate(archive):
            path = f"{source.path}!/{entry.name}"
            if count >= source.limits.members:
                yield source.problem(None, f"holds over {count} members; raise --max-members")
                return
            if entry.isdir():
                continue
            if _escapes(entry.name) or not entry.isfile():
                what = "the member is a link or leads outside the archive; not read"
                yield Problem(what=what, path=path)
            elif entry.size > source.limits.file_bytes:
                yield Problem(what=f"{entry.size} bytes; raise --max-file-bytes", path=path)
            else:
                member = archive.extractfile(entry)
                data = member.read() if member is not None else b""
                yield OpenSource(_memory(data), path, source.limits)


def _memory(data: bytes) -> Blob:
    return Blob(lambda: io.BytesIO(data))


def _escapes(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or (len(name) > 1 and name[1] == ":")
