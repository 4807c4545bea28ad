"""Verdicts as annotations of Arize Phoenix, by its REST API.

`identifier` makes them idempotent there: a second annotation of one name and identifier on a span
replaces the first. The spans must have arrived before; Phoenix refuses annotations of others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tracekit.export.verdicts.judged import Note, Pair, judged, notes
from tracekit.export.verdicts.openinference import kind
from tracekit.export.verdicts.otel import flat, hex_trace
from tracekit.protocols import Post
from tracekit.report.explain import explain
from tracekit.report.machine import json_bytes

BATCH = 100
"""Annotations in one request."""


class Phoenix:
    """Annotations of spans and traces as Phoenix's REST API takes them, by identifier."""

    name: ClassVar[str] = "phoenix"
    suffix: ClassVar[str] = ".jsonl"

    def encode(self, pairs: Sequence[Pair]) -> bytes:
        """One annotation a line."""
        lines = [line for both in _annotations(pairs) for line in both]
        return b"".join(json_bytes(line) + b"\n" for line in lines)

    def posts(self, pairs: Sequence[Pair]) -> Iterator[Post]:
        """The annotations of spans, then those of traces, in batches; answered when stored."""
        for path, found in zip(("span", "trace"), _annotations(pairs), strict=True):
            for start in range(0, len(found), BATCH):
                body = json_bytes({"data": found[start : start + BATCH]})
                yield Post(path=f"/v1/{path}_annotations?sync=true", body=body)

    def headers(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The key in `PHOENIX_API_KEY`, if there is one."""
        key = environ.get("PHOENIX_API_KEY")
        return {"Authorization": f"Bearer {key}"} if key else {}


def _annotations(pairs: Sequence[Pair]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Annotations of spans, and of traces."""
    found: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for one in judged(pairs):
        for note in notes(one, explain(one.trace, one.verdict)):
            found[note.where.span is None].append(_annotation(note))
    return found


def _annotation(note: Note) -> dict[str, Any]:
    result: dict[str, Any] = {"label": note.label, "explanation": note.explanation}
    if note.score is not None:
        result["score"] = note.score
    span = note.where.span
    return {
        "name": note.name,
        "annotator_kind": kind(note),
        **({"trace_id": hex_trace(note.where.trace)} if span is None else {"span_id": span}),
        "result": result,
        "metadata": flat(note),
        "identifier": note.id,
    }
