"""`--set key=value`: options of a method, typed by how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tracekit.errors import UsageError


def parse_settings(
    pairs: Sequence[str] | None, model: str | None = None, repeat: int | None = None
) -> dict[str, Any]:
    """Options by name; a value that is JSON (a number, true, a list) is taken as such.

    Raises `UsageError` for what is not of the form key=value, and for a key given twice.

    >>> parse_settings(["step=3", "name=abc", "deep=true"])
    {'step': 3, 'name': 'abc', 'deep': True}
    """
    found: dict[str, Any] = {}
    short = {"model": model, "repeat": repeat}
    more = [f"{name}={value}" for name, value in short.items() if value is not None]
    for pair in [*(pairs or ()), *more]:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"--set {pair}: not of the form key=value")
        if key in found:
            raise UsageError(f"--set {key} is given twice")
        try:
            found[key] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            found[key] = text
    return found
