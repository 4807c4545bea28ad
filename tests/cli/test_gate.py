"""`tracekit gate` and `tracekit export verdicts` as commands: codes, files, streams."""

import json
import shutil
import socket
from pathlib import Path
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


def test_verdicts_say_what_they_were_made_with(run, logs, outcomes, tmp_path, monkeypatch):
    """In every line, whatever becomes of the file: through a gate, and in each format."""
    monkeypatch.chdir(tmp_path)
    outcomes = shutil.copy(outcomes, tmp_path)
    said = ("-m", "constant", "--set", "step=1", "--seed", 3, "--outcome-from", outcomes)
    made = tmp_path / "verdicts.jsonl"
    made.write_text(run("attribute", logs, *said, "--json", "-q").out)
    lines = [json.loads(line) for line in made.read_text().splitlines()]
    config = lines[0]["config"]
    assert {line["config"] == config for line in lines} == {True}
    assert config == {
        "tracekit": __version__, "method": "constant", "set": ["step=1"], "seed": 3,
        "outcome_from": "outcomes.csv", "redact": "none",
    }  # fmt: skip
    known = (logs, "--outcome-from", outcomes, "--verdicts", made)
    assert json.loads(run("gate", *known, "--json").out)["config"] == {
        "tracekit": __version__, "verdicts": "verdicts.jsonl", "outcome_from": "outcomes.csv",
        "redact": "secrets", "fail_on": ["any-failure"], "made": config,
    }  # fmt: skip
    export = ("export", "verdicts", logs, "--outcome-from", outcomes, "--verdicts", made, "--to")
    assert json.loads(run(*export, "sarif").out)["runs"][0]["properties"]["config"] == config
    for name in FORMATS:
        assert "outcomes.csv" in run(*export, name).out, name


def test_the_configuration_is_the_same_in_every_checkout(
    run, logs, outcomes, tmp_path, monkeypatch
):
    """Where logs lie and how answers travel is nobody's business, nor is what nobody asked for."""
    made = []
    for n, more in enumerate((("--retries", 1), ("--concurrency", 3, "--llm", "http://h/v1"))):
        folder = tmp_path / f"checkout-{n}"
        shutil.copytree(logs, folder / "logs")
        shutil.copy(outcomes, folder / "o.csv")
        monkeypatch.chdir(folder)
        place = folder if n else Path()
        run("gate", "logs", "--outcome-from", place / "o.csv", "-m", "linear", *more, "--baseline",
            place / "b.json", "--accept", "--sarif", "s.sarif", "--junit", folder / "j.xml")  # fmt: skip
        made.append([(folder / name).read_bytes() for name in ("b.json", "s.sarif", "j.xml")])
    assert made[0] == made[1]
    assert json.loads(made[0][0])["config"] == {
        "tracekit": __version__, "method": "linear", "seed": 0, "outcome_from": "o.csv",
        "redact": "secrets", "baseline": "b.json", "fail_on": ["any-failure"],
    }  # fmt: skip


def test_a_key_in_an_address_goes_nowhere(run, logs, tmp_path):
    """Not even one that looks like none; nor one among the settings, whatever was redacted."""
    secret, known = "the-quiet-key", "sk-proj-" + "aB3dE5fG7h" * 5
    server = ("--llm", f"http://localhost:9/v1/{secret}", "--retries", 0)
    asked = ("-m", "judge:all-at-once", "--set", f"model={known}", *server)
    for method, address in ((asked, "http://localhost:9"), (("-m", "linear", *server), None)):
        lines = run("attribute", logs, *method, "--json", "-q").out
        assert secret not in lines
        configs = [json.loads(line)["config"] for line in lines.splitlines()]
        assert configs
        assert all(config.get("llm") == address for config in configs)
        assert known not in json.dumps(configs)
        base = tmp_path / "b.json"
        args = ("gate", logs, *method, "--baseline", base, "--accept", "--no-redact", "-q")
        run(*args, "--sarif", tmp_path / "s.sarif")
        written = (tmp_path / "s.sarif").read_text() + (base.read_text() if base.exists() else "")
        assert secret not in written


@pytest.mark.parametrize(
    "more",
    [["-m", "linear"], ["--model", "m"], ["--set", "a=1"], ["--llm", "http://h/v1"]],
)
def test_verdicts_that_are_made_are_not_made_by_another_method(
    run, logs, tmp_path, monkeypatch, more
):
    made = tmp_path / "v.jsonl"
    made.write_text("")
    for command in (["gate"], ["export", "verdicts"]):
        args = [*command, logs, "--verdicts", made, *(["--to", "sarif"] if command[1:] else [])]
        ran = run(*args, *more)
        assert ran.code == 2
        assert "made already" in ran.err
        said = 'method = "constant"\nsettings = { step = 1 }\nllm = "http://h/v1"\n'
        (tmp_path / "tracekit.toml").write_text(said)
        monkeypatch.chdir(tmp_path)
        assert "made already" not in run(*args).err


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
    assert decision["config"]["made"]["method"] == "last-speaker"
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
    assert "ann" not in out
