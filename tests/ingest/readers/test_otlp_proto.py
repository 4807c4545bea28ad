"""OTLP protobuf: whole, in prefixed messages, cut, and without the library."""

import sys
from pathlib import Path

import pytest

from tracekit.errors import MissingExtra
from tracekit.ingest.pipeline import Ingest

GARDEN = (Path(__file__).parents[2] / "fixtures" / "otlp-proto" / "garden.pb").read_bytes()


def check(trace):
    assert trace.id == bytes(range(1, 17)).hex()
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("Gardener", "tool_call"), ("Gardener", "tool_result"), ("Gardener", "message"),
    ]  # fmt: skip
    assert trace.steps[0].usage.input_tokens == 20
    assert trace.steps[1].tool.error == "probe 7 does not answer"


def test_a_whole_message(read_one):
    check(read_one("otlp-proto", GARDEN, "garden.pb"))


def test_messages_with_their_sizes_and_one_that_is_cut(read_as):
    size = len(GARDEN).to_bytes(4, "big")
    traces, problems = read_as(
        "otlp-proto", size + GARDEN + size + GARDEN[:99], "g.pb", sniffed=True
    )
    check(traces[0])
    assert ["breaks off" in p.what for p in problems] == [True]


def test_a_cut_message_is_reported(read_as):
    traces, problems = read_as("otlp-proto", GARDEN[:-5], "garden.pb")
    assert (traces, [p.severity for p in problems]) == ([], ["error"])


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.trace.v1.trace_pb2", None)
    (tmp_path / "g.pb").write_bytes(GARDEN)
    with pytest.raises(MissingExtra, match="otlp"):
        list(Ingest([tmp_path / "g.pb"]))
