"""Phoenix spans in Parquet: typed columns, other tables, broken files."""

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

GARDEN = (
    Path(__file__).parents[2] / "fixtures" / "phoenix-parquet" / "garden.parquet"
).read_bytes()


def test_a_table_of_spans(read_one):
    trace = read_one("phoenix-parquet", GARDEN, "spans.parquet")
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("Gardener", "message"), ("Gardener", "tool_call"), ("Gardener", "final"),
    ]  # fmt: skip
    first, probe, _ = trace.steps
    assert (first.time.seconds, first.usage.input_tokens) == (2.0, 20)
    assert (probe.tool.arguments, probe.tool.error) == ({"bed": "beans"}, "probe 7 does not answer")
    assert [raw.record for raw in first.raw] == ["row 1"]


def test_another_table_is_skipped_with_a_reason(read_as, tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "t")
    traces, problems = read_as("phoenix-parquet", (tmp_path / "t").read_bytes(), "t.parquet")
    assert (traces, [p.severity for p in problems]) == ([], ["skip"])


@pytest.mark.parametrize("damage", [lambda d: d[:-9], lambda d: d[:300] + b"\0" * 99 + d[399:]])
def test_a_broken_file_is_reported(damage, read_as):
    _, problems = read_as("phoenix-parquet", damage(GARDEN), "spans.parquet")
    assert [p.severity for p in problems][-1:] == ["error"]
