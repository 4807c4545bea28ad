"""`tracekit discover` from logs to tables, JSON, a page and GraphML."""

import json

import pytest

from tracekit.replay.sandbox.system import Sandbox
from tracekit.store import write_traces

pytest.importorskip("causallearn")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Eight tasks of a chain, run fifteen times each."""
    sandbox = Sandbox("arithmetic", "chain", skill=0.85)
    tasks = sandbox.tasks(seed=5)
    runs = [
        sandbox.run(task, seed) for task in (next(tasks) for _ in range(8)) for seed in range(15)
    ]
    path = tmp_path_factory.mktemp("discover") / "runs.jsonl"
    write_traces(runs, path)
    return path


def test_tables(run, logs, tmp_path):
    page, graph = tmp_path / "g.html", tmp_path / "g.graphml"
    few = ("--halves", "4", "--shuffles", "2")
    done = run("discover", logs, *few, "--html", page, "--graphml", graph)
    assert done.code == 0
    assert "120 runs" in done.out
    assert "failures, points" in done.out
    assert "In shuffled data" in done.out
    assert page.read_text().startswith("<!doctype html>")
    assert "<graphml" in graph.read_text()
    assert "wrote" in done.err


def test_json(run, logs):
    few = ("--halves", "3", "--shuffles", "1", "--quiet", "--json")
    done = run("discover", logs, *few)
    said = json.loads(done.out)
    assert said["runs"] == 120
    assert {node["name"] for node in said["nodes"]} >= {"failure", "time"}
    assert all(0 <= link["stability"] <= 1 for link in said["links"])
    assert done.err == ""
    assert run("discover", logs, *few).out == done.out


def test_outcomes_from_a_table(run, logs, tmp_path):
    table = tmp_path / "outcomes.csv"
    ids = [json.loads(line)["id"] for line in logs.read_text().splitlines()]
    ends = ("success" if k % 15 else "failure" for k in range(len(ids)))
    table.write_text("id,status\n" + "".join(f"{i},{e}\n" for i, e in zip(ids, ends, strict=True)))
    done = run(
        "discover", logs, "--outcome-from", table, "--halves", "2", "--shuffles", "0", "--json"
    )
    assert json.loads(done.out)["failures"] == 8


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--algorithm", "magic"), "none of cd-nod"),
        (("--test", "magic"), "none of covariance"),
        (("--alpha", "2"), "alpha lies between"),
        (("--variant", "abc"), "no group"),
        (("--variant", "("), "--variant ("),
    ],
)
def test_what_cannot_be_asked_is_said(run, logs, options, says):
    done = run("discover", logs, *options)
    assert done.code == 2
    assert says in done.err
    assert done.out == ""


def test_too_few_runs_are_said(run, logs, tmp_path):
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(logs.read_text().splitlines()[:10]) + "\n")
    done = run("discover", few)
    assert done.code == 3
    assert "it takes 30" in done.err
