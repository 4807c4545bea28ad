"""Verdicts for programs: JSON lines, the same bytes for the same verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tracekit.attribution import Attribution
from tracekit.report.explain import explain
from tracekit.trace import Trace


def verdict_record(
    trace: Trace, attribution: Attribution, *, top: int | None = None
) -> dict[str, Any]:
    """A verdict as JSON value: the Attribution without wall time, plus what it is about.

    Added keys: `explanation` (`report.explain`), `outcome` (status), `source` (path, format) and
    `steps` (how many the trace has). The record still decodes as an `Attribution`. `top` keeps
    that many suspects.
    """
    cost = msgspec.structs.replace(attribution.cost, seconds=None)
    suspects = attribution.suspects[:top]
    kept = msgspec.structs.replace(attribution, cost=cost, suspects=suspects)
    record: dict[str, Any] = msgspec.to_builtins(kept)
    record["explanation"] = explain(trace, attribution)
    record["outcome"] = trace.outcome.status
    record["source"] = {"path": trace.source.path, "format": trace.source.format}
    record["steps"] = len(trace.steps)
    return record


def verdict_lines(
    pairs: Iterable[tuple[Trace, Attribution]], *, top: int | None = None
) -> Iterator[bytes]:
    """Each verdict as one line of JSON with its line end, lazily and in order."""
    for trace, attribution in pairs:
        yield json_bytes(verdict_record(trace, attribution, top=top)) + b"\n"


def json_bytes(value: Any) -> bytes:
    """JSON on one line; half surrogates, as in file names that are not UTF-8, become `?`.

    >>> json_bytes({"path": "a\\udcff"})
    b'{"path":"a?"}'
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")
