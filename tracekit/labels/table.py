"""Labels as people keep them: a CSV or JSONL of rows, each checked on its own.

A bad row becomes a `Problem` that says where it is, what is wrong and what to do; the rest of the
file goes on. Whether a row fits its trace is a question for `tracekit.labels.join`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from tracekit.errors import InputError, Problem
from tracekit.ingest.decode import decode_text
from tracekit.labels.modes import mode_codes
from tracekit.trace import Definition

COLUMNS = ("trace", "agent", "step", "modes", "definition", "annotator", "reason")
"""Columns of a table of labels; `trace` and `definition` must be there."""
DEFINITIONS: tuple[Definition, ...] = get_args(Definition)
"""What a label may mean."""
LARGEST = 256 * 2**20
"""Bytes of a file of labels."""
LONGEST = 10_000
"""Characters of one value."""


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one annotator says of one run."""

    trace: str
    """Id of the trace."""
    definition: Definition
    """What the label means; labels of different definitions are never pooled."""
    agent: str | None = None
    """The agent blamed, by name; None = the agent of the step, or nobody."""
    step: int | None = None
    """The step blamed, counted from 0; None = no single step."""
    modes: tuple[str, ...] = ()
    """Codes: `FM-1.1` to `FM-3.3` as in MAST, `AT-1` to `AT-3` for attacks."""
    annotator: str = ""
    """Who labelled it; empty = not said."""
    reason: str | None = None
    """Why, in the annotator's words."""
    path: str = ""
    """File that the row stands in; not part of the file itself."""
    line: int = 0
    """Line of the row, from 1."""

    def problem(self, what: str, do: str) -> Problem:
        """An error that points at this row."""
        return Problem(what=what, path=self.path, line=self.line, do=do)


class Bad(ValueError):
    """What is wrong with a row, and what to do."""

    def __init__(self, what: str, do: str) -> None:
        super().__init__(what)
        self.do = do


def read_rows(file: Path, base: int = 0) -> Iterator[Row | Problem]:
    """The rows of a file, good and bad, in its order; `base` is what it counts the first step as.

    Raises `InputError` when the file as a whole cannot be used: it is missing, too large, or a CSV
    without the columns that are needed.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file of labels")
    if file.stat().st_size > LARGEST:
        raise InputError(f"{file}: larger than {LARGEST // 2**20} MiB; split it")
    text = decode_text(file.read_bytes())
    rows = _json_rows(text) if text.lstrip().startswith("{") else _csv_rows(text, file)
    for line, values in rows:
        try:
            if isinstance(values, Bad):
                raise values
            yield parse(values, base, path=str(file), line=line)
        except Bad as bad:
            yield Problem(what=str(bad), path=str(file), line=line, do=bad.do)


def parse(values: dict[str, Any], base: int = 0, *, path: str = "", line: int = 0) -> Row:
    """One row from its values by column; raises `Bad`.

    >>> row = parse({"trace": "t1", "step": "3", "modes": "1.3; 3.1", "definition": "decisive"}, 1)
    >>> row.step, row.modes
    (2, ('FM-1.3', 'FM-3.1'))
    """
    given = {key: value for key, value in values.items() if value not in (None, "", [])}
    for key in given:
        if key not in COLUMNS:
            raise Bad(f"unknown column {key[:40]!r}", f"known are {', '.join(COLUMNS)}")
    texts = {key: _text(given, key) for key in ("trace", "agent", "annotator", "reason")}
    if not texts["trace"]:
        raise Bad("the trace id is missing", "fill in `trace`; `tracekit show LOGS` lists the ids")
    row = Row(
        trace=texts["trace"],
        definition=_definition(given.get("definition")),
        agent=texts["agent"],
        step=_step(given.get("step"), base),
        modes=_modes(given.get("modes", [])),
        annotator=texts["annotator"] or "",
        reason=texts["reason"],
        path=path,
        line=line,
    )
    if row.agent is None and row.step is None and row.definition != "outcome-only":
        raise Bad("neither an agent nor a step is blamed", "fill in `step`, `agent` or both")
    return row


def _csv_rows(text: str, file: Path) -> Iterator[tuple[int, dict[str, Any] | Bad]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    if not {"trace", "definition"} <= set(header) or len(set(header)) != len(header):
        raise InputError(
            f"{file}:1: the header needs the columns trace and definition, each once, "
            f"with commas between them; known are {', '.join(COLUMNS)}"
        )
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, Bad(f"not a CSV row: {error}", "quote the value")
            continue
        if len(cells) > len(header):
            yield line, Bad("more fields than the header has", "quote values that hold a comma")
        elif any(cells):
            yield line, dict(zip(header, cells, strict=False))


def _json_rows(text: str) -> Iterator[tuple[int, dict[str, Any] | Bad]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            yield number, Bad(f"not a JSON object: {error}", "write one object per line")


def _text(given: dict[str, Any], key: str) -> str | None:
    value = given.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Bad(f"{key} is not text", f"write {key} as a string")
    text = str(value).strip()
    if len(text) > LONGEST:
        raise Bad(f"{key} is longer than {LONGEST:,} characters", "shorten it")
    return text or None


def _definition(value: Any) -> Definition:
    for known in DEFINITIONS:
        if value == known:
            return known
    what = (
        "the definition is missing" if value is None else f"unknown definition {str(value)[:40]!r}"
    )
    raise Bad(what, f"one of {', '.join(DEFINITIONS)}")


def _step(value: Any, base: int) -> int | None:
    if value is None:
        return None
    text = "" if isinstance(value, bool) else str(value).strip()
    whole = re.fullmatch(r"(-?\d{1,9})(\.0+)?", text)  # a column with gaps leaves pandas as 1.0
    if whole is None or (isinstance(value, str) and text.startswith("-")):
        raise Bad(f"step {str(value)[:40]!r} is not a whole number", f"steps count from {base}")
    step = int(whole[1]) - base
    if step < 0:
        raise Bad(f"step {whole[1]} lies before the first one", f"steps count from {base}")
    return step


def _modes(value: Any) -> tuple[str, ...]:
    parts = re.split(r"[;,|]", value) if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise Bad("modes are not text", "write codes with `;` between them, or a list of strings")
    try:
        return mode_codes(part for part in parts if part.strip())
    except ValueError as unknown:
        raise Bad(
            f"unknown mode {str(unknown)[:40]!r}",
            "known are FM-1.1 to FM-3.3 as in MAST, and AT-1 to AT-3",
        ) from None
