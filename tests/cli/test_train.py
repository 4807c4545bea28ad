"""`tracekit train`, and the models that it makes in `attribute` and `eval`."""

import json

import pytest

from tracekit.store import write_traces
from tracekit.trace import Agent, Label, Outcome, Source, Step, Task, Trace

SPEAKERS = ("Manager", "Coder", "Tester", "Coder", "Tester")


def run_of(number, *, labels=(), status="failure"):
    """A run that breaks where the error stands: at step 1 or 3."""
    wrong = 1 + 2 * (number % 2)
    texts = [
        f"task {number}: count the sails of boat {number} please",
        "I have counted them with care",
        "that looks right to me",
        "here is the total of the boat",
        "the answer is written down",
    ]
    texts[wrong] = "Error: exception, the assumption is that nothing was found, let me assume 3"
    return Trace(
        id=f"run-{number}",
        source=Source(format="toy", path=f"run-{number}.json"),
        task=Task(question=f"How many sails has boat {number}?", expected=str(number)),
        agents=tuple(Agent(name, name) for name in dict.fromkeys(SPEAKERS)),
        steps=tuple(
            Step(i, name, content=t)
            for i, (name, t) in enumerate(zip(SPEAKERS, texts, strict=True))
        ),
        outcome=Outcome(status=status),
        labels=labels,
    )


def write(tmp_path, count, **options):
    write_traces([run_of(n, **options) for n in range(count)], tmp_path / "runs.jsonl")
    lines = [f"run-{n},{1 + 2 * (n % 2)},decisive,me" for n in range(count)]
    text = "trace,step,definition,annotator\n" + "\n".join(lines) + "\n"
    (tmp_path / "labels.csv").write_text(text)
    return tmp_path / "runs.jsonl", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "model"


def test_a_model_is_trained_scored_and_used(run, tmp_path):
    done = run("train", "linear", *write(tmp_path, 24), "--json", "--license", "mit")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["config"]["traces"] == 24
    rows = {row["method"]: row["cells"]["step"] for row in said["evaluation"]["rows"]}
    assert {"linear", "constant", "uniform", "first-speaker", "last-speaker"} <= set(rows)
    assert rows["linear"]["value"] > rows["uniform"]["value"]
    assert rows["linear"]["low"] < rows["linear"]["value"] <= rows["linear"]["high"]
    card = (tmp_path / "model" / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    assert "| linear | refit per fold |" in card
    verdict = run("attribute", tmp_path / "runs.jsonl", "--model", tmp_path / "model", "--json")
    models = {json.loads(line)["method"]["model"] for line in verdict.out.splitlines()}
    shipped = run("attribute", tmp_path / "runs.jsonl", "--json").out
    assert len(models) == 1
    assert models.isdisjoint(json.loads(line)["method"]["model"] for line in shipped.splitlines())


def test_compact_is_trained_scored_and_used(run, tmp_path):
    pytest.importorskip("torch")
    arguments = write(tmp_path, 24)
    done = run("train", "compact", *arguments, "--json", "--folds", "2", "--license", "mit")
    assert done.code == 0, done.err
    rows = {
        row["method"]: row["cells"]["step"] for row in json.loads(done.out)["evaluation"]["rows"]
    }
    assert rows["compact"]["value"] > rows["uniform"]["value"]
    files = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"networks.safetensors", "weights.json", "config.json", "README.md"} <= files
    verdict = run("attribute", tmp_path / "runs.jsonl", "--model", tmp_path / "model", "--json")
    made = [json.loads(line) for line in verdict.out.splitlines()]
    assert {one["method"]["name"] for one in made} == {"compact"}
    assert all(one["suspect_set"]["coverage"] == 0.9 and "warnings" not in one for one in made)


def test_the_same_labels_make_the_same_bytes(run, tmp_path):
    arguments = write(tmp_path, 12)
    outs = [run("train", "linear", *arguments, "--json", "--seed", "3").out]
    files = {p.name: p.read_bytes() for p in (tmp_path / "model").iterdir()}
    outs.append(run("train", "linear", *arguments, "--json", "--seed", "3").out)
    assert outs[0] == outs[1]
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "model").iterdir()}


