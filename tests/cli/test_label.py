"""`tracekit label`: asked for through a pipe, resumed, joined from files, agreement reported."""

import io
import json

import pytest

from tracekit.store import read_traces, write_traces
from tracekit.trace import Agent, Label, Outcome, Source, Step, Task, Trace

HOSTILE = "\x1b[2J\x1b]0;owned\x07 and [bold]markup[/bold]"


def run_of(id, status="failure"):
    return Trace(
        id=id,
        source=Source(format="toy"),
        task=Task(question="How many?", expected="SECRET-ANSWER"),
        agents=(Agent("ada", "Ada"), Agent("bob", "Bob")),
        steps=(
            Step(0, "ada", content=HOSTILE),
            Step(1, "bob", content="x" * 5_000 + "THE-END"),
            Step(2, "ada", content="it is 7"),
        ),
        outcome=Outcome(status=status, reason="SECRET-REASON"),
        labels=(Label("decisive", "ada", 2, reason="SECRET-LABEL"),),
    )


@pytest.fixture
def logs(tmp_path):
    file = tmp_path / "runs.jsonl"
    write_traces([run_of("one"), run_of("good", "success"), run_of("two", "unknown")], file)
    return file


@pytest.fixture
def answers(monkeypatch):
    def give(*lines):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return give


def rows(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_two_runs_are_asked_about_and_written(run, logs, answers, tmp_path):
    out = tmp_path / "labels.jsonl"
    answers("", "x", "", "1.3, FM-2.6", "it stalls", "n", "1", "outcome-only", "", "")
    done = run("label", logs, "-o", out, "--annotator", "eve", "--json")
    assert (done.code, json.loads(done.out)) == (
        0,
        {"output": str(out), "added": 2, "runs": 2, "left": 0},
    )
    first, second = rows(out)
    assert first == {
        "trace": "one", "definition": "decisive", "agent": "bob", "step": 1,
        "modes": ["FM-1.3", "FM-2.6"], "annotator": "eve", "reason": "it stalls",
    }  # fmt: skip
    assert second == {
        "trace": "two", "definition": "outcome-only", "agent": "ada", "annotator": "eve",
    }  # fmt: skip


def test_a_sitting_goes_on_where_the_last_one_stopped(run, logs, answers, tmp_path):
    out = tmp_path / "labels.jsonl"
    answers("x", "", "", "", "q")
    assert (
        json.loads(run("label", logs, "-o", out, "--annotator", "eve", "--json").out)["left"] == 1
    )
    before = out.read_bytes()
    answers("2", "x", "decisive", "", "")
    done = run("label", logs, "-o", out, "--annotator", "eve", "--json")
    assert json.loads(done.out)["added"] == 1
    assert "run 1 of" not in done.err
    assert out.read_bytes().startswith(before)
    assert [row["trace"] for row in rows(out)] == ["one", "two"]
    answers()
    assert (
        json.loads(run("label", logs, "-o", out, "--annotator", "eve", "--json").out)["left"] == 0
    )


def test_the_end_of_the_input_saves_nothing_half(run, logs, answers, tmp_path):
    out = tmp_path / "labels.jsonl"
    answers("x", "decisive")
    done = run("label", logs, "-o", out, "--annotator", "eve")
    assert done.code == 0
    assert not out.exists()


def test_wrong_answers_are_asked_again(run, logs, answers, tmp_path):
    out = tmp_path / "labels.jsonl"
    answers(
        "eve", "99", "b", "huh", "?", "n", "7", "2", "sure", "decisive", "?", "9.9", "3.1", "", "s"
    )
    done = run("label", logs, "-o", out)
    assert done.code == 0
    assert rows(out) == [
        {
            "trace": "one",
            "definition": "decisive",
            "agent": "bob",
            "modes": ["FM-3.1"],
            "annotator": "eve",
        }
    ]
    assert "no such step" in done.err
    assert "'huh' is no key" in done.err
    assert "FM-2.4  information withholding" in done.err


def test_log_text_is_neutral_and_nothing_gives_the_answer_away(run, logs, answers, tmp_path):
    answers("q")
    done = run("label", logs, "-o", tmp_path / "l.jsonl", "--annotator", "eve")
    assert done.out == ""
    assert "\x1b" not in done.err
    assert "[bold]markup[/bold]" in done.err
    assert "SECRET" not in done.err
    answers("q")
    shown = run("label", logs, "-o", tmp_path / "l.jsonl", "--annotator", "eve", "--answer").err
    assert all(word in shown for word in ("SECRET-ANSWER", "SECRET-REASON", "SECRET-LABEL"))


def test_a_long_step_is_cut_until_asked_for(run, logs, answers, tmp_path):
    answers("1", "q")
    assert "THE-END" not in run("label", logs, "-o", tmp_path / "l.jsonl", "--annotator", "e").err
    answers("1", "f", "q")
    shown = run("label", logs, "-o", tmp_path / "l.jsonl", "--annotator", "e").err
    assert "THE-END" in "".join(shown.split())


def test_a_damaged_file_of_labels_is_left_alone(run, logs, answers, tmp_path):
    out = tmp_path / "labels.jsonl"
    out.write_text('{"trace": "one"}\n')
    answers("x")
    done = run("label", logs, "-o", out)
    assert done.code == 3
    assert "labels.jsonl:1" in done.err
    assert out.read_text() == '{"trace": "one"}\n'


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("-o", "labels.csv"), 2), (("--definition", "guess"), 2), (("--format", "nope"), 2)],
)
def test_wrong_options(run, logs, arguments, code):
    assert run("label", logs, *arguments).code == code


