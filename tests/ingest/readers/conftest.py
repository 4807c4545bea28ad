"""Reads small logs written in the tests, and checks what holds for every reader."""

import json

import pytest

from tracekit import registry
from tracekit.ingest.pipeline import read_source
from tracekit.ingest.sniff import sniff
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Trace, faults


@pytest.fixture
def read(tmp_path):
    """`read(format, log, name)` gives (traces, problems); `log` is bytes, text or a JSON value.

    Whatever the log holds: nothing is raised, nothing lost, and traces do not contradict
    themselves. With `sniffed=True` the file must be recognised without being named.
    """

    def read(format, log, name="run.json", *, sniffed=False):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        text = log if isinstance(log, bytes | str) else json.dumps(log)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        source = OpenSource(file, name)
        if sniffed:
            assert sniff(source)[0].name == format
        items = list(read_source(registry.get("readers", format), source))
        traces = [item for item in items if isinstance(item, Trace)]
        problems = [item for item in items if not isinstance(item, Trace)]
        assert [fault for trace in traces for fault in faults(trace)] == []
        assert [p for p in problems if "no step holds it" in p.what or "failed" in p.what] == []
        return traces, problems

    return read


@pytest.fixture
def read_one(read):
    """The only trace of a log that has no problems."""

    def read_one(format, log, name="run.json", *, sniffed=True):
        traces, problems = read(format, log, name, sniffed=sniffed)
        assert [str(problem) for problem in problems if problem.severity == "error"] == []
        (trace,) = traces
        return trace

    return read_one


@pytest.fixture
def speakers():
    """Agents of the steps, in order."""
    return lambda trace: [step.agent for step in trace.steps]
