"""Logs changed at random: JSON in its structure, lines, archives and databases, and plain bytes.

A fuzzer's mutator. What it makes is mostly still a log, with the wrong thing in the right place:
that gets past the parser and into the reader. The same generator gives the same bytes.
"""

# ruff: noqa: ARG001 - the changes of one table are called alike
from __future__ import annotations

import io
import sqlite3
import zipfile
from collections.abc import Callable
from typing import Any

from tracekit.optional import require
from tracekit.testing.mutate_json import HOSTILE, Rng, in_json

LARGEST = 8192
"""Bytes; longer results are cut."""


def mutate(data: bytes, rng: Rng, other: bytes = b"", largest: int = LARGEST) -> bytes:
    """The log, changed at one to four places; `other` is a log to take parts from.

    >>> import random
    >>> mutate(b'{"a": [1, 2]}', random.Random(1)) == mutate(b'{"a": [1, 2]}', random.Random(1))
    True
    """
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        data = _once(data, rng, other)
    return data[:largest]


def mutate_bytes(data: bytes, rng: Rng, other: bytes = b"") -> bytes:
    """The file, changed in its bytes alone, at one to three places."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(_ON_BYTES)(data, rng, other)
    return data


def _once(data: bytes, rng: Rng, other: bytes) -> bytes:
    if data[:4] == b"PK\x03\x04" and rng.random() < 0.8:
        return _in_zip(data, rng, other)
    if data[:4] == b"PAR1" and rng.random() < 0.7:
        return _in_table(data, rng)
    if data[:16] == b"SQLite format 3\0" and rng.random() < 0.7:
        return _in_database(data, rng)
    if rng.random() < 0.75:
        changed = in_json(data, rng, other)
        if changed is not None:
            return changed
    table = _ON_LINES if rng.random() < 0.5 else _ON_BYTES
    return rng.choice(table)(data, rng, other)


# --- bytes and lines -----------------------------------------------------------------------


def _cut(data: bytes, rng: Rng, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _behead(data: bytes, rng: Rng, other: bytes) -> bytes:
    return data[rng.randrange(len(data) + 1) :]


def _drop(data: bytes, rng: Rng, other: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randrange(1, 40) :]


def _repeat(data: bytes, rng: Rng, other: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    end = start + rng.randrange(1, 200)
    return data[:end] + data[start:]


_BYTES = (
    b"\0", b"\0" * 40, b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3", b"\r", b"\r\n", b"\n", b'"', b"\\",
    b"\\ud800", b"{", b"}", b"[", b"]", b",", b"NaN", b"Infinity", b"1e999", b"-", b"[" * 300,
    b'{"a":' * 300, b"'", b"\x1b[0m", b"\xe2\x80\xa8", b"\x85", b":", b"None", b"\t",
)  # fmt: skip


def _insert(data: bytes, rng: Rng, other: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(_BYTES) + data[at:]


def _flip(data: bytes, rng: Rng, other: bytes) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _splice(data: bytes, rng: Rng, other: bytes) -> bytes:
    at, start = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    return data[:at] + other[start : start + rng.randrange(1, 400)] + data[at:]


def _encode(data: bytes, rng: Rng, other: bytes) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return data.decode("utf-8", "replace").encode("utf-16")
    if kind == 1:
        return b"\xef\xbb\xbf" + data
    return data.replace(b"\n", b"\r\n") if kind == 2 else data.replace(b"\n", b"\r")


Change = Callable[[bytes, Rng, bytes], bytes]


def _on_lines(change: Callable[[list[bytes], Rng, list[bytes]], None]) -> Change:
    def changed(data: bytes, rng: Rng, other: bytes) -> bytes:
        lines = data.split(b"\n")
        change(lines, rng, other.split(b"\n"))
        return b"\n".join(lines)

    return changed


def _at(items: list[Any], rng: Rng) -> int:
    return rng.randrange(len(items)) if items else 0


def _drop_line(lines: list[bytes], rng: Rng, others: list[bytes]) -> None:
    del lines[_at(lines, rng)]


def _repeat_line(lines: list[bytes], rng: Rng, others: list[bytes]) -> None:
    lines.insert(_at(lines, rng), lines[_at(lines, rng)])


def _strange_line(lines: list[bytes], rng: Rng, others: list[bytes]) -> None:
    lines.insert(_at(lines, rng), others[_at(others, rng)])


def _shuffle_lines(lines: list[bytes], rng: Rng, others: list[bytes]) -> None:
    rng.shuffle(lines)


def _text_line(lines: list[bytes], rng: Rng, others: list[bytes]) -> None:
    lines.insert(_at(lines, rng), rng.choice(HOSTILE).encode("utf-8", "replace"))


_ON_BYTES: tuple[Change, ...] = (
    _cut,
    _behead,
    _drop,
    _repeat,
    _insert,
    _insert,
    _flip,
    _flip,
    _splice,
    _encode,
)
_ON_LINES: tuple[Change, ...] = tuple(
    map(_on_lines, (_drop_line, _repeat_line, _strange_line, _shuffle_lines, _text_line))
)


# --- containers ----------------------------------------------------------------------------


def _in_zip(data: bytes, rng: Rng, other: bytes) -> bytes:
    """The archive with one member changed, dropped or renamed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
    except Exception:  # damaged by an earlier change
        return _flip(data, rng, other)
    if not members:
        return data
    name = rng.choice(sorted(members))
    kind = rng.randrange(8)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[rng.choice(("x.json", "../x.json", "samples/9.json"))] = members.pop(name)
    else:
        members[name] = _once(members[name], rng, other)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in members.items():
            archive.writestr(zipfile.ZipInfo(each), content)
    return buffer.getvalue()


