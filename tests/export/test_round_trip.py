"""What an exporter says it keeps comes back when tracekit reads the file; the rest is told."""

import importlib.util
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

import tracekit as tk
from tracekit import registry
from tracekit.export.fields import ALL, FIELDS, POINTERS, subset
from tracekit.ingest.pipeline import Ingest
from tracekit.testing.traces import edge_traces
from tracekit.trace import Raw

_place = Path(__file__).parents[1] / "strategies.py"
_spec = importlib.util.spec_from_file_location("trace_strategies", _place)
strategies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strategies)

EXPORTERS = sorted(registry.BUILT_IN["exporters"])


@pytest.fixture(params=EXPORTERS)
def exporter(request):
    return registry.get("exporters", request.param)


def read_again(exporter, written):
    """The traces of an export as any tracekit reads them, sniffed, with no problem on the way."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / f"out{exporter.suffix}"
        assert exporter.write(written, out) == len(written)
        ingest = Ingest([out])
        found = list(ingest.traces())
        assert [p for f in ingest.files for p in f.problems if p.severity != "skip"] == []
        return found


@settings(max_examples=100, deadline=None)
@given(trace=strategies.traces())
def test_what_is_kept_comes_back(trace):
    for name in EXPORTERS:  # drawing a trace takes longer than writing it five times
        exporter = registry.get("exporters", name)
        (found,) = read_again(exporter, [trace])
        assert subset(found, exporter.keeps) == subset(trace, exporter.keeps), name


def test_many_traces_come_back(exporter):
    written = edge_traces()
    found = sorted(read_again(exporter, written), key=lambda trace: trace.id)
    expected = sorted(written, key=lambda trace: trace.id)
    assert [subset(t, exporter.keeps) for t in found] == [
        subset(t, exporter.keeps) for t in expected
    ]


def test_runs_of_one_id_stay_apart(exporter):
    one, other = edge_traces()[:2]
    other = tk.Trace(id=one.id, source=other.source, agents=other.agents, steps=other.steps)
    found = read_again(exporter, [one, other])
    assert sorted(len(trace.steps) for trace in found) == [len(one.steps), len(other.steps)]


def test_the_same_traces_give_the_same_bytes(exporter, tmp_path):
    def written(place):
        exporter.write(edge_traces(), place)
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        return [file.read_bytes() for file in files]

    assert written(tmp_path / f"a{exporter.suffix}") == written(tmp_path / f"b{exporter.suffix}")


def test_everything_is_kept_or_named_as_lost(exporter):
    source = tk.Source("demo", "run.json", sha256="0" * 64)
    step = tk.Step(0, "A", raw=(Raw("/0"),))
    trace = tk.Trace(id="t", source=source, agents=(tk.Agent("A", "A"),), steps=(step,))
    told = " ".join(exporter.losses(trace))
    assert exporter.keeps <= ALL == set(FIELDS)
    assert {field for field in FIELDS if f"({field})" in told} == ALL - exporter.keeps
    bare = tk.Trace(id="t", source=tk.Source(""))
    assert exporter.losses(bare) == []


def test_only_pointers_are_lost(exporter):
    assert ALL - exporter.keeps <= POINTERS


def test_a_failed_export_leaves_nothing(exporter, tmp_path):
    def breaking():
        yield edge_traces()[0]
        raise RuntimeError("the disk is on fire")

    with pytest.raises(RuntimeError):
        exporter.write(breaking(), tmp_path / f"out{exporter.suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
def test_real_traces_come_back(exporter, data):
    real = {trace.id: trace for trace in tk.load(data / "samples")}
    assert len(real) > 100
    for found in read_again(exporter, list(real.values())):
        assert subset(found, exporter.keeps) == subset(real[found.id], exporter.keeps)
