"""Every record of every log is the source of a step, merged into one, or skipped with a reason."""

import importlib.util
import os
from pathlib import Path

import pytest

from tracekit import registry
from tracekit.errors import Problem
from tracekit.ingest.pipeline import Ingest, read_source
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Trace, faults

_spec = importlib.util.spec_from_file_location(
    "reader_faults", Path(__file__).with_name("faults.py")
)
fault = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fault)

DATA = Path(os.environ.get("TRACEKIT_DATA", "/nonexistent"))
REAL = [
    path
    for part in ("samples", "labeled")
    for path in sorted((DATA / part).rglob("*"))
    if path.is_file() and path.name != "SOURCE.md"
]
NAMED = {
    "agenterrorbench-gaia": "agenterrorbench",
    "mast-masft": "mast",
    "tracertraj-code-test": "tracertraj",
    "deerflow_replay_github-top-trending-repo.txt": "langgraph-sse",
    "deerflow_replay_review-of-the-professional.txt": "langgraph-sse",
    "kagent_evalset_k8s.json": "google-adk",
    "kagent_jaeger_k8s.json": "jaeger",
    "smoltrace_mistral_traces.json": "smoltrace",
    "smoltrace_mistral_results.json": None,  # read with the traces beside it
}
"""Files and folders whose format is not called like the folder."""


def label(path):
    return str(path.relative_to(DATA if path.is_relative_to(DATA) else fault.FIXTURES))


def checked(path):
    """Traces of a file whose every record is accounted for."""
    ingest = Ingest([path])
    items = list(ingest)
    traces = [item for item in items if isinstance(item, Trace)]
    for report in ingest.files:
        lost = [p for p in report.problems if "no step holds it" in p.what or "failed:" in p.what]
        assert lost == []
        assert report.traces or report.problems
        assert all(problem.what for problem in report.problems)
        assert report.skipped <= report.records
    assert [found for trace in traces for found in faults(trace)] == []
    return ingest.files, traces


@pytest.mark.data
@pytest.mark.parametrize("path", REAL, ids=label)
def test_real_log(path, data):
    reports, traces = checked(path)
    assert all(step.raw for trace in traces for step in trace.steps)
    assert sum(report.records for report in reports) or not traces


@pytest.mark.data
@pytest.mark.parametrize("path", REAL, ids=label)
def test_format_is_what_the_folder_says(path, data):
    folder = path.relative_to(DATA).parts[1]
    (report, *_), _ = checked(path)
    assert report.format == NAMED.get(path.name, NAMED.get(folder, folder))


@pytest.mark.parametrize("path", fault.LOGS, ids=label)
def test_fixture(path):
    (report, *_), _ = checked(path)
    assert report.format == fault.reader_of(path)


def test_a_record_that_a_reader_forgets_is_told():
    """The account itself: a reader that drops a record is found out."""

    class Forgetful:
        name = "forgetful"

        def read(self, source):
            for line in source.lines():
                if line.number != 2:
                    yield source.skip(line.raw, "no step")

    path = fault.FIXTURES / "tracekit" / "traces.jsonl"
    problems = list(read_source(Forgetful(), OpenSource(path, path.name)))
    assert [p.line for p in problems if isinstance(p, Problem) and p.severity == "error"] == [2]


def test_every_reader_has_fixtures():
    assert {fault.reader_of(path) for path in fault.LOGS} == set(registry.BUILT_IN["readers"])
