"""`tracekit score`, `rank`, `search` and `rollouts`, with a value function written in the test."""

import json
import threading
from itertools import pairwise

import msgspec
import pytest

from tracekit.ingest.journal import JOURNAL, Instalment
from tracekit.prm.targets import read_targets
from tracekit.replay.sandbox.system import Sandbox
from tracekit.store import read_traces, write_traces
from tracekit.trace import Outcome, Source, Step, Task

SYSTEM = ("--system", "tracekit.replay.sandbox.system:Sandbox")
TOY = r'''
"""A value that halves with every number said, and a system."""

CALLED = []


class Toy:
    name = "toy"

    def __init__(self, value=0.8):
        self.value = value

    def values(self, trace):
        running = self.begin(trace)
        return [running.push(step) for step in trace.steps]

    def begin(self, trace):
        return Toy()

    def push(self, step):
        self.value *= 0.9 if any(c.isdigit() for c in step.content) else 1
        return self.value

    def fork(self):
        return Toy(self.value)

    def doubts(self, trace):
        return ("it is only a toy",) if "many" in trace.task.question else ()


def note(alarm):
    with open("called.txt", "a") as stream:
        stream.write(f"{alarm.trace_id} {alarm.step}\n")


def broken(alarm):
    raise RuntimeError("the pager is off")
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A folder with a value function of its own; commands run in it."""
    name = f"toy_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(TOY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.fixture
def runs(tmp_path):
    """Three runs of each of two tasks."""
    sandbox = Sandbox("arithmetic", skill=0.8, difficulty=3)
    tasks = sandbox.tasks(4)
    asked = [next(tasks), next(tasks)]
    path = tmp_path / "runs.jsonl"
    write_traces([sandbox.run(task, seed) for task in asked for seed in range(3)], path)
    return path


def test_every_run_gets_its_values(run, toy, runs):
    done = run("score", runs, "--values", f"{toy}:Toy", "--json")
    assert done.code == 0, done.err
    found = [json.loads(line) for line in done.out.splitlines()]
    traces = list(read_traces(runs))
    assert [each["trace_id"] for each in found] == [trace.id for trace in traces]
    for each, trace in zip(found, traces, strict=True):
        assert [step["agent"] for step in each["steps"]] == [step.agent for step in trace.steps]
        values = [each["begin"], *(step["value"] for step in each["steps"])]
        assert all(after <= before for before, after in pairwise(values))
        assert each["warnings"] == ["it is only a toy"]


def test_values_are_shown_and_reported(run, toy, runs, tmp_path):
    several = run("score", runs, "--values", f"{toy}:Toy", "--html", "v.html")
    assert several.code == 0, several.err
    assert several.out.count("▆") >= 6
    assert "6 runs: it is only a toy" in several.out
    page = (tmp_path / "v.html").read_text()
    assert page.count('"value":') == sum(len(trace.steps) for trace in read_traces(runs))
    assert "chance of success after each step" in page
    one = tmp_path / "one.jsonl"
    one.write_bytes(runs.read_bytes().splitlines(keepends=True)[0])
    single = run("score", one, "--values", f"{toy}:Toy").out
    assert single.count("█") > 10
    assert "Worst step" in single


def test_a_rule_is_a_gate(run, toy, runs):
    held = run("score", runs, "--values", f"{toy}:Toy", "--below", "0.01", "--json")
    assert held.code == 0
    broken = run("score", runs, "--values", f"{toy}:Toy", "--below", "0.75", "--json")
    assert broken.code == 1
    assert "is below 0.75" in broken.err
    assert run("score", runs, "--values", f"{toy}:Toy", "--drop", "0.1", "--json").code == 1
    assert run("score", runs, "--values", f"{toy}:Toy", "--below", "7", "--json").code == 2


def journal(path, steps, *, outcome=None):
    head = Instalment(schema=JOURNAL, id="r1", source=Source(format="live"), task=Task("how many?"))
    lines = [head, *(Instalment(steps=(step,)) for step in steps)]
    lines += [Instalment(outcome=outcome)] if outcome else []
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


STEPS = [Step(index, "AB"[index % 2], content=f"it is {index}") for index in range(5)]
OVER = Outcome("failure")


def test_a_finished_journal_is_followed_to_its_end(run, toy, tmp_path):
    journal(tmp_path / "run.jsonl", STEPS, outcome=OVER)
    done = run("score", "--follow", "run.jsonl", "--values", f"{toy}:Toy", "--json")
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["value"] for line in lines] == pytest.approx([0.8 * 0.9**n for n in range(1, 6)])
    assert "only a toy" in done.err


def test_an_alarm_ends_it_and_calls(run, toy, tmp_path):
    journal(tmp_path / "run.jsonl", STEPS, outcome=OVER)
    follow = ("score", "--follow", "run.jsonl", "--values", f"{toy}:Toy", "--below", "0.6")
    done = run(*follow, "--on-alarm", f"{toy}:note", "--json")
    assert done.code == 1
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [bool(line["alarm"]) for line in lines] == [False, False, True]
    assert lines[-1]["alarm"]["reason"] == "0.58 is below 0.6"
    assert (tmp_path / "called.txt").read_text() == "r1 2\n"
    assert "only a toy" in done.err  # whoever is called should know how much it means
    on = run(*follow, "--keep-going")
    assert (on.code, on.out.count("\n")) == (1, 5)
    assert "ALARM after step 2 (A)" in on.err


def test_an_alarm_stands_when_its_callback_fails(run, toy, tmp_path):
    journal(tmp_path / "run.jsonl", STEPS, outcome=OVER)
    follow = ("score", "--follow", "run.jsonl", "--values", f"{toy}:Toy", "--below", "0.6")
    done = run(*follow, "--on-alarm", f"{toy}:broken")
    assert done.code == 1
    assert "the pager is off" in done.err
    assert run(*follow, "--on-alarm", "nowhere:nobody").code == 4


def test_a_journal_is_followed_while_it_grows(run, toy, tmp_path):
    path = tmp_path / "run.jsonl"
    journal(path, STEPS[:2])
    whole = tmp_path / "whole.jsonl"
    journal(whole, STEPS, outcome=OVER)
    rest = whole.read_bytes()[path.stat().st_size :]

    def write():
        with path.open("ab") as stream:
            stream.write(rest)

    writer = threading.Timer(0.3, write)
    writer.start()
    follow = ("score", "--follow", path, "--values", f"{toy}:Toy", "--poll", "0.05")
    done = run(*follow, "--until-idle", "20", "--json")
    writer.join()
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 5


def test_a_journal_that_rests_is_given_up(run, toy, tmp_path):
    journal(tmp_path / "run.jsonl", STEPS[:2])
    follow = ("score", "--follow", "run.jsonl", "--values", f"{toy}:Toy", "--poll", "0.01")
    done = run(*follow, "--until-idle", "0.05", "--json")
    assert (done.code, len(done.out.splitlines())) == (0, 2)


def test_what_stands_in_a_log_is_not_obeyed(run, toy, tmp_path):
    escape = Step(0, "A\x1b[31m", content="[red]\x1b]0;owned\x07 it is 3 {{ 7 * 7 }}")
    journal(tmp_path / "run.jsonl", [escape], outcome=OVER)
    done = run("score", "--follow", "run.jsonl", "--values", f"{toy}:Toy")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "[red]" in done.out


def test_score_needs_one_thing_to_score(run, toy, runs):
    assert run("score").code == 2
    assert run("score", runs, "--follow", runs).code == 2
    assert run("score", "--follow", runs, "--values", f"{toy}:Toy").code == 3
    assert run("score", runs, "--values", "nobody").code == 2
    assert run("score", runs, "--values", f"{toy}:Toy", "--on-alarm", "a:b").code == 2


def test_runs_are_ranked_task_by_task(run, toy, runs):
    done = run("rank", runs, "--values", f"{toy}:Toy", "--json")
    assert done.code == 0, done.err
    found = [json.loads(line) for line in done.out.splitlines()]
    traces = list(read_traces(runs))
    assert [each["task"] for each in found] == list(dict.fromkeys(t.task.id for t in traces))
    for each in found:
        values = [candidate["value"] for candidate in each["runs"]]
        assert values == sorted(values, reverse=True)
        assert each["best"] == each["runs"][0]["id"]
        assert len(values) == 3
    table = run("rank", runs, "--values", f"{toy}:Toy").out
    assert table.count("Weighted votes") == 2


def test_a_search_is_told_with_its_cost(run, toy, tmp_path):
    args = ("search", *SYSTEM, "-n", "3", "--values", f"{toy}:Toy", "--set", "beams=2")
    done = run(*args, "--set", "tries=2", "-o", "found.jsonl", "--json")
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    traces = list(read_traces(tmp_path / "found.jsonl"))
    assert [line["trace_id"] for line in lines] == [trace.id for trace in traces]
    assert [line["outcome"] for line in lines] == [trace.outcome.status for trace in traces]
    assert all(line["meter"]["calls"] >= 4 and line["meter"]["tokens"] > 0 for line in lines)
    table = run("search", *SYSTEM, "-n", "3", "--method", "majority", "--budget", "30").out
    assert "of 3 right" in table
    assert "sandbox/arithmetic/2/0" in table


def test_tasks_come_from_a_file(run, toy, tmp_path):
    tasks = tmp_path / "tasks.jsonl"
    task = next(Sandbox("arithmetic", difficulty=3).tasks(8))
    tasks.write_bytes(msgspec.json.encode(task) + b"\n")
    done = run("search", *SYSTEM, "--tasks", tasks, "--method", "single", "--json")
    assert json.loads(done.out)["task"] == task.id


def test_what_cannot_be_searched_is_said(run, toy):
    assert run("search", *SYSTEM, "--method", "hope").code == 2
    assert run("search", *SYSTEM, "--set", "hope=1", "--method", "single").code == 2
    assert run("search", "--system", "json:nothing").code == 4


@pytest.mark.parametrize("how", ["mcts", "mc"])
def test_rollouts_are_targets_with_their_runs(run, tmp_path, how, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args = ("rollouts", *SYSTEM, "-n", "3", "--how", how, "--rollouts", "8", "--all")
    done = run(*args, "-o", "out", "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    traces = {trace.id: trace for trace in read_traces(tmp_path / "out" / "traces.jsonl")}
    rows = list(read_targets(tmp_path / "out" / "targets.jsonl"))
    assert (summary["targets"], summary["runs"], summary["kept"]) == (len(rows), len(traces), 3)
    assert {row.trace for row in rows} == set(traces)
    assert {row.source for row in rows} == {how}
    before = (tmp_path / "out" / "targets.jsonl").read_bytes()
    assert run(*args, "-o", "again").code == 0
    assert (tmp_path / "again" / "targets.jsonl").read_bytes() == before


def test_the_model_that_ships_is_the_default(run, runs):
    done = run("score", runs, "--json")
    assert done.code == 0, done.err
    found = [json.loads(line) for line in done.out.splitlines()]
    assert {each["values"] for each in found} == {"prm"}
    assert all(0 < step["value"] < 1 for each in found for step in each["steps"])
    ends = {each["steps"][-1]["value"] for each in found}
    assert len(ends) == len(found)
