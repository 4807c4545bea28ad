"""`tracekit gate` and `tracekit export verdicts` as commands: codes, files, streams."""

import json
import socket
from xml.etree import ElementTree as ET

import pytest

from tracekit import registry
from tracekit.store import write_traces
from tracekit.testing.traces import make_trace
from tracekit.trace import Outcome
from tracekit.version import __version__

FORMATS = sorted(registry.BUILT_IN["verdict_exporters"])


@pytest.fixture
def gate(run, logs, outcomes, monkeypatch):
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)

    def gate(*args):
        return run("gate", logs, "--outcome-from", outcomes, "-m", "linear", *args)

    return gate


def test_a_ratchet(gate, tmp_path):
    base = tmp_path / "base.json"
    assert gate("--baseline", base).code == 2  # there is none yet
    ran = gate("--baseline", base, "--accept")
    assert (ran.code, ran.err) == (0, "")
    assert "7 failures in 10 runs of 10 cases are known from now on" in ran.out
    assert gate("--baseline", base).code == 0
    known = json.loads(base.read_text())
    fixed = next(case for case in known["cases"].values() if case["failures"])
    fixed["failures"] = 0
    base.write_text(json.dumps(known))
    ran = gate("--baseline", base)
    assert ran.code == 1
    assert f"new-failures: {fixed['name'][:20]}" in ran.out
    worse = next(case for case in known["cases"].values() if not case["failures"] and case != fixed)
    worse["failures"] = fixed["failures"] = 1
    base.write_text(json.dumps(known))
    ran = gate("--baseline", base, "--tighten")
    assert ran.code == 0
    assert "fixed since the baseline" in ran.out
    tight = json.loads(base.read_text())
    assert sum(case["failures"] for case in tight["cases"].values()) == 7


def test_files_are_there_though_the_gate_fails(gate, tmp_path):
    ran = gate("--sarif", tmp_path / "t.sarif", "--junit", tmp_path / "t.xml", "--json", "-q",
               "--html", tmp_path / "t.html")  # fmt: skip
    assert (ran.code, ran.err) == (1, "")
    document = json.loads(ran.out)
    assert document["passed"] is False
    assert document["config"]["method"] == "linear"
    assert document["config"]["fail_on"] == ["any-failure"]
    sarif = json.loads((tmp_path / "t.sarif").read_text())
    assert sarif["runs"][0]["properties"]["config"] == document["config"]
    held = {p.get("name"): p.get("value") for p in ET.parse(tmp_path / "t.xml").iter("property")}
    assert held["method"] == "linear"
    assert held["fail_on"] == '["any-failure"]'
    assert ET.parse(tmp_path / "t.xml").getroot().get("failures") == "7"
    assert "museum-hours" in (tmp_path / "t.html").read_text()


def test_verdicts_say_what_they_were_made_with(run, gate, logs, outcomes, tmp_path):
    """In every line, whatever becomes of the file: through a gate, and in each format."""
    said = ("-m", "constant", "--set", "step=1", "--seed", 3, "--outcome-from", outcomes)
    made = tmp_path / "verdicts.jsonl"
    made.write_text(run("attribute", logs, *said, "--json", "-q").out)
    lines = [json.loads(line) for line in made.read_text().splitlines()]
    config = lines[0]["config"]
    assert {line["config"] == config for line in lines} == {True}
    assert config == {
        "tracekit": __version__, "method": "constant", "set": ["step=1"], "seed": 3,
        "with_answer": False, "outcome_from": str(outcomes), "all": False, "redact": "none",
    }  # fmt: skip
    decided = json.loads(gate("--verdicts", made, "--json").out)["config"]
    assert decided["made"] == config
    assert (decided["method"], decided["verdicts"]) == (None, str(made))
    assert {"max_tokens_total", "cache", "concurrency", "format"} <= decided.keys()
    export = ("export", "verdicts", logs, "--outcome-from", outcomes, "--verdicts", made, "--to")
    assert json.loads(run(*export, "sarif").out)["runs"][0]["properties"]["config"] == config
    for name in FORMATS:
        assert str(outcomes) in run(*export, name).out, name


def test_the_same_logs_give_the_same_bytes(gate, tmp_path):
    files = [tmp_path / f"{n}.{kind}" for n in (1, 2) for kind in ("sarif", "xml", "json")]
    for n in (0, 3):
        args = ("--sarif", files[n], "--junit", files[n + 1], "--json", "-q")
        files[n + 2].write_text(gate(*args).out)
    assert [f.read_bytes() for f in files[:3]] == [f.read_bytes() for f in files[3:]]


def test_outcomes_that_nobody_knows(run, logs, tmp_path):
    ran = run("gate", logs / "openai", "-q")
    assert ran.code == 3
    assert "--outcome-from" in ran.err
    ran = run("gate", logs / "openai", "--baseline", tmp_path / "b.json", "--accept")
    assert ran.code == 3
    assert not (tmp_path / "b.json").exists()


