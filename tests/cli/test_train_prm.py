"""`tracekit train prm`: values from outcomes alone or from targets, saved, scored with, refused."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tracekit.analyzers.models import load_values, save_model
from tracekit.prm.targets import Target, of_outcomes, write_targets
from tracekit.store import write_traces
from tracekit.testing.traces import make_trace
from tracekit.trace import Outcome, Task


def run_of(number):
    good = number % 2 == 0
    texts = [
        f"I count the sails, {number}.",
        "That is right." if good else "Error: it does not add up: 2 + 2 = 5",
    ]
    return make_trace(
        f"run-{number}",
        zip("AB", texts, strict=True),
        task=Task(question=f"How many sails has boat {number // 4}?"),
        outcome=Outcome(status="success" if good else "failure"),
    )


RUNS = [run_of(n) for n in range(32)]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "runs.jsonl"
    write_traces(RUNS, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from tracekit_models.prm.evaluation import card, train_values

    target = tmp_path_factory.mktemp("model") / "prm"
    trained = train_values(RUNS, folds=4)
    save_model(trained.values, target, definition="outcome-only", card=card(trained, licence="mit"))
    return target


def test_outcomes_are_enough(run, logs, tmp_path):
    done = run(
        "train", "prm", logs, "-o", tmp_path / "m", "--folds", 4, "--license", "mit", "--json"
    )
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["config"]["kind"], said["config"]["traces"]) == ("prm", 32)
    assert said["evaluation"]["auroc"][-1]["value"] > 0.9
    assert (tmp_path / "m" / "README.md").read_text().startswith("---\nlicense: mit\n")
    scored = run("score", logs, "--model", tmp_path / "m", "--json", "-q")
    ends = [json.loads(line)["steps"][-1]["value"] for line in scored.out.splitlines()]
    assert min(ends[0::2]) > max(ends[1::2])


def test_targets_of_prefixes_teach_more_than_the_end(run, logs, tmp_path):
    rows = [
        Target(trace=f"run-{n}", step=1, value=0.9 if n % 2 else 0.1, weight=8, source="mc")
        for n in range(32)
    ]
    write_targets(rows, tmp_path / "targets.jsonl")
    args = ("--targets", tmp_path / "targets.jsonl", "-o", tmp_path / "m", "--folds", 4)
    assert run("train", "prm", logs, *args).code == 0
    values = load_values(tmp_path / "m")
    assert values.values(RUNS[1])[-1] > 0.6 > 0.4 > values.values(RUNS[0])[-1]
    assert "Targets: mc;" in (tmp_path / "m" / "README.md").read_text()


def test_it_is_no_method_of_attribution(run, logs, folder):
    done = run("attribute", logs, "--model", folder)
    assert done.code == 2
    assert "values runs" in done.err


def test_more_folds_than_problems_are_refused(run, logs, tmp_path):
    done = run("train", "prm", logs, "-o", tmp_path / "m", "--folds", 99)
    assert done.code == 2
    assert "--folds 99: 8 problems, 99 needed" in done.err
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--labels", "x.csv"), "labels say nothing"),
        (("--definition", "decisive"), "labels say nothing"),
    ],
)
def test_labels_are_refused(run, logs, tmp_path, args, said):
    done = run("train", "prm", logs, "-o", tmp_path / "m", *args)
    assert (done.code, said in done.err) == (2, True)


def test_targets_are_for_values_alone(run, logs, tmp_path):
    done = run("train", "linear", logs, "-o", tmp_path / "m", "--targets", "t.jsonl")
    assert (done.code, "for prm" in done.err) == (2, True)


def test_too_few_runs_are_refused(run, tmp_path):
    write_traces(RUNS[:6], tmp_path / "few.jsonl")
    done = run("train", "prm", tmp_path / "few.jsonl", "-o", tmp_path / "m")
    assert (done.code, "at least 20" in done.err) == (2, True)


def test_runs_that_all_ended_alike_are_refused(run, tmp_path):
    write_traces(RUNS[::2] * 2, tmp_path / "good.jsonl")
    done = run("train", "prm", tmp_path / "good.jsonl", "-o", tmp_path / "m")
    assert (done.code, "kinds of outcome" in done.err) == (2, True)


def test_damaged_weights_are_refused(run, logs, folder, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    data = bytearray((copy / "prm.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "prm.safetensors").write_bytes(bytes(data))
    done = run("score", logs, "--model", copy)
    assert done.code != 0
    assert "promises" in done.err


def test_targets_of_outcomes_are_those_of_the_runs():
    assert {target.value for target in of_outcomes(RUNS[:1])} == {1.0}
