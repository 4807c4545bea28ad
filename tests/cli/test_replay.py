"""`tracekit sandbox run` and `tracekit replay`: runs made, changed and compared."""

import json

from tracekit.store import read_traces

SYSTEM = ("--system", "tracekit.replay.sandbox.system:Sandbox")


def made(run, tmp_path, *more):
    out = tmp_path / "runs.jsonl"
    done = run("sandbox", "run", "--n", "6", "--seed", "2", "-o", str(out), *more)
    assert done.code == 0, done.err
    return out, done


def test_runs_are_written_and_counted(run, tmp_path):
    out, done = made(run, tmp_path, "--family", "tables", "--topology", "debate", "--json")
    traces = list(read_traces(out))
    summary = json.loads(done.out)
    assert summary["runs"] == len(traces) == 6
    assert summary["steps"] == sum(len(trace.steps) for trace in traces)
    assert summary["successes"] == sum(not trace.failed for trace in traces)
    before = out.read_bytes()
    made(run, tmp_path, "--family", "tables", "--topology", "debate")
    assert out.read_bytes() == before


def test_a_run_replayed_unchanged_is_the_run(run, tmp_path):
    out, _ = made(run, tmp_path)
    trace = list(read_traces(out))[1]
    seed = str(trace.extra["sandbox"]["seed"])
    done = run(
        "replay", str(out), *SYSTEM, "--run", trace.id, "--step", "2", "--seed", seed, "--json"
    )
    assert done.code == 0, done.err
    assert done.out.rstrip("\n").encode() == out.read_bytes().splitlines()[1]


def test_a_message_is_replaced_and_compared(run, tmp_path):
    out, _ = made(run, tmp_path, "--skill", "1")
    trace = next(read_traces(out))
    last = str(trace.steps[-1].index)
    where = ("replay", str(out), *SYSTEM, "--run", trace.id, "--step", last)
    done = run(*where, "--message", "The final answer is 7.", "--json")
    assert json.loads(done.out)["outcome"]["answer"] == "7"
    effect = json.loads(
        run(*where, "--message", "The final answer is 7.", "--times", "12", "--json").out
    )
    assert (effect["rate_with"], effect["rate_without"], effect["n"]) == (0, 1, 12)
    assert effect["high"] < 0


def test_arguments_of_a_call_are_replaced(run, tmp_path):
    out, _ = made(run, tmp_path, "--family", "retrieval")
    trace = next(read_traces(out))
    step = next(step.index for step in trace.steps if step.kind == "tool_call")
    where = ("replay", str(out), *SYSTEM, "--run", trace.id, "--step", str(step), "--json")
    done = run(*where, "--arguments", '{"query": ""}')
    answer = json.loads(done.out)["steps"][step + 1]
    assert answer["tools"][0]["error"] == "search failed: the query is empty"
    assert run(*where, "--arguments", "{").code == 2


def test_what_cannot_be_replayed_is_said(run, tmp_path):
    out, _ = made(run, tmp_path)
    trace = next(read_traces(out))
    several = run("replay", str(out), *SYSTEM, "--step", "0")
    assert (several.code, several.out) == (2, "")
    assert "there are 6" in several.err
    where = ("replay", str(out), "--run", trace.id)
    assert run(*where, *SYSTEM, "--step", "99").code == 2
    assert run(*where, *SYSTEM, "--step", "0", "--times", "3").code == 2
    assert run(*where, "--system", "json:nothing", "--step", "0").code == 4
    assert run("sandbox", "run", "--family", "poetry", "-o", str(tmp_path / "x")).code == 2
