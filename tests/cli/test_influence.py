"""`tracekit influence`: what it prints, as tables and as JSON."""

import json

import pytest

from tracekit.store import encode
from tracekit.testing.traces import HOSTILE, make_trace
from tracekit.trace import Outcome, Step, Task


@pytest.fixture
def runs(tmp_path):
    """Two runs: in one a code is passed over, in the other it is used; and a hostile one."""
    asked = Task("What opens the vault?", id="vault")
    lost = [
        Step(0, "Reader", content="the vault code is 8153, amber shelf", to="Clerk"),
        Step(1, "Clerk", content="nothing came my way today", to="Boss"),
        Step(2, "Boss", kind="final", content="Final answer: no code today"),
    ]
    used = [
        lost[0],
        Step(1, "Clerk", content="vault code 8153", to="Boss"),
        Step(2, "Boss", kind="final", content="Final answer: 8153"),
    ]
    made = [
        make_trace("lost", lost, task=asked),
        make_trace("used", used, task=asked, outcome=Outcome("success")),
        make_trace("odd", [(HOSTILE, HOSTILE), ("B", HOSTILE)], task=asked),
        make_trace("empty", [], task=asked),
    ]
    path = tmp_path / "runs.jsonl"
    path.write_bytes(b"".join(encode(trace) + b"\n" for trace in made))
    return path


@pytest.fixture
def goals(tmp_path):
    path = tmp_path / "goals.json"
    goals = [
        {"name": "code", "pattern": r"code is \d+"},
        {"name": "told", "pattern": r"answer: \d"},
    ]
    path.write_text(json.dumps(goals))
    return path


def test_one_run_in_detail(run, runs, goals):
    done = run("influence", runs, "--trace", "lost", "--subgoals", goals)
    assert done.code == 0
    assert "lost (of a failed run), answer in step 2" in done.out
    assert "step 0 by Reader: step 1 by Clerk rests on it by 0%" in done.out
    assert "Sub-goals: 1 of 2, none after step 0" in done.out
    assert "Influence is not harm" in done.err


def test_many_runs_and_the_team(run, runs, goals):
    done = run("influence", runs, "--subgoals", goals)
    lines = done.out.splitlines()
    assert "progress" in lines[0]
    assert any(line.startswith("used") and "2 of 2" in line for line in lines)
    team = next(line for line in lines if line.startswith("Reader"))
    assert "2 " in team
    assert "Clerk" in done.out
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out


def test_json_lines(run, runs, goals):
    done = run("influence", runs, "--json", "--quiet", "--subgoals", goals)
    found = [json.loads(line) for line in done.out.splitlines()]
    assert done.err == ""
    assert [one["trace_id"] for one in found] == ["lost", "used", "odd"]
    assert [one["outcome"] for one in found[:2]] == ["failure", "success"]
    assert found[0]["ignored"][0]["step"] == 0
    assert found[0]["milestones"]["stalled"] == 0
    assert sum(sum(row) for row in found[1]["grid"].values()) == pytest.approx(1, abs=1e-4)
    again = run("influence", runs, "--json", "--quiet", "--subgoals", goals)
    assert again.out == done.out


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--measure", "charm"], "known are overlap, embedding, model"),
        (["--measure", "model"], "go together"),
        (["--measure", "overlap", "--model", "x"], "go together"),
        (["--trace", "nobody"], "no trace has the id 'nobody'"),
        (["--trace", "empty"], "no trace has the id 'empty'"),
        (["--subgoals", "/nonexistent"], "wanted a JSON list"),
        (["--format", "nonsense"], "nonsense"),
    ],
)
def test_usage_errors(run, runs, options, why):
    done = run("influence", runs, *options)
    assert done.code == 2
    assert why in done.err


def test_nothing_to_say_anything_about(run, tmp_path):
    path = tmp_path / "empty.jsonl"
    path.write_bytes(encode(make_trace("empty", [])) + b"\n")
    done = run("influence", path)
    assert done.code == 3
    assert "no trace with a step" in done.err


def test_vectors_as_a_measure(run, runs):
    done = run("influence", runs, "--measure", "embedding", "--json", "--quiet")
    assert {json.loads(line)["measure"] for line in done.out.splitlines()} == {"embedding"}
