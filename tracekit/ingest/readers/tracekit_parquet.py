"""tracekit's own Parquet, one trace a row. Needs the extra `parquet` (pyarrow)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tracekit.errors import Problem, SchemaError
from tracekit.ingest.columns import MARK, from_row
from tracekit.ingest.sources import OpenSource
from tracekit.optional import require
from tracekit.store import decode_trace
from tracekit.trace import Raw, Trace, faults

WHOLE = "trace"
"""Column of a data set of failures that holds the trace as one line of JSON."""


class TracekitParquet:
    """Reads normalised traces from Parquet, as `export traces --to parquet` and `inject` write them."""

    name: ClassVar[str] = "tracekit-parquet"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the first column holds the name of the schema, doubtful of other tables."""
        if head[:4] != b"PAR1":
            return 0.0
        return 1.0 if b"tracekit/trace/" in head else 0.1

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per row; raises `MissingExtra` without the extra."""
        parquet = require("pyarrow.parquet", extra="parquet")
        arrow = require("pyarrow", extra="parquet")
        row = 0
        with source.on_disk() as path:
            try:
                with parquet.ParquetFile(path) as file:
                    if MARK not in (file.schema_arrow.metadata or {}):
                        yield source.skip_file("a table that tracekit did not write")
                        return
                    columns = [WHOLE] if WHOLE in file.schema_arrow.names else None
                    for batch in file.iter_batches(batch_size=16, columns=columns):
                        for record in batch.to_pylist():
                            yield _trace(source, row, record)
                            row += 1
                    if row == 0:
                        yield source.skip_file("the table has no rows")
            except (arrow.ArrowException, ValueError, OSError) as error:
                what = f"the table breaks off after {row} rows: {str(error)[:200]}"
                yield source.problem(None, what, do="write the file again")


def _trace(source: OpenSource, row: int, record: dict[str, object]) -> Trace | Problem:
    source.see(key := f"row {row}")
    raw = Raw(record=key, index=row)
    try:
        whole = record.get(WHOLE)
        trace = decode_trace(whole.encode()) if isinstance(whole, str) else from_row(record)
    except SchemaError as error:
        return source.problem(raw, str(error), do="write the file again")
    if wrong := faults(trace):
        what = f"the trace contradicts itself: {'; '.join(wrong[:3])}"
        return source.problem(raw, what, do="write the file again")
    source.account.settle(key)
    return trace
