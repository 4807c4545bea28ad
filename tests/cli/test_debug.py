"""`tracekit debug`: from failed runs to findings and a measured repair."""

import html
import json
import re

import msgspec
import pytest

from tracekit.analyzers.intervene.diagnose import Plan, diagnose
from tracekit.analyzers.intervene.types import Session
from tracekit.context import Context
from tracekit.replay.sandbox.system import Sandbox
from tracekit.report import interventions
from tracekit.report.interventions_html import render
from tracekit.stats import Estimate
from tracekit.store import encode, read_traces
from tracekit.testing.chat_server import ChatServer, Reply
from tracekit.testing.traces import make_trace
from tracekit.trace import Outcome

SYSTEM = ("--system", "tracekit.replay.sandbox.system:Sandbox")
QUICK = ("--method", "last-speaker", "--times", "8")


@pytest.fixture
def runs(sandbox_runs):
    return sandbox_runs(6)


def test_failures_are_debugged_and_a_repair_is_measured(run, runs):
    done = run("debug", runs, *SYSTEM, *QUICK, "--fresh", "8")
    assert done.code == 0, done.err
    failed = sum(trace.failed for trace in read_traces(runs))
    assert f"{failed} failures: a correction flips" in done.out
    assert "On 8 fresh tasks" in done.out
    assert re.search(r"a random repair +\d+ %", done.out)
    assert max(map(len, done.out.splitlines())) <= 100


def test_one_run_is_shown_in_full(run, runs):
    trace = next(trace for trace in read_traces(runs) if trace.failed)
    done = run("debug", runs, *SYSTEM, *QUICK, "--run", trace.id, "--fresh", "0")
    assert done.code == 0, done.err
    assert "Right as they are: steps" in done.out
    assert "Its effect was not measured" in done.out
    assert "No repair" not in done.out
    none = run("debug", runs, *SYSTEM, *QUICK, "--run", trace.id, "--fresh", "0", "--budget", "1")
    assert "No repair: nothing was validated" in none.out
    assert "Its effect" not in none.out


def test_a_judge_suspects_the_steps(run, runs, tmp_path, no_proxy):
    """Its model is that of --model; the store of the calls makes it do without a server."""

    def answer(call):
        agent = re.search(r'^1\. "(.*)"', call.prompt, re.MULTILINE)[1]
        return Reply(text=json.dumps({"reason": "a guess", "agent": agent, "step": 1}))

    failed = next(trace for trace in read_traces(runs) if trace.failed)
    asked = ["debug", runs, *SYSTEM, "--run", failed.id, "--times", 2, "--fresh", 0, "--json"]
    asked += ["-m", "judge:all-at-once", "--model", "m", "--correction", "system"]
    with ChatServer(answer) as server:
        done = run(*asked, "--llm", server.url, "--cache", tmp_path / "calls.db")
        assert (done.code, len(server.calls)) == (0, 1), done.err
    (found,) = json.loads(done.out)["diagnoses"]
    tested = [one["hypothesis"]["step"] for one in found.get("tested", ())]
    assert 1 in {*found.get("right", ()), *tested}
    assert "abstained" not in found
    again = run(*asked, "--replay", tmp_path / "calls.db")
    told, same = json.loads(again.out), json.loads(done.out)
    assert same["config"].pop("llm") in server.url
    assert told == same
    assert "--llm" in run(*asked).err


def test_json_is_the_session_and_the_same_every_time(run, runs):
    first = run("debug", runs, *SYSTEM, *QUICK, "--fresh", "4", "--json", "--quiet")
    assert (first.code, first.err) == (0, "")
    session = json.loads(first.out)
    assert session["schema"] == "tracekit/debug/1"
    assert session["replays"] == sum(one["replays"] for one in session["diagnoses"])
    assert session["rounds"][0]["gain"]["n"] == 4
    assert run("debug", runs, *SYSTEM, *QUICK, "--fresh", "4", "--json", "--quiet") == first


