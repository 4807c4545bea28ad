"""Exit codes are a promise to scripts: 0, 1, 2, 3, 4, 130, and one clean line on stderr."""

import os
import subprocess
import sys

import pytest

from tracekit_cli import run as runner
from tracekit_cli.run import BUG

from .conftest import clean_env


def one_error(err):
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("tracekit: error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["atribute"], "did you mean 'attribute'?"),
        (["formats", "--jsn"], "--jsn"),
        (["attribute"], "DIR"),
        (["attribute", "LOGS", "-m", "linaer"], "no analyzer is named 'linaer'; known: "),
        (["attribute", "LOGS", "--format", "csv"], "no reader is named 'csv'"),
        (["attribute", "LOGS", "--set", "step"], "not of the form key=value"),
        (["attribute", "LOGS", "-m", "random", "--set", "a=1", "--set", "a=2"], "given twice"),
        (["attribute", "LOGS", "-m", "random", "--set", "colour=red"], "colour"),
        (["attribute", "LOGS", "--outcome-from", "nowhere.csv"], "no such file"),
        (["attribute", "LOGS", "--top", "0"], "--top"),
        (["show", "LOGS", "--trace", "nobody"], "no trace has the id 'nobody'"),
        (["show", "LOGS", "--step", "1"], "add --trace ID"),
        (["ingest", "LOGS", "-o", "a.jsonl", "--manifest", "a.jsonl"], "the same file"),
        (["ingest", "LOGS", "--engine", "abacus"], "no engine is named 'abacus'"),
        (["schema", "novel"], "no schema is named 'novel'"),
        (["eval", "who-and-when", "--data", "LOGS", "-m", "random", "--seeds", "x"], "--seeds x"),
        (["eval", "who-and-when", "--data", "LOGS", "-m", "random", "--scorer", "x"], "--scorer"),
    ],
)
def test_usage_errors_are_two(run, logs, monkeypatch, args, says):
    monkeypatch.chdir(logs.parent)
    ran = run(*[logs if arg == "LOGS" else arg for arg in args])
    assert (ran.code, ran.out) == (2, "")
    assert says in one_error(ran.err)


