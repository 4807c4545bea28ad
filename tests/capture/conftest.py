"""Traces that live capture wrote, read back and checked."""

import pytest

from tracekit.store import read_traces
from tracekit.trace import faults


@pytest.fixture
def out(tmp_path):
    """Where traces are written."""
    return tmp_path / "traces.jsonl"


@pytest.fixture
def written(out):
    """`written()` gives the traces in the file, none of which contradicts itself."""

    def read():
        traces = list(read_traces(out)) if out.exists() else []
        assert [fault for trace in traces for fault in faults(trace)] == []
        return traces

    return read
