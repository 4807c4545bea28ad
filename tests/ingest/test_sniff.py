"""Which reader takes a file, when a long text fills its first bytes."""

import json

import pytest

from tracekit.ingest.peek import abridged, peek
from tracekit.ingest.sniff import surest_of
from tracekit.ingest.sources import OpenSource

LONG = "long \u00e9 \\n" * 20_000
TURN = {"role": "user", "content": LONG}
LANGFUSE = {
    "id": "t", "projectId": "p", "input": {"messages": [TURN]}, "output": None,
    "observations": [{"id": "o", "traceId": "t", "parentObservationId": None, "type": "SPAN"}],
}  # fmt: skip
LANGSMITH = {
    "id": "r", "name": "LangGraph", "inputs": {"messages": [{"type": "human", "content": LONG}]},
    "run_type": "chain", "trace_id": "r", "child_runs": [],
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("log", "format"), [(LANGFUSE, "langfuse-export"), (LANGSMITH, "langsmith")]
)
def test_what_follows_a_long_text_counts(log, format, indent, tmp_path):
    file = tmp_path / "run.json"
    file.write_text(json.dumps(log, indent=indent))
    reader, sure = surest_of(OpenSource(file, "run.json"))
    assert reader.name == format
    assert sure >= 0.85


@pytest.mark.parametrize("ending", ["\\", '"', "\u00e9", "\U0001f600", "\x00", "x"])
@pytest.mark.parametrize("size", range(2040, 2052))
def test_texts_are_cut_where_the_document_stays_whole(ending, size):
    value = {"a": "x" * size + ending * 3000, "b": 1}
    for ascii in (True, False):
        short = abridged(json.dumps(value, ensure_ascii=ascii).encode())
        assert len(short) < 2100
        assert peek(short)["b"] == 1
