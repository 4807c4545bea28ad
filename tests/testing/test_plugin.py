"""`pytest --tracekit` in a project of somebody else, and what it costs where nobody asks for it."""

import json
import subprocess
import sys

import msgspec
import pytest

from tracekit.errors import InputError
from tracekit.gate.baseline import read
from tracekit.store import write_traces
from tracekit.testing.chat_server import ChatServer
from tracekit.testing.judges import Oracle, planted_run
from tracekit.testing.runs import Runs
from tracekit.testing.traces import make_trace
from tracekit.trace import Outcome, Task

pytest_plugins = ["pytester"]
"""Inner sessions are processes of their own: in this one, pytester forgets what they imported."""


def run(id, status, *said, task=None):
    """A run of Planner and Solver that ended as said."""
    said = said or (("Planner", "Let us add."), ("Solver", "2 + 2 = 5"))
    trace = make_trace(id, list(said))
    return msgspec.structs.replace(trace, outcome=Outcome(status), task=Task(id=task or id))


@pytest.fixture
def project(pytester):
    """A folder with two runs, one of which failed, and a configuration."""
    folder = pytester.mkdir("runs")
    write_traces([run("good", "success"), run("bad", "failure")], folder / "runs.jsonl")
    pytester.makepyprojecttoml(
        '[tool.tracekit]\nlogs = ["runs"]\nmethod = "first-speaker"\n'
        '[tool.pytest.ini_options]\nfilterwarnings = ["error"]\naddopts = ["--strict-markers"]\n'
    )
    return pytester


MARKED = """
import os
import sys

import pytest

@pytest.mark.tracekit
def test_solver(tracekit_runs):
    tracekit_runs.assert_never_blamed("Solver")

@pytest.mark.tracekit("runs/runs.jsonl")
def test_planner(tracekit_runs):
    tracekit_runs.assert_never_blamed("Planner")

def test_each(tracekit_trace, attribute):
    verdict = attribute(tracekit_trace)
    assert tracekit_trace.failed is False, verdict

def test_other():
    assert "tracekit_cli.pytest_door" in sys.modules
    assert ("tracekit" in sys.modules) is ("tracekit.testing.plugin" in sys.modules)
    assert ("tracekit" in sys.modules) is (os.environ.get("OPEN") == "yes")
"""


def test_closed_it_skips_what_is_marked_and_loads_nothing(project):
    project.makepyfile(MARKED)
    result = project.runpytest_subprocess("-rs")
    result.assert_outcomes(passed=1, skipped=3)
    result.stdout.fnmatch_lines(["*runs with --tracekit only*"])


def test_open_it_tests_each_run_and_says_why_one_fails(project, monkeypatch):
    monkeypatch.setenv("OPEN", "yes")
    project.makepyfile(MARKED)
    result = project.runpytest_subprocess("--tracekit")
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        [
            "tracekit: first-speaker on runs",
            "*AssertionError: gate FAILED: agent:Planner*",
            "*agent:Planner: 1 of 1 failures are attributed to Planner*",
            "*- bad: Planner at step 0 most likely broke the run*",
            "*FAILED *::test_planner*",
            "*FAILED *::test_each?bad?*",
        ]
    )


def test_a_suite_without_runs_is_not_green(project):
    project.makepyfile("def test_each(tracekit_trace):\n    pass\n")
    (project.path / "runs" / "runs.jsonl").unlink()
    result = project.runpytest_subprocess("--tracekit")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*there is no run to test in runs*"])


def test_a_log_that_cannot_be_read_is_not_passed_over(project):
    project.makepyfile("def test_each(tracekit_trace):\n    pass\n")
    path = project.path / "runs" / "runs.jsonl"
    path.write_bytes(path.read_bytes() + b'{"schema": "tracekit/trace/1", "id": 3}\n')
    result = project.runpytest_subprocess("--tracekit")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*runs.jsonl:3: error: *"])


def test_a_wrong_key_of_the_configuration_ends_the_session(project):
    project.makepyprojecttoml('[tool.tracekit]\nlog = ["runs"]\n')
    result = project.runpytest_subprocess("--tracekit")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no key is named 'log'; did you mean 'logs'?*"])


def test_a_configured_judge_is_asked(project, no_proxy):
    """Server, model, caps, store and repeats are those of the commands."""
    bad = planted_run(7, 2)
    write_traces([bad], project.path / "runs" / "runs.jsonl")
    project.makepyfile(
        "def test_it(tracekit_trace, attribute):\n"
        "    verdict = attribute(tracekit_trace)\n"
        "    assert verdict.suspects[0].step == 2 and verdict.votes.asked == 2\n"
        "    assert verdict.cost.money > 0 and verdict.cost.calls == 2\n"
        "    assert attribute(tracekit_trace, 'first-speaker').suspects[0].step == 0\n"
        "    assert attribute(tracekit_trace, 'judge:a2p').suspects[0].step == 2\n"
    )
    with ChatServer(Oracle([bad])) as server:
        project.makepyprojecttoml(
            '[tool.tracekit]\nlogs = ["runs"]\nmethod = "judge:all-at-once"\nmodel = "m"\n'
            f'llm = "{server.url}"\nrepeat = 2\nmax-cost = 1.0\nprice = "2,10"\n'
            'cache = "calls.db"\n'
        )
        result = project.runpytest_subprocess("--tracekit")
    result.assert_outcomes(passed=1)
    assert (project.path / "calls.db").is_file()


