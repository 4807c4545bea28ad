"""`tracekit eval`: one benchmark or all, out of fold or out of set."""

import importlib.util
import json
from pathlib import Path

import pytest

from tracekit import registry
from tracekit.analyzers.models import save_model, weights_id

_path = Path(__file__).parents[1] / "eval" / "layouts.py"
_spec = importlib.util.spec_from_file_location("cli_layouts", _path)
lay = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(lay)


@pytest.fixture
def root(tmp_path):
    for i in range(4):
        lay.who_and_when(tmp_path, f"r{i}", f"Where is {i}?", ["human", "A", "B"], 1 + i % 2)
        lay.mast(tmp_path, f"p{i}", f"How many {i}?", ["Step repetition"])
    return tmp_path


def test_all_in_every_form(run, root, tmp_path):
    page, cases = tmp_path / "out.md", tmp_path / "cases.jsonl"
    done = run("eval", "all", "--data", root, "-m", "random", "--markdown", page, "--cases", cases)
    assert done.code == 0
    assert "who-and-when" in done.out
    assert "mast" in done.out
    assert page.read_text().startswith("# All benchmarks\n")
    names = {json.loads(line)["benchmark"] for line in cases.read_text().splitlines()}
    assert names == {"who-and-when", "mast"}


def test_all_as_json(run, root):
    done = run("eval", "all", "--data", root, "-m", "random", "--json", "--quiet")
    document = json.loads(done.out)
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    assert [board["benchmark"] for board in document["boards"]] == ["who-and-when", "mast"]


def test_lodo(run, root):
    done = run(
        "eval", "who-and-when", "--data", root, "-m", "linear", "--folds", 2,
        "--protocol", "lodo", "--json", "--quiet",
    )  # fmt: skip
    board = json.loads(done.out)
    assert (done.code, board["protocol"], board["outside"]) == (0, "lodo", ["mast"])
    assert {row["fit"] for row in board["rows"] if row["method"] == "linear"} == {"transferred"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--protocol", "x"], "known are folds and lodo"),
        (["--protocol", "lodo", "--shipped"], "does not go with --shipped"),
    ],
)
def test_what_makes_no_sense(run, root, more, said):
    done = run("eval", "all", "--data", root, "-m", "random", *more)
    assert done.code == 2
    assert said in done.err


def test_no_benchmark_there(run, tmp_path):
    done = run("eval", "all", "--data", tmp_path, "-m", "random")
    assert done.code != 0
    assert "none of the known benchmarks" in done.err


def test_done_again_it_is_the_same_until_the_data_change(run, root, tmp_path):
    page, made = tmp_path / "board.html", tmp_path / "made.json"
    done = run("eval", "all", "--data", root, "-m", "random", "--html", page, "--manifest", made)
    assert done.code == 0
    assert "who-and-when" in page.read_text()
    again = run("reproduce", made, "--data", root)
    assert again.code == 0, again.err
    assert "the same data and the same figures: who-and-when (4 runs), mast (4 runs)" in (
        " ".join(again.out.split())
    )
    lay.who_and_when(root, "r9", "Where is 9?", ["human", "A", "B"], 1)
    other = run("reproduce", made, "--data", root, "--json")
    assert other.code == 1
    said = json.loads(other.out)
    assert not said["same"]
    assert said["differences"] == ["who-and-when: other runs or labels (4 then, 5 now)"]
    nothing = run("reproduce", root / "nothing.json", "--data", root)
    assert nothing.code == 4


def test_weights_of_a_folder_are_named_by_what_they_are_not_by_where_they_lie(run, root, tmp_path):
    first, second, made = tmp_path / "first", tmp_path / "second", tmp_path / "made.json"
    save_model(registry.get("analyzers", "linear"), first, definition="decisive", card="")
    asked = ("eval", "all", "--data", root, "--model", first, "--manifest", made)
    done = run(*asked)
    assert done.code == 0, done.err
    written = made.read_text()
    assert str(tmp_path) not in written
    assert json.loads(written)["weights"] == weights_id(first)
    lost = run("reproduce", made, "--data", root)
    assert (lost.code, "say where they lie: --model DIR" in lost.err) == (2, True)
    first.rename(second)
    again = run("reproduce", made, "--data", root, "--model", second)
    assert again.code == 0, again.err
    save_model(registry.get("analyzers", "compact"), first, definition="decisive", card="")
    other = run("reproduce", made, "--data", root, "--model", first, "--json")
    assert other.code == 1
    said = json.loads(other.out)["differences"][0]
    assert said == f"other weights: {weights_id(second)} then, {weights_id(first)} now"


def test_weights_that_nobody_scored_have_no_place(run, root, tmp_path):
    made = tmp_path / "made.json"
    assert run("eval", "all", "--data", root, "-m", "random", "--manifest", made).code == 0
    done = run("reproduce", made, "--data", root, "--model", tmp_path)
    assert (done.code, "no weights were scored" in done.err) == (2, True)
