"""Files and folders to open sources, with limits, and the forms in which readers take them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from tracekit.errors import InputError, Problem
from tracekit.ingest.account import Account, Key
from tracekit.trace import Raw

HEAD = 64 * 1024
"""Bytes of a file that sniffing may look at."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Caps against bombs and accidents; each has a flag of the same name in `tracekit ingest`."""

    file_bytes: int = 512 * 1024**2
    """Largest document that is read whole, in bytes; line formats are not bound by it."""
    line_bytes: int = 64 * 1024**2
    """Longest line."""
    depth: int = 200
    """Deepest nesting of a JSON document."""


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


class OpenSource:
    """One file as a reader sees it: its bytes in several forms, and the account of its records."""

    def __init__(self, file: Path, path: str, limits: Limits | None = None) -> None:
        self.file = file
        self.path = path
        """The file as the user named it; what users are shown."""
        self.limits = limits or Limits()
        self.account = Account()
        self.warnings: list[Problem] = []
        """Doubts raised while the bytes were taken apart; the pipeline passes them on."""

    @property
    def name(self) -> str:
        """File name without its folder."""
        return self.path.rsplit("/", 1)[-1]

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB."""
        with self.file.open("rb") as stream:
            return stream.read(HEAD)

    @cached_property
    def data(self) -> bytes:
        """The whole file; raises `InputError` beyond `limits.file_bytes`."""
        size = self.file.stat().st_size
        if size > self.limits.file_bytes:
            raise InputError(
                f"{self.path}: {size} bytes is more than the {self.limits.file_bytes} that a file "
                "read whole may have; raise --max-file-bytes"
            )
        return self.file.read_bytes()

    @cached_property
    def sha256(self) -> str:
        """Hash of the whole file, in hex."""
        with self.file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def text(self) -> str:
        """The whole file as text: a byte order mark is dropped, bad bytes become U+FFFD."""
        return decode_text(self.data)

    def lines(self) -> Iterator[Line]:
        """Every line that is not blank, each one a record; `\\n` and `\\r\\n` end lines."""
        start = 0
        with self.file.open("rb") as stream:
            for number, data in enumerate(_bounded(stream, self.limits.line_bytes), 1):
                size = len(data)
                data = data.rstrip(b"\r\n")
                if number == 1:
                    data = data.removeprefix(b"\xef\xbb\xbf")
                if data.strip(b" \t\0"):
                    self.account.see(number)
                    yield Line(number, start, data)
                start += size

    def json(self) -> Any:
        """The whole file as one JSON document, or the `Problem` that says why it is none.

        NaN, Infinity and lone surrogates are accepted.
        """
        try:
            value = decode_json(self.data, self.limits.depth)
        except ValueError as error:
            return Problem(
                what=f"not a JSON document: {error}",
                path=self.path,
                do="repair or remove the file",
            )
        return value

    def records(
        self, items: Iterable[Any], pointer: str, line: int | None = None
    ) -> Iterator[tuple[Raw, Any]]:
        """The items of a list as records: each with where it lies, each one accounted for.

        `pointer` is the JSON pointer of the list, `/history`, or empty for a list at the top;
        `line` the line of the document in a JSONL file.
        """
        prefix = "" if line is None else f"{line}:"
        for index, item in enumerate(items):
            key = f"{prefix}{pointer}/{index}"
            self.account.see(key)
            yield Raw(record=key, line=line, index=index), item

    def see(self, key: Key) -> None:
        """Put a record into the account by hand, for formats that are neither lines nor lists."""
        self.account.see(key)

    def skip(self, raw: Raw, what: str) -> Problem:
        """The problem that accounts for a record without a step."""
        return self.problem(raw, what, severity="skip")

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
        file = self.file.parent / relative
        try:
            if not file.is_file() or file.stat().st_size > self.limits.file_bytes:
                return None
            return file.read_bytes()
        except OSError:
            return None

    def default_id(self, material: bytes = b"", position: str = "") -> str:
        """An id for a trace whose log has none: file stem and a hash, the same on every machine."""
        digest = hashlib.sha256(material).hexdigest() if material else self.sha256
        stem = self.name.split(".", 1)[0] or "trace"
        return f"{stem}-{digest[:8]}{position}"


def find_files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[tuple[Path, str]]:
    """Every regular file under the paths, sorted, each once; hidden ones are left out.

    Yields (file, name as the user would write it). Raises `InputError` for a path that does not
    exist. Symbolic links to folders are not followed twice, so loops end.
    """
    seen: set[str] = set()
    for given in paths:
        root = Path(given)
        if not root.exists():
            raise InputError(f"{root}: no such file or folder")
        for file in [root] if root.is_file() else _walk(root, set()):
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield file, file.as_posix()


def _walk(folder: Path, above: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, above | {real})
        elif entry.is_file():
            yield entry


def _bounded(stream: Any, limit: int) -> Iterator[bytes]:
    """Lines of a binary stream; one beyond `limit` bytes raises `InputError`."""
    while data := stream.readline(limit + 1):
        if len(data) > limit:
            raise InputError(f"a line is longer than {limit} bytes; raise --max-line-bytes")
        yield data


def decode_text(data: bytes) -> str:
    """Bytes to text: UTF-8 or marked UTF-16, byte order marks dropped, bad bytes U+FFFD.

    >>> decode_text(b"\\xef\\xbb\\xbfa\\xff")
    'a\\ufffd'
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def decode_json(data: bytes, depth: int = 200) -> Any:
    """One JSON value, fast when it is clean and forgiving when it is not.

    Accepts a byte order mark, NaN and Infinity (read as None), lone surrogates and bad UTF-8
    (U+FFFD), and integers of any size. Raises `ValueError` for what is not JSON, or nested deeper
    than `depth`.

    >>> decode_json(b'{"a": NaN}')
    {'a': None}
    """
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = decode_text(data).replace("\0", "")
        try:
            value = _clean(json.loads(text, parse_constant=lambda _: None, strict=False))
        except RecursionError:
            raise ValueError(f"nested deeper than {depth} levels") from None
    except RecursionError:
        raise ValueError(f"nested deeper than {depth} levels") from None
    # Counting brackets is far cheaper than walking, and most documents stop here.
    if data.count(b"[") + data.count(b"{") > depth and _depth_exceeds(value, depth):
        raise ValueError(f"nested deeper than {depth} levels")
    return value


def _depth_exceeds(value: Any, depth: int) -> bool:
    """Whether containers nest deeper than `depth`, level by level and without recursion."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth + 1):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
