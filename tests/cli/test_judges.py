"""`tracekit attribute` and `eval` with judges, before a real server on loopback."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tracekit.store import write_traces
from tracekit.testing.chat_server import ChatServer, Reply
from tracekit.testing.judges import Oracle, planted_run
from tracekit.testing.traces import make_trace
from tracekit.trace import Label, Task

_path = Path(__file__).parents[1] / "eval" / "layouts.py"
_spec = importlib.util.spec_from_file_location("judges_layouts", _path)
layouts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(layouts)

RUNS = [planted_run(number, number % 7) for number in range(100, 120)]
JUDGE = ("--method", "judge:all-at-once", "--model", "m")


@pytest.fixture(autouse=True)
def directly(no_proxy):
    """Every test here talks to servers on loopback."""


@pytest.fixture
def traces(tmp_path):
    path = tmp_path / "runs.jsonl"
    write_traces(RUNS, path)
    return path


@pytest.fixture
def oracle():
    with ChatServer(Oracle(RUNS)) as server:
        yield server


def verdicts(ran):
    assert ran.code == 0, ran.err
    return [json.loads(line) for line in ran.out.splitlines()]


def steps(lines):
    return [line["suspects"][0]["step"] for line in lines]


def test_every_run_gets_its_verdict_in_order(run, traces, oracle):
    ran = run("attribute", traces, *JUDGE, "--llm", oracle.url, "--json")
    lines = verdicts(ran)
    assert [line["trace_id"] for line in lines] == [trace.id for trace in RUNS]
    assert steps(lines) == [trace.labels[0].step for trace in RUNS]
    assert all(line["cost"]["calls"] == 1 and line["cost"]["tokens"] > 100 for line in lines)
    assert "20 calls answered, 0 from the store, 0 failed" in ran.err


def test_runs_are_judged_at_once(run, traces):
    truth = Oracle(RUNS)

    def slow(call):
        return Reply(text=truth(call).text, delay=0.1)

    with ChatServer(slow) as server:
        one = run("attribute", traces, *JUDGE, "--llm", server.url, "--json", "--concurrency", 5)
    assert 2 <= server.peak <= 5
    assert steps(verdicts(one)) == [trace.labels[0].step for trace in RUNS]


def test_repeats_agree(run, traces, oracle):
    ran = run("attribute", traces, *JUDGE, "--llm", oracle.url, "--json", "--repeat", 3)
    assert all(line["votes"] == {"asked": 3, "step": 3, "agent": 3} for line in verdicts(ran))
    table = run("attribute", traces, *JUDGE, "--llm", oracle.url, "--repeat", 3, "--top", 1)
    assert "of 3 judgements 3 name this step, 3 this agent" in table.out


def test_a_cache_asks_only_what_is_new(run, traces, oracle, tmp_path):
    said = [
        run(
            "attribute", traces, *JUDGE, "--llm", oracle.url, "--json", "--cache", tmp_path / "c.db"
        )
        for _ in range(2)
    ]
    assert said[0].out == said[1].out
    assert len(oracle.calls) == len(RUNS)
    assert "20 from the store" in said[1].err


def test_record_and_replay_without_a_server(run, traces, oracle, tmp_path):
    store = tmp_path / "calls.db"
    first = run("attribute", traces, *JUDGE, "--llm", oracle.url, "--json", "--record", store)
    again = run("attribute", traces, *JUDGE, "--llm", oracle.url, "--json", "--replay", store)
    assert again.out == first.out
    bare = verdicts(run("attribute", traces, *JUDGE, "--json", "--replay", store))
    for one, other in zip(bare, verdicts(first), strict=True):
        assert other["config"].pop("llm") == oracle.url.removesuffix(
            "/v1"
        )  # who answered; the rest is the same
        assert one == other
    assert len(oracle.calls) == len(RUNS)


def test_what_was_never_recorded_has_failed(run, traces, oracle, tmp_path):
    store = tmp_path / "calls.db"
    run("attribute", traces, *JUDGE, "--llm", oracle.url, "--json", "--record", store)
    other = run("attribute", traces, *JUDGE, "--json", "--replay", store, "--seed", 1)
    assert other.code == 3
    assert all("NotRecorded" in json.loads(line)["abstained"] for line in other.out.splitlines())
    assert "20 judgements failed" in other.err


def test_caps_hold_over_several_starts(run, traces, oracle, tmp_path):
    """Each start goes on where the cap stopped the one before; what is left out is told."""
    asked = ["attribute", traces, *JUDGE, "--llm", oracle.url, "--json"]
    asked += ["--cache", tmp_path / "c.db", "--max-tokens-total", 12_000]
    first, second = run(*asked), run(*asked)
    assert first.code == second.code == 3
    failed = [line for line in map(json.loads, first.out.splitlines()) if line.get("failed")]
    assert 0 < len(failed) < len(RUNS)
    assert all("BudgetExceeded" in line["abstained"] for line in failed)
    assert first.out.count("\n") == len(RUNS)
    used = [
        re.search(r"failed; ([\d,]+) tokens", ran.err)[1].replace(",", "")
        for ran in (first, second)
    ]
    assert sum(map(int, used)) <= 12_000


def test_dollars_need_a_price(run, traces, oracle):
    asked = ["attribute", traces, *JUDGE, "--llm", oracle.url, "--json", "--max-cost", "1"]
    assert "--price" in run(*asked).err
    lines = verdicts(run(*asked, "--price", "2,10"))
    assert all(line["cost"]["money"] > 0 for line in lines)
    assert run(*asked, "--price", "two").code == 2


@pytest.mark.parametrize("two", [("--cache", "--replay"), ("--record", "--replay")])
def test_stores_exclude_each_other(run, traces, tmp_path, two):
    ran = run("attribute", traces, *JUDGE, *(x for name in two for x in (name, tmp_path / "c.db")))
    assert ran.code == 2
    assert "only one" in ran.err


def test_a_broken_judgement_is_told_and_the_rest_goes_on(run, traces):
    truth = Oracle(RUNS)

    def broken(call):
        return Reply(text="no idea") if "105 spiders" in str(call.body) else truth(call)

    with ChatServer(broken) as server:
        ran = run("attribute", traces, *JUDGE, "--llm", server.url, "--json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 3
    assert [line["trace_id"] for line in lines if line.get("failed")] == ["run-105"]
    assert "run-105: InvalidAnswer" in ran.err.replace("the judgement failed: ", "")
    assert "1 judgement failed" in ran.err


def test_killed_and_started_again_nothing_is_lost_or_paid_twice(traces, oracle, tmp_path, run):
    """kill -9 in the middle: the second start asks for what is missing, and for nothing else."""
    store = tmp_path / "c.db"
    asked = ["attribute", str(traces), *JUDGE, "--llm", oracle.url, "--json"]
    asked += ["--cache", str(store), "--concurrency", "2"]
    code = "import sys; from tracekit_cli.entry import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *asked], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while len(oracle.calls) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = len(oracle.calls)
    assert before >= 5
    ran = run(*asked)
    assert steps(verdicts(ran)) == [trace.labels[0].step for trace in RUNS]
    stored = int(re.search(r"(\d+) from the store", ran.err)[1])
    assert stored + len(oracle.calls) - before == len(RUNS)
    assert len(oracle.calls) <= len(RUNS) + 2  # only the two under way can be asked twice


@pytest.fixture
def benchmark(tmp_path):
    """Eight runs in the layout of Who&When, and an oracle for them."""
    runs = []
    for i in range(8):
        names = ["human", "A", "B", "A"]
        layouts.who_and_when(tmp_path, f"r{i}", f"Where is {i}?", names, 1 + i % 3)
        label = Label("decisive", names[1 + i % 3], 1 + i % 3)
        said = [(name, "") for name in names]
        runs.append(make_trace(f"r{i}", said, task=Task(f"Where is {i}?"), labels=(label,)))
    with ChatServer(Oracle(runs)) as server:
        yield tmp_path, server, Oracle(runs)


def rows(ran):
    assert ran.code == 0, ran.err
    return {row["method"]: row for row in json.loads(ran.out)["rows"] if row["subset"] == "all"}


EVAL = ("eval", "who-and-when", "--folds", 2, "--model", "m", "--json")


def test_judges_on_a_leaderboard(run, benchmark):
    data, server, _ = benchmark
    names = "judge:all-at-once,judge:step-by-step,first-error"
    ran = run(*EVAL, "--data", data, "-m", names, "--llm", server.url)
    board = rows(ran)
    assert {"constant", "uniform", "first-speaker"} <= set(board)
    for name in names.split(",")[:2]:
        assert board[name]["cells"]["joint"]["value"] == 1.0
        assert (board[name]["failed"], board[name]["abstained"], board[name]["n"]) == (0, 0, 8)
        assert board[name]["cost"]["calls"] >= 8
    assert board["first-error"]["cost"] is None
    assert "calls answered" in ran.err
    shown = run(*EVAL[:-1], "--data", data, "-m", "judge:all-at-once", "--llm", server.url).out
    assert "`judge:all-at-once`: 8 calls, " in shown


def test_parse_failures_count_as_wrong_and_are_counted(run, benchmark, tmp_path):
    data, _, truth = benchmark

    def broken(call):
        return Reply(text="0123456789") if "| Where is 3?" in str(call.body) else truth(call)

    cases = tmp_path / "cases.jsonl"
    with ChatServer(broken) as server:
        asked = ["-m", "judge:all-at-once", "--llm", server.url, "--cases", cases]
        row = rows(run(*EVAL, "--data", data, *asked))["judge:all-at-once"]
    assert (row["failed"], row["cells"]["step"]["value"], row["n"]) == (1, 0.875, 8)
    broke = [case for case in map(json.loads, cases.read_text().splitlines()) if case.get("failed")]
    assert len(broke) == 1
    assert "InvalidAnswer" in broke[0]["failed"]


def test_an_evaluation_with_a_model_is_reproduced_from_its_record(run, benchmark, tmp_path):
    data, server, _ = benchmark
    store, manifest = tmp_path / "calls.db", tmp_path / "manifest.json"
    asked = ["--data", data, "-m", "judge:a2p", "--llm", server.url]
    rows(run(*EVAL, *asked, "--record", store, "--manifest", manifest))
    assert run("reproduce", manifest, "--data", data, "--replay", store).code == 0
    assert "--llm" in run("reproduce", manifest, "--data", data).err


def test_a_judge_needs_a_server(run, benchmark):
    data, _, _ = benchmark
    ran = run("eval", "who-and-when", "--data", data, "-m", "judge:a2p")
    assert ran.code == 2
    assert "--llm" in ran.err


def test_the_annotator_is_scored_by_its_modes(run, tmp_path):
    """MAST labels whole runs: no step and no agent is right or wrong, modes are."""
    for i in range(4):
        layouts.mast(tmp_path, f"p{i}", f"How many {i}?", ["Step repetition"])
    said = {
        "summary": "",
        "completed": False,
        "modes": [{"mode": "FM-1.3", "step": 0, "quote": ""}],
    }
    with ChatServer([Reply(text=json.dumps(said))]) as server:
        asked = ["--data", tmp_path, "-m", "judge:mast", "--model", "m", "--llm", server.url]
        ran = run("eval", "mast", "--folds", 2, "--json", *asked)
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    row = next(row for row in found["rows"] if row["method"] == "judge:mast")
    assert (row["failed"], row["abstained"]) == (0, 0)
    assert row["cells"]["mode_micro"]["value"] == 1.0
    assert "step" not in row["cells"]


def test_retries_are_as_many_as_said(run, traces):
    truth, seen = Oracle(RUNS), set()

    def once(call):
        """Every question breaks the first time that it comes."""
        if call.prompt in seen:
            return truth(call)
        seen.add(call.prompt)
        return Reply(status=500)

    asked = ["attribute", traces, *JUDGE, "--json", "--retries"]
    with ChatServer(once) as server:
        ran = run(*asked, 0, "--llm", server.url)
        assert (ran.code, len(server.calls)) == (3, len(RUNS))
        seen.clear()
        again = verdicts(run(*asked, 1, "--llm", server.url))
    assert steps(again) == [trace.labels[0].step for trace in RUNS]


def test_a_gate_and_an_export_ask_as_attribute_does(run, traces, oracle, tmp_path):
    """The same options with the same meaning: store, caps, repeats, replay."""
    store = tmp_path / "calls.db"
    options = [*JUDGE, "--repeat", 2, "--cache", store, "--price", "2,10", "--max-cost", 5]
    ran = run("gate", traces, *options, "--llm", oracle.url, "--json")
    assert (ran.code, len(oracle.calls)) == (1, 2 * len(RUNS))
    config = json.loads(ran.out)["config"]
    assert (config["repeat"], config["max_cost"], config["price"]) == (2, 5.0, "2,10")
    assert {"cache", "concurrency", "timeout", "retries", "key_env"}.isdisjoint(config)
    told = run(
        "export", "verdicts", traces, *JUDGE, "--repeat", 2, "--replay", store, "--to", "otel"
    )
    assert told.code == 0
    assert f"{2 * len(RUNS)} from the store" in told.err
    assert len(oracle.calls) == 2 * len(RUNS)
    capped = run("gate", traces, *JUDGE, "--llm", oracle.url, "--max-tokens-total", 10)
    assert "BudgetExceeded" in capped.err
    assert len(oracle.calls) == 2 * len(RUNS)