def test_a_budget_is_kept(run, runs):
    done = run("debug", runs, *SYSTEM, *QUICK, "--budget", "5", "--fresh", "0", "--json")
    assert all(one["replays"] <= 5 for one in json.loads(done.out)["diagnoses"])


def test_a_system_without_repairs_is_debugged_all_the_same(run, runs, tmp_path, monkeypatch):
    (tmp_path / "plain_team.py").write_text(
        "from tracekit.replay.sandbox.system import Sandbox\n"
        "class Team:\n"
        "    def __init__(self):\n"
        "        team = Sandbox()\n"
        "        self.run, self.checkpoints = team.run, team.checkpoints\n"
        "        self.resume, self.check = team.resume, team.check\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    done = run("debug", runs, "--system", "plain_team:Team", "-m", "random", "--times", "8")
    assert done.code == 0, done.err
    assert "failures: a correction flips" in done.out
    assert "fresh tasks " not in done.out.split("Hypotheses")[0]


def test_what_cannot_be_debugged_is_said(run, runs, logs, tmp_path):
    unknown = run("debug", logs, *SYSTEM, *QUICK, "--fresh", "0")
    assert unknown.code == 0
    assert "neither log nor system say" in unknown.err
    stranger = make_trace("other", [("A", "x")], outcome=Outcome(status="failure"))
    (tmp_path / "other.jsonl").write_bytes(encode(stranger) + b"\n")
    others = run("debug", tmp_path / "other.jsonl", *SYSTEM, *QUICK, "--fresh", "0", "--json")
    (one,) = json.loads(others.out)["diagnoses"]
    assert "cannot be resumed" in one["abstained"]
    assert run("debug", runs, *SYSTEM, "--run", "nobody").code == 3
    assert run("debug", runs, *SYSTEM, "--method", "intervene").code == 2
    assert run("debug", runs, *SYSTEM, "--correction", "prayer").code == 2
    assert run("debug", runs, "--system", "json:nothing").code == 4
    good = tmp_path / "good.jsonl"
    run("sandbox", "run", "--n", "2", "--skill", "1", "-o", str(good))
    assert "0 failures" in run("debug", good, *SYSTEM).out


def test_the_page_is_inert_and_complete(run, runs, tmp_path):
    page = tmp_path / "debug.html"
    done = run("debug", runs, *SYSTEM, *QUICK, "--fresh", "4", "--html", page)
    assert done.code == 0, done.err
    text = html.unescape(page.read_text())
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert text.count('<section class="run-part">') == sum(t.failed for t in read_traces(runs))
    assert "On 4 fresh tasks" in text


def test_hostile_words_stay_words():
    system = Sandbox()
    every = (system.run(task, n) for n, task in enumerate(system.tasks(5)))
    trace = next(trace for trace in every if trace.failed)
    found = diagnose(trace, system, Context(), Plan(method="last-speaker", n=8))
    evil = "<img src=x onerror=alert(1)>\x1b[31m\u202e"
    steps = tuple(msgspec.structs.replace(step, content=evil) for step in trace.steps)
    agents = tuple(msgspec.structs.replace(agent, name=evil) for agent in trace.agents)
    hostile = msgspec.structs.replace(trace, steps=steps, agents=agents)
    session = Session(
        system=evil, settings={"method": evil, "n": 8, "delta": 0.25}, seed=0,
        diagnoses=(found,), flipped=Estimate(1, 0, 1), findings={}, replays=1,
    )  # fmt: skip
    page = render(session, {trace.id: hostile})
    assert "<img" not in page
    assert "&lt;img" in page
    view = interventions.shown(hostile, found)
    assert "\x1b" not in str(view)
    assert "\u202e" not in str(view)


def test_the_page_has_no_errors_in_a_browser(run, runs, tmp_path, browser):
    page = tmp_path / "debug.html"
    run("debug", runs, *SYSTEM, *QUICK, "--fresh", "0", "--html", page)
    browser.get(page.as_uri())
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= browser.execute_script("return window.innerWidth")
