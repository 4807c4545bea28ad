"""Phoenix span dataframes saved as Parquet. Needs the extra `parquet` (pyarrow)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.readers.phoenix import read_span
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import traces
from tracekit.ingest.spans.attributes import Span
from tracekit.optional import require
from tracekit.trace import Raw, Trace

_COLUMNS = (b"context.span_id", b"context.trace_id", b"openinference.span.kind")


class PhoenixParquet:
    """Reads Parquet files of Phoenix' spans."""

    name: ClassVar[str] = "phoenix-parquet"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the columns are in sight, which stand at the end of the file."""
        if head[:4] != b"PAR1":
            return 0.0
        if any(column in head for column in _COLUMNS):
            return 0.95
        return 0.4 if "span" in name.lower() or "phoenix" in name.lower() else 0.2

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per trace id; raises `MissingExtra` without the extra."""
        yield from traces(source, self.name, _spans(source))


def _spans(source: OpenSource) -> Iterator[Span | Problem]:
    parquet = require("pyarrow.parquet", extra="parquet")
    arrow = require("pyarrow", extra="parquet")
    with source.on_disk() as path:
        try:
            file = parquet.ParquetFile(path)
            names = set(file.schema_arrow.names)
        except (arrow.ArrowException, ValueError, OSError) as error:
            yield source.problem(None, f"not a Parquet file: {str(error)[:200]}")
            return
        with file:
            if not names & {"context.span_id", "span_id", "context"}:
                yield source.skip_file("a table without columns of spans")
                return
            row = 0
            try:
                for batch in file.iter_batches(batch_size=256):
                    for record in _rows(batch, arrow):
                        source.see(key := f"row {row}")
                        raw = Raw(record=key, index=row)
                        row += 1
                        if record is None:
                            yield source.problem(raw, "a time that no calendar holds")
                        else:
                            yield read_span(source, raw, _plain(record))
            except (arrow.ArrowException, ValueError, OSError) as error:
                what = f"the table breaks off after {row} rows: {str(error)[:200]}"
                yield source.problem(None, what)


def _rows(batch: Any, arrow: Any) -> Iterator[dict[str, Any] | None]:
    """The rows of a batch, None for one with a time beyond the calendar of Python.

    Nanoseconds are cut: Python's times have none, and pyarrow refuses those that are not zero.
    """
    for at, field in enumerate(batch.schema):
        if arrow.types.is_timestamp(field.type) and field.type.unit == "ns":
            kind = arrow.timestamp("us", field.type.tz)
            batch = batch.set_column(at, field.name, batch.column(at).cast(kind, safe=False))
    try:
        yield from batch.to_pylist()
    except OverflowError:
        for at in range(batch.num_rows):
            try:
                yield batch.slice(at, 1).to_pylist()[0]
            except OverflowError:
                yield None


def _plain(value: Any) -> Any:
    """Values of Arrow as JSON has them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    return value
