"""`tracekit export traces`, and `--redact` wherever it is offered."""

import json

import pytest

import tracekit as tk
from tracekit import registry
from tracekit.export.fields import subset
from tracekit.store import read_traces, write_traces
from tracekit.testing.traces import make_trace

SECRET = "sk-proj-" + "aB3dE5fG7h" * 5
CARD = "4111 1111 1111 1111"


@pytest.fixture
def leaky(tmp_path):
    """A trace file that holds a key, an address and a card number."""
    path = tmp_path / "leaky.jsonl"
    text = f"the key is {SECRET}, write to ann@example.org, pay with {CARD}"
    write_traces([make_trace("leaky", [("A", text), ("B", "done")])], path)
    return path


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN["exporters"]))
def test_example_logs_go_out_and_come_back(run, logs, tmp_path, name):
    exporter = registry.get("exporters", name)
    out = tmp_path / f"out{exporter.suffix}"
    ran = run("export", "traces", logs, "--to", name, "-o", out, "--no-redact", "-q")
    assert (ran.code, ran.err) == (0, "")
    before = {trace.id: subset(trace, exporter.keeps) for trace in tk.load(logs)}
    after = {trace.id: subset(trace, exporter.keeps) for trace in tk.load(out)}
    assert before == after
    assert len(after) > 5


def test_secrets_are_taken_out_unless_asked(run, leaky, tmp_path):
    ran = run("export", "traces", leaky, "--to", "otlp", "-o", tmp_path / "a.jsonl")
    assert "redacted: 1 email, 1 openai-key" in ran.out
    assert SECRET not in (tmp_path / "a.jsonl").read_text()
    assert CARD in (tmp_path / "a.jsonl").read_text()
    ran = run("export", "traces", leaky, "--to", "otlp", "-o", tmp_path / "b.jsonl", "--no-redact")
    assert "nothing was redacted" in ran.out
    assert SECRET in (tmp_path / "b.jsonl").read_text()


def test_personal_data_are_taken_out_on_request(run, leaky, tmp_path):
    run("export", "traces", leaky, "--to", "jsonl", "-o", tmp_path / "a.jsonl", "--pii")
    (trace,) = read_traces(tmp_path / "a.jsonl")
    assert CARD not in trace.steps[0].content
    assert "[REDACTED:credit-card:" in trace.steps[0].content


def test_losses_are_told_once_and_as_json(run, logs, tmp_path):
    ran = run("export", "traces", logs, "--to", "otlp", "-o", tmp_path / "o.jsonl", "--json")
    summary = json.loads(ran.out)
    assert summary["traces"] == len(list(tk.load(tmp_path / "o.jsonl")))
    told = {loss["what"]: loss["traces"] for loss in summary["losses"]}
    assert told["where each step lies in the original log (steps.raw)"] == summary["traces"]
    assert ran.err.count("steps.raw") == 1
    ran = run("export", "traces", logs, "--to", "jsonl", "-o", tmp_path / "o", "--json")
    assert json.loads(ran.out)["losses"] == []


def test_an_export_beside_its_input_is_not_read_again(run, logs):
    for _ in range(2):
        ran = run("export", "traces", logs, "--to", "jsonl", "-o", logs / "all.jsonl", "--json")
    assert json.loads(ran.out)["traces"] == len(list(tk.load(logs / "all.jsonl")))


def test_nothing_is_written_of_nothing(run, tmp_path):
    (tmp_path / "empty").mkdir()
    ran = run("export", "traces", tmp_path / "empty", "--to", "otlp", "-o", tmp_path / "o.jsonl")
    assert ran.code == 3
    assert "no trace in" in ran.err
    assert not (tmp_path / "o.jsonl").exists()


def test_an_unknown_format_is_named_with_the_known_ones(run, logs, tmp_path):
    ran = run("export", "traces", logs, "--to", "xml", "-o", tmp_path / "o")
    assert ran.code == 2
    assert "known: atif, jsonl, openinference, otlp, parquet" in ran.err


def test_ingest_redacts_on_request_and_counts(run, leaky, tmp_path):
    out = tmp_path / "t.jsonl"
    assert run("ingest", leaky, "-o", out).code == 0
    assert SECRET in out.read_text()
    ran = run("ingest", leaky, "-o", out, "--redact")
    assert "redacted: 1 email, 1 openai-key" in ran.out
    assert SECRET not in out.read_text()
    manifest = json.loads((tmp_path / "t.manifest.json").read_text())
    assert manifest["redacted"] == {"email": 1, "openai-key": 1}
    assert manifest["options"]["redact"] == "secrets"


def test_a_report_is_redacted_on_request(run, leaky, tmp_path):
    report = tmp_path / "r.html"
    assert run("attribute", leaky, "--html", report).code == 0
    assert SECRET in report.read_text()
    ran = run("attribute", leaky, "--html", report, "--redact")
    assert "redacted: 1 email, 1 openai-key" in ran.err
    assert SECRET not in report.read_text() + ran.out


def test_a_group_without_a_command_is_a_usage_error(run):
    assert run("export").code == 2
