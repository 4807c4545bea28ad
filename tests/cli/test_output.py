"""What is printed: data alone on stdout, neutral text, colours only where they are wanted."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tracekit.store import read_traces, write_traces
from tracekit.testing.traces import make_trace
from tracekit.trace import Outcome, Task
from tracekit_cli.commands.ingest import beside

from .conftest import clean_env

ESCAPE = "\x1b"


def documents(out):
    """All of stdout as JSON, one document or lines."""
    try:
        return [json.loads(out)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    "args",
    [
        ["attribute", "LOGS"],
        ["attribute", "LOGS", "--all", "--html", "r.html"],
        ["show", "LOGS"],
        ["show", "LOGS/ag2/rain-barrels.json", "--step", "1"],
        ["ingest", "LOGS", "-o", "out.jsonl"],
        ["formats"],
        ["methods"],
        ["benchmarks"],
        ["plugins"],
        ["doctor"],
        ["demo"],
    ],
)
def test_json_is_all_there_is_on_stdout(run, logs, monkeypatch, args):
    monkeypatch.chdir(logs.parent)
    ran = run(*[arg.replace("LOGS", "logs") for arg in args], "--json")
    assert ran.code == 0
    assert documents(ran.out)
    assert ESCAPE not in ran.out + ran.err


@pytest.mark.parametrize("name", ["trace", "attribution", "problem", "manifest"])
def test_schemas_are_json(run, name):
    (schema,) = documents(run("schema", name).out)
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_json_and_text_agree_and_repeat(run, logs, outcomes):
    args = ("attribute", logs, "--outcome-from", outcomes)
    first, second = run(*args, "--json"), run(*args, "--json")
    assert first.out == second.out
    verdicts = documents(first.out)
    failed = [v for v in verdicts if v["outcome"] == "failure"]
    assert "7 failed" in first.err
    assert len(failed) == 7
    assert all(v["suspects"] for v in failed)
    good = [v for v in verdicts if v["outcome"] == "success"]
    assert good
    assert all("suspects" not in v and v["abstained"] for v in good)
    table = run(*args).out
    for verdict in failed:
        assert verdict["trace_id"][:12] in table
    assert "seed-packets" not in table


def test_all_blames_successes_too(run, logs):
    assert "seed-packets" in run("attribute", logs / "ag2", "--all").out


def test_top_cuts_the_suspects(run, logs):
    for verdict in documents(run("attribute", logs, "--json", "--top", 2, "--all").out):
        assert len(verdict["suspects"]) <= 2


def test_settings_model_and_seed_reach_the_method(run, logs):
    args = ("attribute", logs / "ag2" / "rain-barrels.json", "--json", "-m", "random")
    assert run(*args, "--seed", 1).out != run(*args, "--seed", 2).out
    assert run(*args, "--model", "m").code == 2


def test_unknown_outcomes_are_conditional(run, logs):
    (verdict,) = documents(run("attribute", logs / "ag2" / "library-fines.json", "--json").out)
    assert verdict["conditional"] is True


def test_normalised_traces_are_attributed_like_raw_logs(run, logs):
    out = logs.parent / "traces.jsonl"
    assert run("ingest", logs, "-o", out, "-q").err == ""
    raw = documents(run("attribute", logs, "--json").out)
    again = documents(run("attribute", out, "--json").out)
    assert [v["suspects"] for v in raw if "suspects" in v] == [
        v["suspects"] for v in again if "suspects" in v
    ]


def test_ingest_writes_traces_and_a_manifest_beside_them(run, logs):
    out = logs.parent / "out" / "traces.jsonl"
    ran = run("ingest", logs, "-o", out)
    assert ran.code == 0
    assert "who-and-when" in ran.out
    manifest = json.loads((out.parent / "traces.manifest.json").read_bytes())
    assert manifest["schema"] == "tracekit/manifest/1"
    assert manifest["totals"]["traces"] == len(list(read_traces(out))) == 12
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "traces.jsonl",
        "traces.manifest.json",
    ]


@pytest.mark.parametrize(
    ("out", "manifest"),
    [
        ("a/traces.jsonl.gz", "a/traces.manifest.json"),
        ("runs.json", "runs.manifest.json"),
        ("all", "all.manifest.json"),
    ],
)
def test_the_manifest_is_named_after_the_output(out, manifest):
    assert beside(Path(out)) == Path(manifest)


def test_ingesting_again_does_not_read_the_own_output(run, logs):
    for _ in range(2):
        assert run("ingest", logs, "-o", logs / "traces.jsonl", "-q").code == 0
    assert len(list(read_traces(logs / "traces.jsonl"))) == 12


def test_limits_reach_the_readers(run, logs):
    ran = run("ingest", logs / "ag2", "-o", logs.parent / "t.jsonl", "--max-file-bytes", 1500)
    assert ran.code == 3
    assert "raise --max-file-bytes" in " ".join(ran.out.split())


def test_show_lists_opens_and_quotes(run, logs):
    listing = run("show", logs).out
    assert "seed-packets" in listing
    assert "success" in listing
    one = run("show", logs / "ag2" / "seed-packets.json").out
    assert "Arithmetic_Expert" in one
    step = run("show", logs / "ag2" / "seed-packets.json", "--step", 1).out
    assert "divmod(packets, 8)" in step
    assert run("show", logs / "ag2" / "seed-packets.json", "--step", 99).code == 2


def test_quiet_leaves_stderr_empty(run, logs):
    assert run("attribute", logs, "--json", "--html", logs.parent / "r.html", "-q").err == ""


HOSTILE = "\x1b[31mred\x1b[0m\u202e[bold]x[/bold]"


def test_hostile_text_is_shown_as_marks(run, tmp_path):
    turns = [
        {"content": f"Let me look. {HOSTILE}", "role": "assistant", "name": f"Spy{HOSTILE}"},
        {"content": f"exitcode: 1 {HOSTILE}", "role": "user", "name": "Computer_terminal"},
    ]
    record = {"is_correct": False, "question": HOSTILE, "question_ID": HOSTILE, "history": turns}
    (tmp_path / f"log{HOSTILE[:8]}.json").write_text(json.dumps(record))
    (tmp_path / f"bad{HOSTILE[:8]}.json").write_text("{")
    assert "[bold]x[/bold]" in run("show", tmp_path, "--step", 0).out
    for args in (
        ["show", tmp_path],
        ["show", tmp_path, "--step", 0],
        ["attribute", tmp_path, "--top", 2],
        ["ingest", tmp_path, "-o", tmp_path / "out" / "t.jsonl"],
        ["attribute", tmp_path / f"no{HOSTILE[:8]}"],
    ):
        ran = run(*args)
        assert ran.out + ran.err
        assert not re.search("[\x1b\u202e]", ran.out + ran.err), args


@pytest.mark.parametrize(
    ("env", "coloured"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colours_follow_the_terminal(logs, env, coloured):
    head, tail = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tracekit_cli", "attribute", str(logs / "ag2"), "-q"],
        stdout=tail,
        env=clean_env(**env),
    ) as process:
        os.close(tail)
        seen = b""
        while True:
            try:
                part = os.read(head, 65536)
            except OSError:  # Linux says EIO when the other end is closed
                break
            if not part:
                break
            seen += part
    os.close(head)
    assert process.returncode == 0
    assert b"rain-barrels" in seen
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-9]", seen)) == coloured


def test_an_encoding_without_arrows_is_survived(spawn, logs):
    ran = spawn("attribute", "logs", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ran.code == 0
    assert "rain-barrels" in ran.out


COMMANDS = ("\n::error::owned ##[error]x", "\r\n::stop-commands::x", "\x1b]0;owned\x07")
LINES = re.compile(r"(?m)^\s*::(error|stop)|[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]")
"""What words of a log must not bring about: a line that a CI server obeys, and control characters."""


def hostile_runs(path, repeats=15):
    """Runs of three tasks by agents whose names, words, tasks and ids act on terminals and runners."""
    names = [f"Agent{n}{evil}" for n, evil in enumerate(COMMANDS)]
    made = []
    for number in range(3 * repeats):
        wrong = number % 2
        steps = [
            (names[0], f"Let us begin. {HOSTILE}"),
            (names[1], f"I apologize, it is {number}.{COMMANDS[0]}" if wrong else "The sum is 24."),
            (names[2], f"final answer: {77 if wrong else 24}{COMMANDS[1]}"),
        ]
        task = Task(f"{number % 3} eggs?{COMMANDS[0]}", id=f"task-{number % 3}{COMMANDS[1]}")
        outcome = Outcome("failure" if wrong else "success", reason=f"no{COMMANDS[0]}")
        made.append(make_trace(f"run-{number}{COMMANDS[1]}", steps, task=task, outcome=outcome))
    write_traces(made, path)
    return path


def test_names_in_logs_neither_command_runners_nor_terminals(run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")  # narrow: lines break inside of names
    pytest.importorskip("causallearn")
    many = hostile_runs(tmp_path / "many.jsonl")
    one = hostile_runs(tmp_path / "one.jsonl", repeats=1)
    system = ("--system", "tracekit.replay.sandbox.system:Sandbox")
    for args in (
        ["discover", many, "--halves", "2", "--shuffles", "1"],
        ["influence", one],
        ["influence", one, "--trace", f"run-1{COMMANDS[1]}"],
        ["score", one],
        ["rank", one],
        ["debug", one, *system, "-m", "last-speaker", "--fresh", "0"],
        ["attribute", one],
        ["show", one],
        ["show", one, "--step", "1"],
    ):
        ran = run(*args)
        assert ran.code in (0, 2), (args, ran.err)
        assert "run-" in ran.out or "Agent" in ran.out or args[0] in ("show", "rank"), args
        assert LINES.search(ran.out + ran.err) is None, args
        assert "##[error" not in ran.out + ran.err, args
