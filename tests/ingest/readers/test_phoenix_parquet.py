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


def test_times_in_nanoseconds_and_beyond_the_calendar(read_as, tmp_path):
    table = pyarrow.parquet.read_table(pyarrow.BufferReader(GARDEN))
    at = table.schema.get_field_index("start_time")
    kind = pyarrow.timestamp("us", "UTC")
    fine = pyarrow.array(
        [1767225600000000123 + i for i in range(4)], pyarrow.timestamp("ns", "UTC")
    )
    pyarrow.parquet.write_table(table.set_column(at, "start_time", fine), tmp_path / "fine")
    (trace,), _ = read_as("phoenix-parquet", (tmp_path / "fine").read_bytes(), "spans.parquet")
    assert trace.steps[0].time.start == pytest.approx(1767225600)
    far = pyarrow.array([2**62, *[1767225600000000] * 3], kind)
    pyarrow.parquet.write_table(table.set_column(at, "start_time", far), tmp_path / "far")
    (trace,), problems = read_as(
        "phoenix-parquet", (tmp_path / "far").read_bytes(), "spans.parquet"
    )
    assert [(p.record, p.severity) for p in problems if p.record == "row 0"] == [("row 0", "error")]
    assert trace.steps