def _in_database(data: bytes, rng: Rng) -> bytes:
    """The database with one cell changed or one row dropped."""
    base = sqlite3.connect(":memory:")
    try:
        base.deserialize(data)
        names = base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        (table,) = rng.choice(names)
        rows = base.execute(f'SELECT rowid, * FROM "{table}"')  # noqa: S608 - its own table
        columns = [column[0] for column in rows.description][1:]
        row = rng.choice(rows.fetchall())
        if rng.random() < 0.1:
            base.execute(f'DELETE FROM "{table}" WHERE rowid = ?', row[:1])  # noqa: S608
        else:
            at = rng.randrange(len(columns))
            cell = _new_cell(row[at + 1], rng)
            change = f'UPDATE "{table}" SET "{columns[at]}" = ? WHERE rowid = ?'  # noqa: S608
            base.execute(change, (cell, row[0]))
        base.commit()
        return base.serialize()
    except (
        sqlite3.Error,
        MemoryError,
        IndexError,
        ValueError,
    ):  # a broken one may ask for any size
        return _flip(data, rng, b"")
    finally:
        base.close()


def _new_cell(cell: Any, rng: Rng) -> Any:
    if isinstance(cell, str) and rng.random() < 0.6:
        return _once(cell.encode("utf-8", "replace"), rng, b"").decode("utf-8", "replace")
    return rng.choice((None, "", 0, -1, 1.5, b"\xff\0", "x", "[]", "{}", "null"))


def _in_table(data: bytes, rng: Rng) -> bytes:
    """The Parquet table with one cell changed; its bytes alone when pyarrow is not there."""
    try:
        parquet, arrow = require("pyarrow.parquet", "parquet"), require("pyarrow", "parquet")
        table = parquet.read_table(io.BytesIO(data))
        rows = table.to_pylist()
        row = rng.choice(rows)
        name = rng.choice(sorted(row))
        row[name] = _new_cell(row[name], rng)
        buffer = io.BytesIO()
        parquet.write_table(arrow.Table.from_pylist(rows, table.schema), buffer)
        return buffer.getvalue()
    except Exception:  # damaged by an earlier change, or a cell of another type
        return _flip(data, rng, b"")
