"""Parquet, one trace a row, for data sets and tables. Needs the extra `parquet` (pyarrow)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from tracekit.errors import UsageError
from tracekit.export.fields import ALL
from tracekit.ingest.columns import MARK, Shape, shape, to_row
from tracekit.optional import require
from tracekit.store import atomic
from tracekit.trace import SCHEMA, Trace

GROUP_ROWS = 256
"""Most traces in a row group."""
GROUP_CHARACTERS = 16 * 1024**2
"""Text of steps after which a row group is closed: a writer holds one group in memory."""


class Parquet:
    """One trace a row with fixed columns, for `datasets`, DuckDB and pandas."""

    name: ClassVar[str] = "parquet"
    suffix: ClassVar[str] = ".parquet"
    keeps: ClassVar[frozenset[str]] = ALL

    def losses(self, trace: Trace) -> list[str]:
        """Nothing."""
        return []

    def write(self, traces: Iterable[Trace], out: Path) -> int:
        """One row per trace; raises `MissingExtra` without the extra."""
        arrow = require("pyarrow", extra="parquet")
        parquet = require("pyarrow.parquet", extra="parquet")
        columns = [(name, _type(arrow, kind)) for name, kind in shape().items()]
        schema = arrow.schema(columns, metadata={MARK: SCHEMA})
        count = 0
        with (
            atomic(out) as stream,
            parquet.ParquetWriter(stream, schema, compression="zstd") as writer,
        ):
            for group in _groups(traces):
                try:
                    table = arrow.Table.from_pylist([to_row(trace) for trace in group], schema)
                except (arrow.ArrowException, OverflowError) as error:
                    ids = f"{group[0].id} to {group[-1].id}"
                    raise UsageError(f"traces {ids} do not fit into a table: {error}") from error
                writer.write_table(table)
                count += len(group)
        return count


def _groups(traces: Iterable[Trace]) -> Iterator[list[Trace]]:
    group: list[Trace] = []
    characters = 0
    for trace in traces:
        group.append(trace)
        characters += sum(len(step.content) for step in trace.steps)
        if len(group) >= GROUP_ROWS or characters >= GROUP_CHARACTERS:
            yield group
            group, characters = [], 0
    if group:
        yield group


def _type(arrow: Any, shape: Shape) -> Any:
    """The Arrow type of a shape."""
    if isinstance(shape, dict):
        return arrow.struct([(name, _type(arrow, inner)) for name, inner in shape.items()])
    if isinstance(shape, list):
        return arrow.list_(_type(arrow, shape[0]))
    return getattr(arrow, "string" if shape == "json" else shape)()
