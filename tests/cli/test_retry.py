"""`tracekit retry`: failed tasks tried again with feedback, against plain retries."""

import json
import re
import threading

import pytest

from tracekit.attribution import Attribution, Method, Suspect
from tracekit.llm.tokens import estimate
from tracekit.store import read_traces
from tracekit.testing.chat_server import ChatServer, Reply

SYSTEM = ("--system", "tracekit.replay.sandbox.system:Sandbox")


@pytest.fixture
def runs(sandbox_runs):
    return sandbox_runs(12)


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
    assert (told["schema"], told["start"]) == ("tracekit/retry/1", "step")
    assert (told["method"]["name"], told["failed"]) == ("compact", 0)
    assert told["method"]["version"]
    assert told["failures"] == len(told["runs"])
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
    told = json.loads(run("retry", out, *SYSTEM, "--json").out)
    assert (told["runs"], told["solved"], told["plain"], told["gain"]) == ([], [], [], None)
    assert told["failures"] == 0


JUDGE = ("--method", "judge:all-at-once", "--model", "m", "--rounds", "1", "--most", "3")


def test_a_judge_that_never_answers_gives_no_feedback(run, runs):
    asked = ("retry", runs, *SYSTEM, *JUDGE, "--llm", "http://localhost:9/v1", "--retries", "0")
    done = run(*asked, "--json", "--quiet")
    assert done.code == 3
    assert "the judgement failed" in done.err
    told = json.loads(done.out)
    assert told["failed"] == 3
    for one in told["runs"]:
        assert one["advice"] == [None]
        assert "the judgement failed" in one["failed"][0]
    assert told["gain"]["value"] == 0  # they are retries without advice, and count as such
    shown = run(*asked)
    assert shown.code == 3
    assert shown.out.count("judgement failed\n") == 3
    assert "nobody" not in shown.out
    assert "3 of 3 judgements failed" in shown.out


def test_a_budget_that_ends_half_way_is_told(run, runs, no_proxy):
    def answer(call):
        agent = re.search(r'^1\. "(.*)"', call.prompt, re.MULTILINE)[1]
        said = json.dumps({"reason": "a guess", "agent": agent, "step": 1})
        sent = "".join(message["content"] for message in call.body["messages"])
        return Reply(text=said, usage=(estimate(sent), estimate(said)))

    with ChatServer(answer) as server:
        asked = ("retry", runs, *SYSTEM, *JUDGE, "--llm", server.url, "--concurrency", "1",
                 "--set", "max_tokens=60", "--json")  # fmt: skip
        none = json.loads(run(*asked, "--max-tokens-total", "1").out)["runs"][0]["failed"][0]
        (needed,) = re.findall(r"may need (\d+)", none)
        done = run(*asked, "--max-tokens-total", needed)
        assert len(server.calls) == 1
    assert done.code == 3
    first, *others = (one["failed"][0] for one in json.loads(done.out)["runs"])
    assert first is None
    assert all("BudgetExceeded" in why and why in done.err for why in others)


def test_runs_are_judged_at_once_and_one_that_breaks_loses_no_other(run, runs, monkeypatch):
    gate = threading.Barrier(3)

    class Picky:
        name, needs = "picky", frozenset({"trace", "llm"})

        def attribute(self, trace, context):
            gate.wait(timeout=20)  # passed by three at once alone
            if trace.id == failed[1].id:
                raise ValueError("not this one")
            top = Suspect(trace.steps[0].agent, 0, 1.0)
            return Attribution(trace.id, Method("picky", model="m-1"), (top,))

    failed = [trace for trace in read_traces(runs) if trace.failed]
    monkeypatch.setattr("tracekit_cli.commands.retry.choose", lambda *_: (Picky(), {}))
    done = run("retry", runs, *SYSTEM, "--llm", "http://localhost:9/v1", "--rounds", "1",
               "--most", "3", "--concurrency", "3", "--json")  # fmt: skip
    assert done.code == 3
    told = json.loads(done.out)
    assert [one["failed"][0] is None for one in told["runs"]] == [True, False, True]
    assert "ValueError: not this one" in told["runs"][1]["failed"][0]
    assert told["method"] == {"name": "picky", "model": "m-1"}


def test_that_not_all_failures_are_taken_up_is_said(run, runs):
    count = sum(trace.failed is True for trace in read_traces(runs))
    done = run("retry", runs, *SYSTEM, "--most", "1", "--rounds", "1", "--json")
    assert f"1 of {count} failed runs are taken up (--most)" in done.err
    assert json.loads(done.out)["failures"] == count
    done = run("debug", runs, *SYSTEM, "--most", "1", "--fresh", "0", "--budget", "2", "--json")
    assert f"1 of {count} failed runs are taken up (--most)" in done.err
    assert json.loads(done.out)["config"]["budget"] == 2


def test_the_configuration_is_kept(run, runs):
    asked = ("retry", runs, *SYSTEM, "--method", "constant", "--rounds", "1", "--json", "-q")
    one, other = (json.loads(run(*asked, "--set", f"step={n}").out) for n in (0, 2))
    assert one["config"]["set"] == ["step=0"]
    assert one["config"]["rounds"] == 1
    assert one["config"]["most"] == 20
    assert "logs" not in one["config"]
    assert one["method"]["settings"] != other["method"]["settings"]


def test_methods_that_replay_by_themselves_are_refused(run, runs):
    done = run("retry", runs, *SYSTEM, "--method", "intervene")
    assert done.code == 2
    assert "feedback comes from a method that needs one log" in done.err
