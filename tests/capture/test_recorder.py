"""Runs as they happen: whole lines only, nothing lost in a crash, nothing raised into the host."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading

import pytest

from tracekit import load
from tracekit.capture.recorder import Recorder, running
from tracekit.errors import UsageError
from tracekit.ingest.spans.messages import Said
from tracekit.store import read_traces
from tracekit.trace import Outcome, ToolCall, faults


def answer(run, text="Four."):
    run.step("Planner", "Ask Solver.", to="Solver")
    run.step("Solver", text, given=[Said("user", "2 + 2?"), Said("user", "Ask Solver.")])
    run.end(text)


def test_a_run_becomes_a_line(out):
    with Recorder(out) as recorder:
        answer(recorder.run("2 + 2?", id="r1", framework="mine"))
        assert len(out.read_bytes().splitlines()) == 1
    (trace,) = read_traces(out)
    assert faults(trace) == []
    assert (trace.id, trace.source.framework, trace.task.question) == ("r1", "mine", "2 + 2?")
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("Planner", "message", "Ask Solver."),
        ("Solver", "final", "Four."),
    ]
    assert trace.steps[1].inputs.steps == (0,)
    assert [m.content for m in trace.steps[1].inputs.messages] == ["2 + 2?"]
    assert trace.outcome == Outcome("unknown", answer="Four.")
    assert not running(out).exists()


def test_the_file_grows(out):
    for id in ("a", "b"):
        with Recorder(out) as recorder:
            answer(recorder.run(id=id))
    assert [trace.id for trace in read_traces(out)] == ["a", "b"]


def test_a_checker_decides(out):
    with Recorder(out, check=lambda trace: trace.outcome.answer == "Four.") as recorder:
        answer(recorder.run())
        answer(recorder.run(), "Five.")
        answer(recorder.run(check=lambda trace: Outcome("failure", reason="late", by="clock")))
        answer(recorder.run(check=lambda trace: None))
    told = [(t.outcome.status, t.outcome.by) for t in read_traces(out)]
    assert told == [
        ("success", "checker"),
        ("failure", "checker"),
        ("failure", "clock"),
        ("unknown", None),
    ]


def test_an_exception_is_a_failure_and_goes_on(out):
    def fail(run):
        run.step("A", "let me look")
        raise KeyError("beds")

    with Recorder(out) as recorder, pytest.raises(KeyError), recorder.run("x") as run:
        fail(run)
    (trace,) = read_traces(out)
    assert (trace.outcome.status, trace.outcome.reason) == ("failure", "KeyError: 'beds'")


def test_what_is_open_at_the_end_is_unfinished(out):
    with Recorder(out) as recorder:
        run = recorder.run("x")
        run.step("A", "", open=True)
    (trace,) = read_traces(out)
    assert trace.extra == {"unfinished": True}
    assert trace.steps[0].extra == {"unfinished": True}
    assert trace.outcome.status == "unknown"


def test_hand_offs_say_what_shows_them(out):
    with Recorder(out) as recorder:
        run = recorder.run()
        call = ToolCall("transfer_to_solver", {}, call_id="c1")
        run.agent("Solver")
        run.step("Planner", "", tools=[call], kind="handoff", to=run.target([call]))
        run.step("Solver", "Four.")
        run.end()
    (trace,) = read_traces(out)
    assert trace.steps[0].to == "Solver"
    assert trace.steps[0].extra["handoff"]["evidence"] == "the tool that was called names the agent"
    assert trace.steps[1].extra["handoff"] == {
        "from": "Planner",
        "to": "Solver",
        "evidence": "the agent changes from one step to the next",
    }


CRASH = """
import os, signal, sys
from tracekit.capture.recorder import Recorder
from tracekit.trace import ToolCall
recorder = Recorder(sys.argv[1])
done = recorder.run("done", id="done")
done.step("A", "ready")
done.end("ready")
run = recorder.run("2 + 2?", id="torn")
run.step("Planner", "Ask Solver.", tools=[ToolCall("calc", {"x": 1}, call_id="c1")])
run.step("Solver", "", open=True, tools=[ToolCall("calc", {"x": 1}, call_id="c1")], parent=0)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def crashed(out):
    done = subprocess.run([sys.executable, "-c", CRASH, out], check=False)
    assert done.returncode == -signal.SIGKILL
    return out


def torn(trace):
    assert trace.id == "torn"
    assert trace.task.question == "2 + 2?"
    assert [(s.agent, s.kind, s.parent) for s in trace.steps] == [
        ("Planner", "tool_call", None),
        ("Solver", "tool_call", 0),
    ]
    assert (trace.outcome.status, trace.extra) == ("unknown", {"unfinished": True})


def test_a_crash_leaves_a_readable_file_and_a_journal(crashed):
    assert [trace.id for trace in read_traces(crashed)] == ["done"]
    (trace,) = load(running(crashed))
    torn(trace)


