"""Reads small logs written in the tests, and checks what holds for every reader."""

import json

import msgspec
import pytest

from tracekit.errors import Problem
from tracekit.ingest.pipeline import FileReport, Ingest
from tracekit.trace import Trace, faults


class Got(msgspec.Struct):
    """What a reader made of a log."""

    traces: list[Trace]
    problems: list[Problem]
    report: FileReport

    @property
    def trace(self):
        """The only trace."""
        (trace,) = self.traces
        return trace

    @property
    def steps(self):
        """Agent, kind and content of every step of the only trace."""
        return [(step.agent, step.kind, step.content) for step in self.trace.steps]


@pytest.fixture
def read(tmp_path):
    """`read(log, name, format)`; `log` is bytes, text or a JSON value, sniffed without `format`.

    Whatever the log holds: nothing is raised, no record is lost, no trace contradicts itself.
    """

    def read(log, name="run.json", format=None):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        text = log if isinstance(log, bytes | str) else json.dumps(log)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        ingest = Ingest([file], formats=[format] if format else None)
        items = list(ingest)
        traces = [item for item in items if isinstance(item, Trace)]
        problems = [item for item in items if isinstance(item, Problem)]
        assert [fault for trace in traces for fault in faults(trace)] == []
        assert [p for p in problems if "no step holds it" in p.what or "failed:" in p.what] == []
        return Got(traces, problems, ingest.files[0])

    return read


@pytest.fixture
def jsonl():
    """The objects as JSON Lines."""
    return lambda *items: "".join(json.dumps(item) + "\n" for item in items)


@pytest.fixture
def read_as(read):
    """`read_as(format, log, name)` gives (traces, problems); `sniffed` asks to be recognised."""

    def read_as(format, log, name="run.json", *, sniffed=False):
        got = read(log, name, None if sniffed else format)
        assert not sniffed or got.report.format == format
        return got.traces, got.problems

    return read_as


@pytest.fixture
def read_one(read_as):
    """The only trace of a log that is recognised and has no problems but skips and warnings."""

    def read_one(format, log, name="run.json"):
        traces, problems = read_as(format, log, name, sniffed=True)
        assert [str(problem) for problem in problems if problem.severity == "error"] == []
        (trace,) = traces
        return trace

    return read_one


@pytest.fixture
def speakers():
    """Agents of the steps, in order."""
    return lambda trace: [step.agent for step in trace.steps]
