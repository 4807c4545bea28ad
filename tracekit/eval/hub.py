"""Benchmarks from the Hugging Face Hub: rows of a data set, as the file that a reader expects."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tracekit.errors import InputError, UsageError
from tracekit.optional import require

SCHEME = "hub:"
"""What a place on the Hub begins with: `hub:ORG/NAME` or `hub:ORG/NAME@REVISION`."""


def is_hub(data: str | os.PathLike[str]) -> bool:
    """Whether the data lie on the Hub.

    >>> is_hub("hub:someone/runs"), is_hub("runs")
    (True, False)
    """
    return os.fspath(data).startswith(SCHEME)


@contextmanager
def located(data: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of the data: as given, or a file of rows that is gone afterwards.

    Raises `UsageError` for a place that is not of the form, `MissingExtra` without the `datasets`
    library, `InputError` when the data set cannot be loaded.
    """
    place = os.fspath(data)
    if not is_hub(place):
        yield Path(place)
        return
    with tempfile.TemporaryDirectory(prefix="tracekit-") as folder:
        file = Path(folder) / "rows.jsonl"
        with file.open("wb") as stream:
            for row in rows(place):
                stream.write(msgspec.json.encode(row) + b"\n")
        yield file


def rows(place: str) -> Iterator[dict[str, Any]]:
    """The rows of every split, in order, without the members that a row does not have.

    The part after `hub:` may be a local folder of files that the `datasets` library reads, too.
    """
    name, _, revision = place.removeprefix(SCHEME).partition("@")
    if not name:
        raise UsageError(f"--data {place}: expected {SCHEME}ORG/NAME or {SCHEME}ORG/NAME@REVISION")
    library = require("datasets", extra="train")
    library.disable_progress_bars()
    try:
        found = library.load_dataset(name, revision=revision or None)
        for split in found:
            for row in found[split]:
                yield present(row)
    except Exception as error:  # the library raises whatever its backends raise
        what = f"{type(error).__name__}: {str(error)[:300]}"
        raise InputError(f"{place}: the data set cannot be loaded: {what}") from error


def present(value: Any) -> Any:
    """The value without members that are None: columns give every row the members of all.

    >>> present({"a": 1, "b": None, "c": [{"d": None}]})
    {'a': 1, 'c': [{}]}
    """
    if isinstance(value, dict):
        return {key: present(item) for key, item in value.items() if item is not None}
    return [present(item) for item in value] if isinstance(value, list) else value