@pytest.mark.parametrize("said", ['model = "m"', 'settings = { model = "m" }'])
def test_terms_are_those_of_the_commands(project, no_proxy, said):
    """A price is that of the model, wherever that is named."""
    bad = planted_run(7, 2)
    write_traces([bad], project.path / "runs" / "runs.jsonl")
    project.makepyfile(
        "def test_it(tracekit_trace, attribute):\n"
        "    assert attribute(tracekit_trace).cost.money > 0\n"
        "    assert attribute(tracekit_trace, 'first-speaker').suspects[0].step == 0\n"
    )
    with ChatServer(Oracle([bad])) as server:
        project.makepyprojecttoml(
            '[tool.tracekit]\nlogs = ["runs"]\nmethod = "judge:all-at-once"\n'
            f'{said}\nllm = "{server.url}"\nmax-cost = 1.0\nprice = "2,10"\n'
        )
        command = [sys.executable, "-m", "tracekit_cli", "attribute", "--json"]
        told = subprocess.run(command, cwd=project.path, check=True, capture_output=True)
        result = project.runpytest_subprocess("--tracekit")
    assert json.loads(told.stdout)["cost"]["money"] > 0
    result.assert_outcomes(passed=1)


def test_a_server_without_a_method_leaves_the_usual_one_alone(project):
    project.makepyfile(
        "def test_it(tracekit_trace, attribute):\n"
        "    assert attribute(tracekit_trace).method.name == 'compact'\n"
    )
    project.makepyprojecttoml(
        '[tool.tracekit]\nlogs = ["runs"]\nllm = "http://localhost:9/v1"\nmodel = "gpt"\n'
    )
    result = project.runpytest_subprocess("--tracekit")
    result.assert_outcomes(passed=2)


def test_the_baseline_of_the_gate_is_that_of_the_tests(project):
    project.makepyfile("def test_ratchet(tracekit_runs): tracekit_runs.assert_no_new_failures()\n")
    base = project.path / "base.json"
    command = [sys.executable, "-m", "tracekit_cli", "gate", "--baseline", str(base), "--accept"]
    subprocess.run(command, cwd=project.path, check=True, capture_output=True)
    assert read(base).failures == 1
    result = project.runpytest_subprocess("--tracekit", "--tracekit-baseline", str(base))
    result.assert_outcomes(passed=1)
    write_traces([run("good", "failure"), run("bad", "failure")], project.path / "runs/runs.jsonl")
    result = project.runpytest_subprocess("--tracekit", "--tracekit-baseline", str(base))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*good: 1 of 1 run failed; 0 of 1 run*"])


class Falling:
    """A value function for tests: starts high, ends where the run ended."""

    name = "falling"

    def values(self, trace):
        return [0.9] * (len(trace.steps) - 1) + [0.1 if trace.failed else 0.8]


def test_values_must_not_fall_below():
    runs = Runs([run("good", "success"), run("bad", "failure")], method="first-speaker")
    runs.assert_value_at_least(0.1, Falling())
    runs.assert_value_at_least(0.5, Falling(), steps=[0])
    with pytest.raises(AssertionError, match=r"below 0\.5 in 1 runs\n  bad: 0\.100 after step 1"):
        runs.assert_value_at_least(0.5, Falling())


def test_where_there_is_no_value_nothing_is_shown():
    with pytest.raises(AssertionError, match=r"none of 0 runs has a value$"):
        Runs([]).assert_value_at_least(0.1, Falling())
    with pytest.raises(AssertionError, match=r"none of 1 runs has a value at step 98 or 99$"):
        Runs([run("good", "success")]).assert_value_at_least(0.1, Falling(), steps=(98, 99))


class Moded:
    """An analyzer that sees one failure mode everywhere."""

    name = "moded"
    needs = frozenset({"trace"})

    def attribute(self, trace, context):
        from tracekit.attribution import Attribution, Method, Suspect

        top = Suspect(agent=trace.steps[0].agent, step=0, probability=0.5, modes=("FM-3.2",))
        return Attribution(trace_id=trace.id, method=Method("moded"), suspects=(top,))


def test_a_mode_must_not_be_more_frequent(tmp_path):
    traces = [run("good", "success"), run("bad", "failure"), run("odd", "unknown")]
    runs = Runs(traces, method=Moded())
    runs.assert_mode_rate("FM-3.2", at_most=0.5)
    runs.assert_mode_rate("FM-1.1", at_most=0.0)
    with pytest.raises(
        AssertionError, match=r"FM-3\.2 in 1 of 2 runs \(50\.0%\), more than 40\.0%"
    ):
        runs.assert_mode_rate("FM-3.2", at_most=0.4)
    with pytest.raises(AssertionError, match="mode:FM"):
        runs.assert_mode_rate("FM-3.2")
    with pytest.raises(AssertionError, match="not known"):
        Runs(traces[2:], method=Moded()).assert_mode_rate("FM-3.2", at_most=1.0)


def test_nothing_is_shown_by_runs_of_unknown_outcome():
    with pytest.raises(InputError, match="--outcome-from"):
        Runs([run("odd", "unknown")], method="first-speaker").assert_never_blamed("Planner")


IMPORTED = """
import json, sys, pytest
before = set(sys.modules)
import tracekit_cli.pytest_door
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_the_door_imports_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert json.loads(done.stdout) == ["tracekit_cli", "tracekit_cli.pytest_door"]


def test_the_shipped_values_are_found_by_name():
    runs = Runs([run("good", "success")], method="first-speaker")
    runs.assert_value_at_least(0.0)
    with pytest.raises(AssertionError, match="falls below 1"):
        runs.assert_value_at_least(1.1)
