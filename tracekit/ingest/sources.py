"""Files and folders to open sources, with limits, and the forms in which readers take them."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import msgspec

from tracekit.errors import InputError, Problem
from tracekit.ingest.account import Account, Key
from tracekit.ingest.decode import WIDE, Narrow, decode_json, decode_text
from tracekit.ingest.salvage import salvage_json
from tracekit.trace import Raw

_AT_ONCE = 256 * 1024**2  # a read sets its buffer aside before it knows how much there is
HEAD = 64 * 1024
"""Bytes of a file that sniffing may look at."""
_BUFFER = 256 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Caps against bombs and accidents; each has a flag of the same name in `tracekit ingest`."""

    file_bytes: int = 512 * 1024**2
    """Largest document that is read whole, in bytes; line formats are not bound by it."""
    line_bytes: int = 64 * 1024**2
    """Longest line."""
    depth: int = 200
    """Deepest nesting of a JSON document."""
    expanded_bytes: int = 16 * 1024**3
    """Largest compressed file after expansion."""
    ratio: int = 200
    """Largest expansion of a compressed file above 64 MiB, as a factor."""
    members: int = 100_000
    """Most files in one archive."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line of a text file."""

    number: int
    """From 1."""
    start: int
    """First byte."""
    data: bytes
    """Without the line end."""

    @property
    def raw(self) -> Raw:
        """Where the line lies."""
        end = self.start + len(self.data)
        return Raw(record=self.number, line=self.number, start=self.start, end=end)


class Blob:
    """Bytes that can be opened more than once: a file on disk, or a member of an archive."""

    def __init__(
        self,
        opener: Callable[[], IO[bytes]],
        *,
        file: Path | None = None,
        beside: Callable[[str], bytes | None] | None = None,
    ) -> None:
        self.open = opener
        """Opens the bytes from their start."""
        self.file = file
        """The file on disk, None for a member."""
        self._beside = beside
        self.faults: list[str] = []
        """Damage met while reading, in sentences; the pipeline passes it on."""

    @classmethod
    def on_disk(cls, file: Path) -> Blob:
        """The blob of a plain file."""
        return cls(lambda: file.open("rb", buffering=_BUFFER), file=file)

    def beside(self, relative: str, limit: int) -> bytes | None:
        """Content of a neighbour, None when there is none or it is larger than `limit` bytes."""
        if self._beside is not None:
            return self._beside(relative)
        if self.file is None:
            return None
        neighbour = self.file.parent / relative
        try:
            if not neighbour.is_file() or neighbour.stat().st_size > limit:
                return None
            return neighbour.read_bytes()
        except (OSError, ValueError):
            return None


