"""The example logs: read without a problem, told about truly, and attributed by the demo."""

import csv
import re
from pathlib import Path

import pytest

from tracekit.errors import Problem
from tracekit.ingest.outcomes import outcomes_from
from tracekit.ingest.pipeline import Ingest
from tracekit.trace import faults

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "datasets" / "examples"
ROW = re.compile(r"^\| `(?P<log>[^`]+)` \| (?P<status>\w+) \| (?P<step>[^|]+) \|", re.MULTILINE)


@pytest.fixture(scope="module")
def traces():
    """The example traces by log, with the outcomes that are told."""
    outcomes = outcomes_from(EXAMPLES / "outcomes.csv")
    ingest = Ingest([EXAMPLES / "logs"])
    found = {}
    for item in ingest:
        assert not isinstance(item, Problem), str(item)
        path = Path(item.source.path).relative_to(EXAMPLES / "logs").as_posix()
        found[path] = outcomes.apply(item)
    assert outcomes.unmatched() == []
    return found


def test_examples_are_whole_and_of_many_formats(traces):
    assert {len(faults(trace)) for trace in traces.values()} == {0}
    assert len({trace.source.format for trace in traces.values()}) >= 5
    assert {trace.outcome.status for trace in traces.values()} == {"success", "failure", "unknown"}


def test_every_question_is_found(traces):
    assert [path for path, trace in traces.items() if not trace.task.question] == []


def test_the_readme_tells_the_truth_about_every_log(traces):
    rows = {m["log"]: m for m in ROW.finditer((EXAMPLES / "README.md").read_text("utf-8"))}
    assert rows.keys() == traces.keys()
    for path, row in rows.items():
        trace = traces[path]
        assert trace.outcome.status == row["status"], path
        if row["step"].strip() != "-":
            step, agent = row["step"].strip().split(", ")
            assert trace.steps[int(step)].agent == agent, path
        else:
            assert trace.outcome.status != "failure", path


def test_logs_that_tell_their_outcome_are_not_in_the_table(traces):
    with (EXAMPLES / "outcomes.csv").open(encoding="utf-8", newline="") as stream:
        told = {row["id"] for row in csv.DictReader(stream)}
    for path, trace in traces.items():
        assert (trace.id in told) == (trace.outcome.by == str(EXAMPLES / "outcomes.csv")), path


def test_the_demo_prints_a_table_and_writes_one_report(run, tmp_path):
    report = tmp_path / "demo.html"
    ran = run("demo", "--html", report)
    assert ran.code == 0
    assert "12 runs: 7 failed, 3 succeeded (not blamed), 2 of unknown outcome" in ran.out
    assert "WaterBudget" in ran.out
    assert str(report) in ran.out.replace("\n", "")
    assert "datasets/examples/README.md" in ran.err
    page = report.read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "WaterBudget_Expert" in page
    assert [path.name for path in tmp_path.iterdir()] == ["demo.html"]


def test_the_demo_is_the_same_every_time(run, tmp_path):
    first = run("demo", "--html", tmp_path / "a.html")
    second = run("demo", "--html", tmp_path / "b.html")
    assert first.out.replace("a.html", "b.html") == second.out
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
