"""The fields of a trace by name: what an export keeps, and in words what it loses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tracekit.trace import Source, Step, Trace

_SPLIT = {"source": Source, "steps": Step}

FIELDS: tuple[str, ...] = tuple(
    name if inner is None else f"{name}.{inner}"
    for name in Trace.__struct_fields__
    for inner in (_SPLIT[name].__struct_fields__ if name in _SPLIT else (None,))
)
"""Every field of a trace; those of its source and of its steps one by one: `steps.content`."""

ALL = frozenset(FIELDS)
"""What a lossless format keeps."""

POINTERS = frozenset({"source.format", "source.path", "source.sha256", "steps.raw"})
"""What says where a trace came from: in another file these name that file."""

_WORDS = {
    "source.format": "the format that the trace was first read from",
    "source.path": "the path of the original log",
    "source.sha256": "the hash of the original log",
    "steps.raw": "where each step lies in the original log",
}


def losses(trace: Trace, keeps: frozenset[str]) -> list[str]:
    """In words, what of a trace does not survive where only the fields `keeps` do.

    >>> trace = Trace(id="t", source=Source(format="demo", path="run.json"))
    >>> losses(trace, ALL - {"source.path", "steps.raw"})
    ['the path of the original log (source.path)']
    """
    gone = [name for name in FIELDS if name not in keeps and _holds(trace, name)]
    return [f"{_WORDS.get(name, 'the values')} ({name})" for name in gone]


def _holds(trace: Trace, name: str) -> bool:
    """Whether the trace says anything in that field."""
    outer, _, inner = name.partition(".")
    value = getattr(trace, outer)
    if not inner:
        return bool(value)
    holders = value if outer == "steps" else (value,)
    return any(getattr(holder, inner) not in (None, (), {}, "") for holder in holders)


def subset(trace: Trace, keeps: Iterable[str]) -> dict[str, Any]:
    """The named fields as plain values, to compare two traces by.

    >>> subset(Trace(id="t", source=Source(format="demo")), ["id", "source.format"])
    {'id': 't', 'source.format': 'demo'}
    """
    found: dict[str, Any] = {}
    for name in keeps:
        outer, _, inner = name.partition(".")
        value = getattr(trace, outer)
        if outer == "steps":
            value = [getattr(step, inner) for step in value]
        elif inner:
            value = getattr(value, inner)
        found[name] = msgspec.to_builtins(value)
    return found