@pytest.mark.parametrize(("count", "status"), [(9, "failure"), (24, "success")])
def test_fewer_than_ten_failures_are_refused(run, tmp_path, count, status):
    done = run("train", "linear", *write(tmp_path, count, status=status))
    assert done.code == 2
    assert "10 needed" in done.err
    assert not (tmp_path / "model").exists()


def test_what_cannot_be_held_out_is_not_scored_but_said(run, tmp_path):
    done = run("train", "linear", *write(tmp_path, 10), "--json")
    assert done.code == 0
    assert json.loads(done.out)["evaluation"] is None
    assert "no out-of-fold figures" in done.err
    assert "too few runs" in (tmp_path / "model" / "README.md").read_text()


def test_as_many_folds_as_were_asked_for(run, tmp_path):
    arguments = write(tmp_path, 18)
    done = run("train", "linear", *arguments, "--json", "--folds", "3")
    assert json.loads(done.out)["evaluation"]["folds"] == 3
    assert json.loads(run("train", "linear", *arguments, "--json").out)["evaluation"]["folds"] == 18


@pytest.mark.parametrize(
    ("count", "folds", "why"),
    [(12, 13, "12 questions"), (12, 3, "8 traces have a labelled step"), (10, 5, "10 needed")],
)
def test_folds_that_cannot_be_had_are_refused(run, tmp_path, count, folds, why):
    done = run("train", "linear", *write(tmp_path, count), "--folds", folds)
    assert done.code == 2
    assert f"--folds {folds}: " in done.err
    assert why in done.err
    assert not (tmp_path / "model").exists()


def test_labels_of_two_meanings_are_never_pooled(run, tmp_path):
    arguments = write(tmp_path, 12, labels=(Label("injected", step=2),))
    done = run("train", "linear", *arguments)
    assert done.code == 2
    assert "decisive (12), injected (12)" in done.err
    assert run("train", "linear", *arguments, "--definition", "injected", "-q").code == 0
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["definition"] == "injected"


def test_a_bad_row_is_said_and_the_rest_trains(run, tmp_path):
    arguments = write(tmp_path, 13)
    with (tmp_path / "labels.csv").open("a") as file:
        file.write("run-99,1,decisive,me\n")
    done = run("train", "linear", *arguments)
    assert done.code == 3
    assert "labels.csv:15: error: no trace has this id" in done.err
    assert (tmp_path / "model" / "config.json").exists()


@pytest.mark.parametrize(
    ("method", "more", "what"),
    [
        ("random", (), "methods that have: "),
        ("no-such", (), "no analyzer is named"),
        ("linear", ("--definition", "guess"), "known are"),
        ("linear", ("--license", "a b: c"), "identifier"),
    ],
)
def test_wrong_requests(run, tmp_path, method, more, what):
    done = run("train", method, *write(tmp_path, 12), *more)
    assert done.code == 2
    assert what in done.err


def test_a_folder_of_something_else_is_not_touched(run, tmp_path):
    arguments = write(tmp_path, 12)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "notes.txt").write_text("mine")
    assert run("train", "linear", *arguments).code == 2
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["notes.txt"]


def test_eval_scores_a_model_as_it_is(run, tmp_path):
    assert run("train", "linear", *write(tmp_path, 12), "-q").code == 0
    done = run("eval", "who-and-when", "--data", tmp_path, "--model", tmp_path / "none")
    assert done.code == 2
    assert "no such folder" in done.err
    done = run("eval", "who-and-when", "--data", tmp_path)
    assert done.code == 2
    assert "nothing to score" in done.err


@pytest.mark.data
def test_the_shipped_weights_come_out_again(run, data, tmp_path):
    """The development half through the front door gives the weights that ship."""
    folder = data / "labeled" / "who-and-when"
    done = run("train", "linear", folder, "-o", tmp_path / "model", "--json", "--folds", "2")
    assert done.code == 0
    from tracekit.analyzers.linear import shipped
    from tracekit.analyzers.models import load_model

    assert load_model(tmp_path / "model").weights == shipped()
    done = run("eval", "who-and-when", "--data", folder, "--model", tmp_path / "model")
    assert done.code == 2
    assert "fitted on 91 of the 91" in done.err