def test_recover_appends_the_partial_trace_once(crashed):
    (trace,) = Recorder.recover(crashed)
    torn(trace)
    assert [t.id for t in read_traces(crashed)] == ["done", "torn"]
    assert not running(crashed).exists()
    assert Recorder.recover(crashed) == []


def test_recover_leaves_living_runs_alone(out):
    with Recorder(out) as recorder:
        run = recorder.run(id="alive")
        assert Recorder.recover(out) == []
        answer(run)
    assert [trace.id for trace in read_traces(out)] == ["alive"]


def test_a_run_that_was_written_is_not_recovered_again(crashed):
    (journal,) = running(crashed).iterdir()
    copy = journal.read_bytes()
    Recorder.recover(crashed)
    journal.parent.mkdir()
    journal.write_bytes(copy)
    assert Recorder.recover(crashed) == []
    assert not journal.exists()


@pytest.mark.parametrize("cut", range(1, 400, 13))
def test_a_journal_cut_anywhere_is_read(crashed, cut):
    (journal,) = running(crashed).iterdir()
    journal.write_bytes(journal.read_bytes()[:-cut])
    for trace in load(journal):
        assert trace.id == "torn"
        assert faults(trace) == []


def test_a_torn_line_of_the_output_goes_and_a_whole_one_stays(out):
    with Recorder(out) as recorder:
        answer(recorder.run(id="a"))
    whole = out.read_bytes()
    out.write_bytes(whole + whole[:50])
    with Recorder(out) as recorder:
        answer(recorder.run(id="b"))
    assert [trace.id for trace in read_traces(out)] == ["a", "b"]
    out.write_bytes(whole[:-1])
    with Recorder(out) as recorder:
        answer(recorder.run(id="c"))
    assert [trace.id for trace in read_traces(out)] == ["a", "c"]


def test_it_refuses_files_that_are_not_its_own(tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("dear diary")
    with pytest.raises(UsageError, match="something else"):
        Recorder(other)
    with pytest.raises(UsageError, match="compressed"):
        Recorder(tmp_path / "traces.jsonl.gz")
    assert other.read_text() == "dear diary"


def test_a_disk_that_fills_up_costs_nothing_but_time(out, monkeypatch, caplog):
    recorder = Recorder(out)
    run = recorder.run(id="a")
    full = OSError(28, "No space left on device")

    def fail(*args):
        raise full

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "tracekit.capture"):
        patch.setattr(os, "write", fail)
        patch.setattr(os, "fsync", fail)
        answer(run)
    assert out.read_bytes() == b""
    assert recorder.errors == 5  # two steps, the final mark, the end, the trace
    assert {p.what.partition(":")[0] for p in recorder.problems} == {
        "the journal could not be written",
        "a trace could not be written",
    }
    assert len(caplog.records) == 2
    recorder.close()
    assert [trace.id for trace in read_traces(out)] == ["a"]


def test_a_checker_that_fails_is_reported_and_not_raised(out):
    with Recorder(out, check=lambda trace: 1 / 0) as recorder:
        answer(recorder.run())
        assert recorder.errors == 1
    (trace,) = read_traces(out)
    assert trace.outcome.status == "unknown"


def test_threads_share_a_recorder(out):
    with Recorder(out) as recorder:

        def work(name):
            for number in range(10):
                run = recorder.run(id=f"{name}-{number}")
                for step in range(5):
                    run.step(name, f"{number}.{step}")
                run.end()

        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert recorder.errors == 0
    traces = {trace.id: trace for trace in read_traces(out)}
    assert len(traces) == 80
    for id, trace in traces.items():
        name, _, number = id.partition("-")
        assert [(s.agent, s.content) for s in trace.steps] == [
            (name, f"{number}.{step}") for step in range(5)
        ]


def test_processes_share_a_file(out):
    program = (
        "import sys\nfrom tracekit.capture.recorder import Recorder\n"
        "with Recorder(sys.argv[1]) as recorder:\n"
        "    for n in range(20):\n"
        "        with recorder.run(id=f'{sys.argv[2]}{n}') as run:\n"
        "            run.step('A', 'x' * 5000)\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", program, out, name]) for name in "abc"]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    ids = sorted(trace.id for trace in read_traces(out))
    assert ids == sorted(f"{name}{n}" for name in "abc" for n in range(20))


KEY = "sk-proj-" + "a1B2c3D4" * 4


def test_secrets_reach_no_file(out):
    with Recorder(out, redact=True) as recorder:
        run = recorder.run("x", extra={"api_key": KEY})
        run.step("A", f"use {KEY}", tools=[ToolCall("get", {"token": KEY})])
        (journal,) = running(out).iterdir()
        assert KEY not in journal.read_text()
        assert "[REDACTED:" in journal.read_text()
        run.end()
        assert recorder.redacted.total() == 3
    assert KEY not in out.read_text()
    json.loads(out.read_text())
