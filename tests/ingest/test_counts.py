"""Readers against counting scripts that do not know tracekit, over every real file."""

import importlib.util
import os
from pathlib import Path

import pytest

from tracekit.ingest.pipeline import Ingest
from tracekit.trace import Trace, faults

SCRIPTS = sorted((Path(__file__).parents[1] / "counting").glob("*.py"))
DATA = Path(os.environ.get("TRACEKIT_DATA", "/nonexistent"))


def load(script):
    spec = importlib.util.spec_from_file_location(f"counting_{script.stem}", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COUNTING = {script.stem: load(script) for script in SCRIPTS}
CASES = [
    pytest.param(module, path, id=f"{name}-{path.name}")
    for name, module in COUNTING.items()
    for pattern in module.FILES
    for path in sorted(DATA.glob(pattern))
]


def test_scripts_do_not_import_tracekit():
    for script in SCRIPTS:
        code = script.read_text()
        assert "import tracekit" not in code, script
        assert "from tracekit" not in code, script


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(COUNTING))
def test_every_script_has_files(name, data):
    assert any(True for pattern in COUNTING[name].FILES for _ in data.glob(pattern)), name


@pytest.mark.data
@pytest.mark.parametrize(("module", "path"), CASES)
def test_reader_agrees_with_count(module, path, data):
    ingest = Ingest([path])
    items = list(ingest)
    traces = [item for item in items if isinstance(item, Trace)]
    (report,) = ingest.files
    assert report.format == module.FORMAT
    lost = [p for p in report.problems if "no step holds it" in p.what]
    assert lost == []
    assert report.records == module.records(path)
    expected = module.expected(path)
    assert len(traces) == len(expected)
    for trace, want in zip(traces, expected, strict=True):
        assert faults(trace) == []
        assert [step.agent for step in trace.steps] == want["speakers"]
        assert want["task"].strip() in trace.task.question
        called = [c.name for s in trace.steps for c in s.tools if s.kind != "tool_result"]
        assert called == want["tools"]
        assert trace.outcome.status == want["outcome"]
        if "agents" in want:
            assert sorted(agent.id for agent in trace.agents) == want["agents"]
        if "labels" in want:
            assert [(label.agent, label.step) for label in trace.labels] == want["labels"]