class OpenSource:
    """One file as a reader sees it: its bytes in several forms, and the account of its records."""

    def __init__(self, file: Path | Blob, path: str, limits: Limits | None = None) -> None:
        self.blob = Blob.on_disk(file) if isinstance(file, Path) else file
        self.path = path
        """The file as the user named it; what users are shown."""
        self.limits = limits or Limits()
        self.account = Account()
        self.format: str | None = None
        """Name of the reader that took it, None before and when none did."""
        self.warnings: list[Problem] = []
        """Doubts raised while the bytes were taken apart; the pipeline passes them on."""

    @property
    def name(self) -> str:
        """File name without its folder."""
        return self.path.rsplit("/", 1)[-1]

    @cached_property
    def _wide(self) -> bool:
        with self.blob.open() as stream:
            return stream.read(2) in WIDE

    def open(self) -> IO[bytes]:
        """The bytes from their start; marked UTF-16 comes as UTF-8."""
        stream = self.blob.open()
        return io.BufferedReader(Narrow(stream)) if self._wide else stream

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB."""
        with self.open() as stream:
            return stream.read(HEAD)

    @cached_property
    def data(self) -> bytes:
        """The whole file; raises `InputError` beyond `limits.file_bytes`."""
        limit = self.limits.file_bytes
        with self.open() as stream:
            data = stream.read(min(limit, _AT_ONCE) + 1)
            while len(data) <= limit and (more := stream.read(_AT_ONCE)):
                data += more
        if len(data) > limit:
            raise InputError(
                f"{self.path}: more than the {limit} bytes that a file read whole may have; "
                "raise --max-file-bytes"
            )
        return data

    @cached_property
    def sha256(self) -> str:
        """Hash of the whole file, in hex."""
        if "data" in self.__dict__ and not self._wide:
            return hashlib.sha256(self.data).hexdigest()
        digest = hashlib.sha256()
        with self.blob.open() as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """The bytes as a file, for libraries that need one; a member is copied to a temporary."""
        if self.blob.file is not None:
            yield self.blob.file
            return
        with tempfile.NamedTemporaryFile(prefix="tracekit-") as copy:
            copy.write(self.data)
            copy.flush()
            yield Path(copy.name)

    def text(self) -> str:
        """The whole file as text: a byte order mark is dropped, bad bytes become U+FFFD."""
        return decode_text(self.data)

    def lines(self) -> Iterator[Line]:
        """Every line that is not blank, each one a record; `\\n` and `\\r\\n` end lines."""
        start = 0
        with self.open() as stream:
            for number, data in enumerate(_bounded(stream, self.limits.line_bytes), 1):
                if number == 1 and data.startswith(b"\xef\xbb\xbf"):
                    start, data = 3, data[3:]
                size = len(data)
                data = data.rstrip(b"\r\n")
                if data.strip(b" \t\0"):
                    self.account.see(number)
                    yield Line(number, start, data)
                start += size

    @property
    def seekable(self) -> bool:
        """Whether a line can be read again by its place: a plain file on disk."""
        return self.blob.file is not None and not self._wide

    @contextmanager
    def again(self) -> Iterator[Callable[[int, int, int], Line]]:
        """What reads a line of a seekable source once more, by its number, start and size."""
        assert self.blob.file is not None
        with self.blob.file.open("rb", buffering=0) as stream:
            handle = stream.fileno()
            yield lambda number, start, size: Line(number, start, os.pread(handle, size, start))

    def json(self) -> Any:
        """The whole file as one JSON document, or the `Problem` that says why it is none.

        NaN, Infinity and lone surrogates are accepted. Of a document that breaks off, the part
        before the break is returned, with a warning.
        """
        try:
            return decode_json(self.data, self.limits.depth)
        except ValueError as error:
            what = f"not a JSON document: {error}"
        rescued = salvage_json(self.data, self.limits.depth)
        if rescued is None:
            return Problem(what=what, path=self.path, do="repair or remove the file")
        value, end = rescued
        self.warnings.append(
            Problem(
                what=f"the document breaks off; {end} of its {len(self.data)} bytes were read",
                severity="warning",
                path=self.path,
                byte=end,
            )
        )
        return value

    def records(
        self, items: Iterable[Any], pointer: str, line: int | None = None
    ) -> Iterator[tuple[Raw, Any]]:
        """The items of a list as records: each with where it lies, each one accounted for.

        `pointer` is the JSON pointer of the list, `/history`, or empty for a list at the top;
        `line` the line of the document in a JSONL file.
        """
        place = pointer if line is None else f"{line}:{pointer}"
        for index, item in enumerate(items):
            self.account.see_item(place, index)
            yield Raw(record=f"{place}/{index}", line=line, index=index), item

    def see(self, key: Key) -> None:
        """Put a record into the account by hand, for formats that are neither lines nor lists."""
        self.account.see(key)

    def skip(self, raw: Raw, what: str) -> Problem:
        """The problem that accounts for a record without a step."""
        return self.problem(raw, what, severity="skip")

    def skip_file(self, what: str, **more: Any) -> Problem:
        """The problem that says why a whole file holds no trace, which is no fault of it."""
        return self.problem(None, what, severity="skip", **more)

    def problem(self, raw: Raw | None, what: str, **more: Any) -> Problem:
        """A problem at a record of this source, or of the file as a whole."""
        if raw is not None:
            more |= {"record": None if isinstance(raw.record, int) else raw.record}
            more |= {"line": raw.line, "byte": raw.start}
        return Problem(what=what, path=self.path, **more)

    def sibling(self, relative: str) -> bytes | None:
        """Content of a file beside this one (labels, results), None when it is not there.

        Only files within two folders above are reached, and only below `limits.file_bytes`.
        """
        if relative.count("..") > 2 or relative.startswith("/"):
            return None
        return self.blob.beside(relative, self.limits.file_bytes)

    def siblings(self, folder: str, pattern: str) -> Iterator[tuple[str, bytes]]:
        """Files in a folder near this one whose names match a glob, by name: (name, content).

        None for members of archives; the bounds of `sibling` hold.
        """
        if folder.count("..") > 2 or folder.startswith("/") or self.blob.file is None:
            return
        near = self.blob.file.parent / folder
        try:
            names = sorted(file.name for file in near.glob(pattern))
        except (OSError, ValueError):
            return
        for name in names:
            data = self.sibling(f"{folder}/{name}")
            if data is not None:
                yield name, data

    def default_id(self, material: bytes = b"", position: str = "") -> str:
        """An id for a trace whose log has none: file stem and a hash, the same on every machine."""
        digest = hashlib.sha256(material).hexdigest() if material else self.sha256
        stem = self.name.split(".", 1)[0] or "trace"
        return f"{stem}-{digest[:8]}{position}"


def _bounded(stream: Any, limit: int) -> Iterator[bytes]:
    """Lines of a binary stream; one beyond `limit` bytes raises `InputError`."""
    while data := stream.readline(limit + 1):
        if len(data) > limit:
            raise InputError(f"a line is longer than {limit} bytes; raise --max-line-bytes")
        yield data
