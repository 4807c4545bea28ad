"""Verdicts as scores of Langfuse, by its public API.

A score that is sent again with its id and its timestamp replaces itself there; both are hashes and
times of the judged run, so they never change. Probabilities are numeric scores on observations,
the agent to blame is a categorical score on the trace.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from tracekit.errors import UsageError
from tracekit.export.verdicts.judged import Note, Pair, judged, notes
from tracekit.export.verdicts.otel import flat
from tracekit.protocols import Post
from tracekit.report.explain import explain
from tracekit.report.machine import json_bytes

HOME = "langfuse-export"
"""Logs in this format have Langfuse's own ids, which need not be OpenTelemetry's."""
BATCH = 100
"""Scores in one request."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Langfuse:
    """Scores of observations and traces as Langfuse's public API takes them, by id."""

    name: ClassVar[str] = "langfuse"
    suffix: ClassVar[str] = ".jsonl"

    def encode(self, pairs: Sequence[Pair]) -> bytes:
        """One score a line."""
        return b"".join(json_bytes(score) + b"\n" for score in _scores(pairs))

    def posts(self, pairs: Sequence[Pair]) -> Iterator[Post]:
        """Batches of scores."""
        scores = _scores(pairs)
        for start in range(0, len(scores), BATCH):
            body = json_bytes(scores[start : start + BATCH])
            yield Post(path="/api/public/scores", body=body)

    def headers(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The keys in `LANGFUSE_PUBLIC_KEY` and `LANGFUSE_SECRET_KEY`; raises `UsageError`."""
        keys = [environ.get(f"LANGFUSE_{which}_KEY") for which in ("PUBLIC", "SECRET")]
        if None in keys:
            raise UsageError("set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY to send to Langfuse")
        token = base64.b64encode(":".join(map(str, keys)).encode()).decode()
        return {"Authorization": f"Basic {token}"}


def _scores(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    return [
        _score(note)
        for one in judged(pairs)
        for note in notes(one, explain(one.trace, one.verdict), HOME)
    ]


def _score(note: Note) -> dict[str, Any]:
    numeric = note.where.span is not None
    instant = _EPOCH + timedelta(microseconds=note.where.time // 1_000)
    return {
        "id": note.id,
        "traceId": note.where.trace,
        **({"observationId": note.where.span} if numeric else {}),
        "name": note.name,
        "value": note.score if numeric else note.label,
        "dataType": "NUMERIC" if numeric else "CATEGORICAL",
        "comment": note.explanation,
        "metadata": flat(note),
        "timestamp": instant.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