def test_only_successes_are_nothing_to_label(run, tmp_path):
    write_traces([run_of("good", "success")], tmp_path / "runs.jsonl")
    done = run("label", tmp_path / "runs.jsonl", "-o", tmp_path / "l.jsonl")
    assert done.code == 3
    assert "--all" in done.err


def test_apply_joins_reports_and_exports(run, logs, tmp_path):
    (tmp_path / "eve.csv").write_text(
        "trace,step,definition,annotator\none,2,decisive,eve\ntwo,1,decisive,eve\n"
    )
    (tmp_path / "kim.csv").write_text(
        "trace,step,definition,annotator\none,3,decisive,kim\ntwo,1,decisive,kim\nnine,1,decisive,kim\n"
    )
    out = tmp_path / "labelled.jsonl"
    both = ("--labels", tmp_path / "eve.csv", "-l", tmp_path / "kim.csv", "--base", "1")
    done = run("label", "apply", logs, *both, "-o", out, "--json")
    assert done.code == 3, "the row of an unknown trace"
    said = json.loads(done.out)
    assert (said["rows"], said["applied"], said["output"]) == (5, 4, str(out))
    assert said["agreement"][0]["step"]["value"] == 0.5
    assert said["agreement"][0]["near"]["value"] == 1.0
    assert [item["trace"] for item in said["disagreements"]] == ["one"]
    assert "kim.csv:4: error: no trace has this id" in done.err
    traces = {trace.id: trace for trace in read_traces(out)}
    assert [(label.step, label.base) for label in traces["two"].labels] == [(0, 1)]
    assert traces["one"].labels == (), "tied, and the old label of this definition gives way"
    table = run("label", "apply", logs, *both)
    assert "4 of 5 labels fit" in table.out
    assert "same step" in table.out
    kept = run("label", "apply", logs, *both, "--resolve", "keep", "-o", out, "-q")
    assert kept.code == 3
    assert len(next(read_traces(out)).labels) == 2


def test_apply_is_the_same_bytes_every_time(run, logs, tmp_path):
    (tmp_path / "eve.csv").write_text("trace,step,definition,annotator\none,2,decisive,eve\n")
    found = []
    for name in "ab":
        arguments = ("-l", tmp_path / "eve.csv", "-o", tmp_path / f"{name}.jsonl", "--json")
        found.append(run("label", "apply", logs, *arguments).out.replace(f"{name}.jsonl", ""))
    assert found[0] == found[1]
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
