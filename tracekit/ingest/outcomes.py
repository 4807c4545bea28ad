"""How runs ended, told by somebody other than their log: a table of outcomes or a check function."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from tracekit import registry
from tracekit.errors import InputError, Problem, UsageError, boundary
from tracekit.ingest.decode import decode_text
from tracekit.trace import Outcome, Status, Trace

Check = Callable[[Trace], Any]
"""Says how a run ended: True (success) or False, a status, an `Outcome`, or None for "as logged"."""

COLUMNS = ("id", "status", "answer", "score", "reason")
"""Columns of a table of outcomes; the first two must be there."""

STATUSES: dict[str, Status] = {
    "success": "success",
    "failure": "failure",
    "unknown": "unknown",
    "true": "success",
    "false": "failure",
}

_TARGET = re.compile(r"[\w.]+:[\w.]+")


class Outcomes:
    """Outcomes from elsewhere, put on traces one by one; keeps the books of what did not fit.

    >>> from tracekit.trace import Source
    >>> outcomes = Outcomes("mine", check=lambda trace: len(trace.steps) > 3)
    >>> outcomes.apply(Trace(id="t", source=Source(format="demo"))).outcome
    Outcome(status='failure', answer=None, score=None, reason=None, by='mine')
    """

    def __init__(
        self, name: str, *, table: dict[str, Outcome] | None = None, check: Check | None = None
    ) -> None:
        self.name = name
        """The file or function; becomes `Outcome.by`."""
        self.problems: list[Problem] = []
        """Traces on which the check failed; they keep the outcome of their log."""
        self._table = table or {}
        self._check = check
        self._used: set[str] = set()

    def apply(self, trace: Trace) -> Trace:
        """The trace with the outcome that is known here; unchanged when none is."""
        found = self._table.get(trace.id) if self._check is None else self._judge(trace)
        if found is None:
            return trace
        self._used.add(trace.id)
        logged = trace.outcome
        merged = Outcome(
            status=found.status,
            answer=logged.answer if found.answer is None else found.answer,
            score=logged.score if found.score is None else found.score,
            reason=found.reason,
            by=found.by or self.name,
        )
        return msgspec.structs.replace(trace, outcome=merged)

    def unmatched(self) -> list[str]:
        """Ids of the table that no trace had so far, in the order of the table."""
        return [id for id in self._table if id not in self._used]

    def _judge(self, trace: Trace) -> Outcome | None:
        assert self._check is not None
        outcome = None
        with boundary(f"check {self.name} failed on {trace.id}", trace.source.path) as failure:
            outcome = as_outcome(self._check(trace))
        if failure.problem is not None:
            self.problems.append(
                msgspec.structs.replace(failure.problem, do="correct the check function")
            )
        return outcome


def outcomes_from(source: str | os.PathLike[str]) -> Outcomes:
    """Outcomes from a file (CSV or JSONL) or a check function (`module:func`).

    A CSV has a header with `id` and `status` (success, failure, unknown, true, false), and may
    have `answer`, `score` and `reason`; a JSONL has objects with these members. A function takes
    a `Trace` and is a `Check`. Raises `InputError` with the line for a bad row, `UsageError` for
    something that is neither, `ContractError` for a function that does not load.
    """
    given = os.fspath(source)
    if Path(given).is_file():
        return Outcomes(given, table=read_table(Path(given)))
    if _TARGET.fullmatch(given):
        check = registry.load(given, "outcome check")
        if not callable(check):
            raise UsageError(f"{given} is not a function")
        return Outcomes(given, check=check)
    raise UsageError(f"{given}: no such file, and not of the form module:function")


def as_outcome(value: Any) -> Outcome | None:
    """What a check returned as an outcome; raises `TypeError` for what is none.

    >>> as_outcome(True).status, as_outcome("failure").status, as_outcome(None)
    ('success', 'failure', None)
    """
    if value is None or isinstance(value, Outcome):
        return value
    if isinstance(value, bool | str) and str(value).lower() in STATUSES:
        return Outcome(status=STATUSES[str(value).lower()])
    raise TypeError(
        f"a check returns a bool, one of {', '.join(STATUSES)}, an Outcome or None, not {value!r}"
    )


def read_table(file: Path) -> dict[str, Outcome]:
    """Outcomes by trace id from a CSV or JSONL file; raises `InputError` with file and line."""
    text = decode_text(file.read_bytes())
    rows = _json_rows(text, file) if text.lstrip().startswith("{") else _csv_rows(text, file)
    table: dict[str, Outcome] = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        id, outcome = _row(row, f"{file}:{line}")
        if id in table:
            raise InputError(f"{file}:{line}: trace {id!r} was in line {lines[id]} already")
        table[id], lines[id] = outcome, line
    return table


def _csv_rows(text: str, file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if not {"id", "status"} <= set(reader.fieldnames or ()):
            raise InputError(f"{file}:1: the header needs the columns id and status")
        for row in reader:
            if None in row:
                raise InputError(f"{file}:{reader.line_num}: more fields than the header has")
            yield reader.line_num, {key: value for key, value in row.items() if value}
    except csv.Error as error:
        raise InputError(f"{file}:{reader.reader.line_num}: not a CSV row: {error}") from None


def _json_rows(text: str, file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise InputError(f"{file}:{number}: not a JSON object: {error}") from None


def _row(row: dict[str, Any], where: str) -> tuple[str, Outcome]:
    unknown = [str(key) for key in row if key not in COLUMNS]
    if unknown:
        raise InputError(f"{where}: unknown column {unknown[0]!r}; known: {', '.join(COLUMNS)}")
    if not row.get("id"):
        raise InputError(f"{where}: the trace id is missing")
    status = STATUSES.get(str(row.get("status", "")).strip().lower())
    if status is None:
        known = ", ".join(STATUSES)
        raise InputError(f"{where}: status {row.get('status')!r} is not one of {known}")
    score = row.get("score")
    try:
        number = None if score is None else float(score)
    except (TypeError, ValueError):
        raise InputError(f"{where}: score {score!r} is not a number") from None
    text = {key: str(row[key]) for key in ("answer", "reason") if row.get(key) is not None}
    return str(row["id"]), Outcome(status=status, score=number, **text)