def test_what_cannot_be_read_is_not_green(gate, logs, tmp_path):
    base = tmp_path / "base.json"
    assert gate("--baseline", base, "--accept").code == 0
    write_traces([make_trace("more", [("A", "1")], outcome=Outcome("success"))], logs / "m.jsonl")
    with (logs / "m.jsonl").open("a") as stream:
        stream.write('{"schema": "tracekit/trace/1", "id": 3}\n')
    ran = gate("--baseline", base)
    assert ran.code == 3
    assert "gate passed" in ran.out
    assert "m.jsonl:2: error" in ran.err


def test_usage(gate):
    assert gate("--fail-on", "nonsense").code == 2
    assert gate("--fail-on", "new-failures").code == 2
    assert gate("--accept").code == 2


def test_on_github(gate, logs, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(logs.parent))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    ran = gate("-q")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0].startswith("::stop-commands::")
    commands = [line for line in lines if line.startswith("::error ")]
    assert len(commands) == 7
    assert commands[0].startswith(
        "::error file=logs/ag2/ferry-timetable.json,line=1,title=tracekit%3A"
    )
    assert lines[-7:] == commands
    assert "### tracekit: gate FAILED" in (tmp_path / "summary.md").read_text()
    ran = gate("--json", "-q")
    assert json.loads(ran.out)["passed"] is False
    assert ran.err.splitlines() == commands
    assert "::" not in gate("--no-github", "-q").out


@pytest.mark.parametrize("name", FORMATS)
def test_verdicts_go_to_stdout_and_nowhere_else(run, logs, outcomes, tmp_path, name, monkeypatch):
    def no_socket(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", no_socket)
    args = ("export", "verdicts", logs, "--to", name, "-m", "linear", "--outcome-from", outcomes)
    ran = run(*args)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out
    out = tmp_path / "out"
    again = run(*args, "-o", out)
    assert (again.code, again.out) == (0, "")
    assert out.read_text() == ran.out


def test_files_have_no_endpoint(run, logs):
    ran = run("export", "verdicts", logs, "--to", "sarif", "--endpoint", "http://127.0.0.1:9")
    assert ran.code == 2
    assert "otel, openinference, langfuse, phoenix" in ran.err


def test_a_server_that_is_not_there(run, logs, monkeypatch):
    monkeypatch.delenv("PHOENIX_API_KEY", raising=False)
    ran = run("export", "verdicts", logs, "--to", "phoenix", "--endpoint", "http://127.0.0.1:9")
    assert ran.code == 4
    assert ran.out == ""
    ran = run("export", "verdicts", logs, "--to", "xml")
    assert ran.code == 2
    assert "no verdict exporter is named 'xml'" in ran.err


def test_secrets_stay_here_unless_asked(run, tmp_path):
    secret = "sk-proj-" + "aB3dE5fG7h" * 5
    write_traces([make_trace("leaky", [("A", f"exit code 1 with {secret}")])], tmp_path / "t.jsonl")
    args = ("export", "verdicts", tmp_path / "t.jsonl", "--to", "sarif")
    assert secret[:20] not in run(*args).out
    assert secret[:20] in run(*args, "--no-redact").out


def test_verdicts_that_were_made_before_are_taken(run, logs, outcomes, tmp_path):
    """A judge is asked once; what it said is gated and exported as often as one likes."""
    made = run("attribute", logs, "--outcome-from", outcomes, "-m", "last-speaker", "--json", "-q")
    path = tmp_path / "verdicts.jsonl"
    path.write_text(made.out)
    args = (logs, "--outcome-from", outcomes, "-q", "--no-redact")
    direct = run("export", "verdicts", *args, "--to", "otel", "-m", "last-speaker")
    again = run("export", "verdicts", *args, "--to", "otel", "--verdicts", path)
    assert (again.code, again.out) == (0, direct.out)
    decision = json.loads(run("gate", *args, "--json", "--verdicts", path).out)
    assert decision["config"]["verdicts"] == str(path)
    lines = made.out.splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "museum" not in line))
    ran = run("gate", *args, "--json", "--verdicts", path)
    (lost,) = [r for r in json.loads(ran.out)["runs"] if r["agent"] is None]
    assert lost["says"] == f"No verdict: {path.name} holds none on this run."
    path.write_text("{}\n")
    assert run("gate", *args, "--verdicts", path).code == 3


def test_what_was_said_before_is_redacted_too(run, tmp_path):
    secret = "sk-proj-" + "aB3dE5fG7h" * 5
    write_traces([make_trace("leaky", [("A", f"exit code 1 with {secret}")])], tmp_path / "t.jsonl")
    made = run("attribute", tmp_path / "t.jsonl", "--json", "-q").out
    assert secret[:20] in made
    made = made.replace('"config":{', '"config":{"outcome_from":"/home/ann/runs.csv",')
    (tmp_path / "v.jsonl").write_text(made)
    args = ("export", "verdicts", tmp_path / "t.jsonl", "--verdicts", tmp_path / "v.jsonl")
    out = run(*args, "--to", "junit").out
    assert secret[:20] not in out
    assert "ann/" not in out
    assert "runs.csv" in out
