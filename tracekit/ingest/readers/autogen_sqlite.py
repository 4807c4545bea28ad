"""The database that `autogen.runtime_logging` writes, schema 1 and 2, to traces by session."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tracekit.errors import Problem
from tracekit.ingest.parts import as_text
from tracekit.ingest.readers.autogen_runtime import Note, Row, Table, read_session
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Raw, Trace

_STEPS: dict[Table, str] = {
    "chat_completions": "start_time",
    "events": "timestamp",
    "function_calls": "timestamp",
}
"""Tables of what happened, with the column that orders them."""
_QUERIES = {
    "chat_completions": "SELECT rowid AS rowid_, * FROM chat_completions",
    "events": "SELECT rowid AS rowid_, * FROM events",
    "function_calls": "SELECT rowid AS rowid_, * FROM function_calls",
    "agents": "SELECT * FROM agents",
    "oai_clients": "SELECT * FROM oai_clients",
}


def read_database(source: OpenSource, format: str) -> Iterator[Trace | Problem]:
    """One trace per session, in order of time; a damaged database gives what can be read."""
    tables: dict[str, list[Row]] = {}
    with source.on_disk() as path:
        for table, query in _QUERIES.items():
            try:
                tables[table] = _rows(f"file:{quote(str(path))}?mode=ro&immutable=1", query)
            except sqlite3.Error as error:
                tables[table] = []
                if "no such table" not in str(error):
                    what = f"table {table} cannot be read: {error}"
                    yield source.problem(None, what, do="restore the database")
    yield from _sessions(source, format, tables)


def _sessions(
    source: OpenSource, format: str, tables: dict[str, list[Row]]
) -> Iterator[Trace | Problem]:
    owners = {as_text(row.get("agent_id")): row for row in tables["agents"]}
    sessions = list(dict.fromkeys(as_text(row.get("session_id")) for row in tables["agents"]))
    happened: dict[str, list[tuple[str, Note]]] = {session: [] for session in sessions}
    for table, clock in _STEPS.items():
        for row in tables[table]:
            raw = Raw(record=f"{table}/{row.pop('rowid_')}")
            source.see(raw.record)
            session = as_text(row.get("session_id"))
            if not session:
                owner = owners.get(as_text(row.get("source_id")), {})
                session = as_text(owner.get("session_id")) or (sessions[0] if sessions else "")
            note = (as_text(row.get(clock)), Note(raw, table, row))
            happened.setdefault(session, []).append(note)
    for session, notes in happened.items():
        notes.sort(key=lambda each: each[0])
        mine = [row for row in tables["agents"] if as_text(row.get("session_id")) == session]
        told = [note for _, note in notes]
        yield from read_session(source, format, session, told, mine, tables["oai_clients"])


def _rows(uri: str, query: str) -> list[Row]:
    base = sqlite3.connect(uri, uri=True)  # `immutable` keeps SQLite from writing beside it
    try:
        base.text_factory = lambda data: data.decode("utf-8", "replace")
        base.row_factory = sqlite3.Row
        return [{name: _cell(row[name]) for name in row.keys()} for row in base.execute(query)]  # noqa: SIM118
    except MemoryError:  # SQLite believes the sizes that a broken database states
        raise sqlite3.DatabaseError("a size in it is more than there is memory") from None
    except UnicodeDecodeError as error:  # names of columns, and sqlite's own messages
        raise sqlite3.DatabaseError(f"text that is not UTF-8: {error.reason}") from None
    finally:
        base.close()


def _cell(value: Any) -> Any:
    """A cell as a JSON value: blobs are text of odd columns, infinities are none."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if isinstance(value, float) and not math.isfinite(value) else value