@pytest.mark.parametrize("command", ["attribute", "show", "ingest"])
def test_a_missing_folder_is_three(run, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = run(command, "nowhere")
    assert (ran.code, ran.out) == (3, "")
    assert "nowhere: no such file or folder" in one_error(ran.err)


@pytest.mark.parametrize("command", ["attribute", "show", "ingest"])
def test_a_broken_file_is_three_and_the_rest_is_printed(run, logs, command, monkeypatch):
    monkeypatch.chdir(logs.parent)
    (logs / "ag2" / "broken.json").write_text('{"history": [{"content": "cut')
    extra = ["-o", "out.jsonl"] if command == "ingest" else []
    ran = run(command, logs, "--json", *extra)
    assert ran.code == 3
    assert "rain-barrels" in ran.out
    assert "broken.json" in ran.err
    assert "Traceback" not in ran.err


def test_nothing_to_attribute_is_three(run, tmp_path):
    (tmp_path / "notes.txt").write_text("no log at all")
    ran = run("attribute", tmp_path)
    assert (ran.code, ran.out) == (3, "")
    assert "no trace in" in one_error(ran.err)


def test_the_gate_is_one_only_when_a_run_failed(run, logs):
    assert run("attribute", logs / "ag2", "--exit-code").code == 1
    assert run("attribute", logs / "ag2").code == 0
    assert run("attribute", logs / "ag2" / "seed-packets.json", "--exit-code").code == 0
    assert run("attribute", logs / "ag2" / "library-fines.json", "--exit-code").code == 0


def test_a_missing_extra_is_four(run, logs, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    ran = run("ingest", logs, "-o", logs.parent / "out.jsonl", "--engine", "ray")
    assert (ran.code, ran.out) == (4, "")
    assert "pip install 'mas-tracekit[ray]'" in one_error(ran.err)


def test_a_place_that_cannot_be_written_is_four(run, logs):
    (logs.parent / "file").write_text("")
    ran = run("attribute", logs / "ag2", "--html", logs.parent / "file" / "report.html")
    assert ran.code == 4
    assert "rain-barrels" in ran.out
    assert "file" in one_error(ran.err)


def test_an_interrupt_is_130(spawn, logs):
    (logs.parent / "stop.py").write_text(
        "import os, signal\ndef check(trace):\n    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    ran = spawn("attribute", "logs", "--outcome-from", "stop:check")
    assert (ran.code, ran.out, ran.err) == (130, "", "tracekit: interrupted\n")


def test_an_interrupt_leaves_no_half_written_output(spawn, logs):
    (logs.parent / "sitecustomize.py").write_text(
        "import os, signal\n"
        "import tracekit.ingest.readers.who_and_when as r\n"
        "r.WhoAndWhen.read = lambda self, source: os.kill(os.getpid(), signal.SIGINT)\n"
    )
    ran = spawn("ingest", "logs", "-o", "out.jsonl", PYTHONPATH=str(logs.parent))
    assert ran.code == 130
    assert not (logs.parent / "out.jsonl").exists()


def with_stdout(stdout, *args):
    """Exit code and stderr of a process with that stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "tracekit_cli", *map(str, args)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_env(),
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("args", [["--help"], ["show", "LOGS", "--json"], ["show", "NOWHERE"]])
def test_a_reader_that_goes_away_ends_us_quietly(logs, args):
    read, write = os.pipe()
    os.close(read)
    code, err = with_stdout(write, *[logs if arg == "LOGS" else arg for arg in args])
    os.close(write)
    if "NOWHERE" in args:
        assert code == 3
    else:
        assert (code, err) == (141, "")


@pytest.mark.parametrize("args", [["--help"], ["formats"], ["formats", "--json"]])
def test_a_full_disk_behind_stdout_is_four(args):
    with open("/dev/full", "w") as full:
        code, err = with_stdout(full, *args)
    assert code == 4
    assert "No space left on device" in one_error(err)


@pytest.mark.parametrize("args", ["--help", "formats"])
def test_a_closed_stdout_is_survived(args):
    command = f"'{sys.executable}' -m tracekit_cli {args} >&-"
    done = subprocess.run(
        ["bash", "-c", command], stderr=subprocess.PIPE, env=clean_env(), check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_bug_says_so_without_a_traceback(run, monkeypatch):
    def burst(*_):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("tracekit_cli.commands.formats.describe", burst)
    monkeypatch.delenv("TRACEKIT_DEBUG", raising=False)
    ran = run("formats")
    assert ran.code == BUG
    assert "ZeroDivisionError: division by zero; this is a bug of tracekit" in one_error(ran.err)
    monkeypatch.setenv("TRACEKIT_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        runner.run(["formats"])


def test_debug_shows_the_traceback(spawn):
    ran = spawn("--debug", "show", "nowhere")
    assert ran.code == 1
    assert "Traceback" in ran.err


@pytest.fixture
def broken_reader(monkeypatch, tmp_path):
    """A foreign reader whose module raises when it is imported."""
    from tracekit import registry

    (tmp_path / "burst_plugin.py").write_text("raise RuntimeError('burst')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.BUILT_IN["readers"], "burst", "burst_plugin:Reader")
    registry.plugins.cache_clear()
    yield
    registry.plugins.cache_clear()


def test_a_plugin_that_does_not_load_is_listed_and_breaks_nothing(run, logs, broken_reader):
    ran = run("plugins", "--json")
    assert ran.code == 4
    assert "RuntimeError" in ran.out or "burst" in ran.out
    assert "1 plug-ins do not load: burst" in ran.err
    assert run("doctor").code == 1
    ran = run("attribute", logs / "ag2", "--json")
    assert ran.code == 0
    assert "rain-barrels" in ran.out
    said = "reader 'burst' does not load from burst_plugin:Reader: burst"
    assert ran.err.count(said) == 1
    assert "(and 3 times more)" in ran.err


def test_a_method_that_breaks_on_one_run_goes_on_with_the_next(run, logs, monkeypatch):
    from tracekit.analyzers.first_error import FirstError

    good = FirstError.attribute

    def burst(self, trace, context):
        if trace.id.startswith("rain"):
            raise ZeroDivisionError("burst")
        return good(self, trace, context)

    monkeypatch.setattr(FirstError, "attribute", burst)
    ran = run("attribute", logs / "ag2", "-m", "first-error", "--json")
    assert ran.code == 3
    assert "ferry-timetable" in ran.out
    assert "first-error failed on rain-barrels" in ran.err
