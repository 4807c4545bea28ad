"""`tracekit retry`: failed tasks tried again with feedback, against plain retries."""

import json

import pytest

from tracekit.store import read_traces

SYSTEM = ("--system", "tracekit.replay.sandbox.system:Sandbox")


@pytest.fixture
def runs(run, tmp_path):
    out = tmp_path / "runs.jsonl"
    done = run("sandbox", "run", "--n", "12", "--seed", "5", "-o", str(out))
    assert done.code == 0, done.err
    return out


def test_failed_tasks_are_tried_again_beside_plain_retries(run, runs, tmp_path):
    out = tmp_path / "attempts.jsonl"
    done = run("retry", runs, *SYSTEM, "--method", "last-speaker", "-o", out)
    assert done.code == 0, done.err
    failed = [trace for trace in read_traces(runs) if trace.failed]
    assert all(trace.id in done.out for trace in failed)
    assert "solved with last-speaker" in done.out
    assert "difference after 3:" in done.out
    assert max(map(len, done.out.splitlines())) <= 100
    made = list(read_traces(out))
    assert len(failed) < len(made) <= 4 * len(failed)
    assert {trace.task.id for trace in made} == {trace.task.id for trace in failed}


def test_json_is_the_same_every_time_and_counts_what_it_lists(run, runs):
    asked = ("retry", runs, *SYSTEM, "--from", "step", "--rounds", "2", "--json", "--quiet")
    first = run(*asked)
    assert (first.code, first.err) == (0, "")
    told = json.loads(first.out)
    assert (told["schema"], told["method"], told["start"]) == (
        "tracekit/retry/1",
        "compact",
        "step",
    )
    ends = [one["solved"][-1] for one in told["runs"]]
    assert told["solved"][-1]["value"] == pytest.approx(sum(ends) / len(ends))
    gap = told["solved"][-1]["value"] - told["plain"][-1]["value"]
    assert told["gain"]["value"] == pytest.approx(gap)
    assert run(*asked).out == first.out


def test_without_failures_there_is_nothing_to_try(run, tmp_path):
    out = tmp_path / "fine.jsonl"
    run("sandbox", "run", "--n", "2", "--skill", "1", "-o", str(out))
    done = run("retry", out, *SYSTEM)
    assert (done.code, done.out) == (0, "")
    assert "none of the runs failed" in done.err


def test_methods_that_replay_by_themselves_are_refused(run, runs):
    done = run("retry", runs, *SYSTEM, "--method", "intervene")
    assert done.code == 2
    assert "feedback comes from a method that needs one log" in done.err
