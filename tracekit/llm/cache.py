"""Answers kept in SQLite: found again by what was asked, recorded, replayed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from tracekit.errors import InputError, UsageError
from tracekit.llm.errors import NotRecorded
from tracekit.llm.request import Completion, Request

Mode = Literal["off", "cache", "record", "replay"]
"""`off`: every call is made; `cache`: only calls that are not stored; `record`: every call, and
its answer replaces the stored one; `replay`: no call, and one that is not stored is an error."""

APPLICATION = 0x74726B63
"""Marks the file as ours (`PRAGMA application_id`)."""
VERSION = 1

TABLES = """
CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, request TEXT NOT NULL, completion TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, tokens INTEGER NOT NULL, nanos INTEGER NOT NULL);
"""


class Store:
    """The answers in one file; without a path, nothing is kept.

    Several processes may write to one file. Raises `InputError` when the file cannot be used and
    `UsageError` when path and mode do not fit together.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, mode: Mode = "off") -> None:
        if (path is None) != (mode == "off"):
            raise UsageError(f"mode {mode!r} with store {path}: a store needs a mode and a path")
        self.path = None if path is None else Path(path)
        self.mode = mode
        self._fresh: set[str] = set()
        with self._sound():
            self.db = self._open()

    def find(self, request: Request) -> Completion | None:
        """The stored answer; None = the call must be made. Raises `NotRecorded` in replay.

        When recording, only what this store has recorded itself counts, so that equal requests of
        one run get equal answers.
        """
        key = request.key
        if self.mode == "off" or (self.mode == "record" and key not in self._fresh):
            return None
        with self._sound():
            row = self.db.execute("SELECT completion FROM calls WHERE key = ?", (key,)).fetchone()
            if row is not None:
                return msgspec.json.decode(row[0], type=Completion)
        if self.mode == "replay":
            what = f"{self.path} holds no answer to request {key[:12]} of model {request.model!r}"
            raise NotRecorded(f"{what}; record it first")
        return None

    def keep(self, request: Request, completion: Completion) -> None:
        """Store an answer; it is on disk when this returns."""
        if self.mode == "off":
            return
        row = (
            completion.key,
            request.canonical().decode(),
            msgspec.json.encode(completion).decode(),
        )
        with self._sound():
            self.db.execute("INSERT OR REPLACE INTO calls VALUES (?, ?, ?)", row)
        self._fresh.add(completion.key)

    def close(self) -> None:
        """Close the file; what was written is in the one file then."""
        self.db.close()

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return memory()
        if self.mode == "replay":
            db = _connect(_read_only(self.path))
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = _connect(self.path.resolve().as_uri())
            _prepare(db)
        _check(db)
        if self.mode != "replay":
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
        return db

    @contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, msgspec.DecodeError) as error:
            what = f"{self.path} cannot be used as a store of calls: {error}"
            raise InputError(f"{what}; choose another file") from error


def memory() -> sqlite3.Connection:
    """A database that nobody else sees, with the same tables."""
    db = _connect("file::memory:")
    db.executescript(TABLES)
    return db


def _connect(uri: str) -> sqlite3.Connection:
    """A connection that commits every statement at once and waits for other processes."""
    return sqlite3.connect(
        uri, uri=True, timeout=60.0, isolation_level=None, check_same_thread=False
    )


def _read_only(path: Path) -> str:
    """The address of a file to replay, which may lie where nothing can be written."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; record the calls first")
    open_elsewhere = path.with_name(path.name + "-wal").exists()
    return path.resolve().as_uri() + ("?mode=ro" if open_elsewhere else "?immutable=1")


def _prepare(db: sqlite3.Connection) -> None:
    """Make an empty database ours; several processes may try at once."""
    db.execute("BEGIN IMMEDIATE")
    if not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        for statement in TABLES.strip().splitlines():
            db.execute(statement)
    db.execute("COMMIT")


def _check(db: sqlite3.Connection) -> None:
    """Raise for somebody else's database, or one of a newer version."""
    marks = [
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    ]
    if marks != [APPLICATION, VERSION]:
        db.close()
        raise sqlite3.DatabaseError("it holds something else, or comes from a newer tracekit")
