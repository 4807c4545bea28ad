"""Several benchmarks at once: what they share, training on the others, modes, the Hub."""

import importlib.util
import json
from pathlib import Path

import msgspec
import pytest

from tracekit.attribution import Attribution, Method, Suspect
from tracekit.errors import InputError, UsageError
from tracekit.eval import suite_tables, tables
from tracekit.eval.hub import located, present
from tracekit.eval.leaderboard import evaluate
from tracekit.eval.pool import outside, overlaps, read_all
from tracekit.eval.suite import Suite, evaluate_all
from tracekit.folds import fingerprint, question_key


def _beside(name):
    spec = importlib.util.spec_from_file_location(f"eval_{name}", Path(__file__).with_name(name))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lay, toys = _beside("layouts.py"), _beside("toys.py")
TEAM = ["Orchestrator (thought)", "WebSurfer", "Orchestrator (-> WebSurfer)", "WebSurfer"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Four benchmarks; AgentRx holds the runs of Who&When, one question is asked in TRAIL too."""
    root = tmp_path_factory.mktemp("data")
    for i in range(6):
        question = f"Where is number {i}?"
        lay.who_and_when(root, f"r{i}", question, ["human", *TEAM], 1 + i % 3)
        lay.agentrx(root, f"r{i}", question, TEAM, 3, "System Failure")
        file = root / "who-and-when" / "Hand-Crafted" / f"r{i}.json"
        record = json.loads(file.read_text())
        record["history"][0]["content"] = question
        file.write_text(json.dumps(record))
    for i in range(4):
        errors = [(0, "Goal Deviation"), (2, "Formatting Errors")]
        question = "where is number 0" if i == 0 else f"Which door {i}?"
        lay.trail(root, f"t{i}", question, [f"a{i}", "b", "c", "d"], errors)
    for i in range(5):
        yes = ["Step repetition"] if i < 4 else ["Trajectory restart"]
        lay.mast(root, f"p{i}", f"How many {i}?", yes, ["No attempt to verify outcome"])
    return root


class Modal:
    """Names step 0 with the modes it is told to."""

    name = "modal"
    needs = frozenset({"trace"})

    def __init__(self, *modes):
        self.modes = modes

    def attribute(self, trace, context):
        suspect = Suspect(trace.steps[0].agent, 0, 0.9, modes=self.modes)
        return Attribution(trace_id=trace.id, method=Method(self.name), suspects=(suspect,))


class Pupil(toys.Silent):
    """Remembers what it was taught, to be looked at."""

    name = "pupil"

    def __init__(self):
        self.taught = []

    def seen(self):
        return frozenset()

    def fit(self, traces, context):
        self.taught.append(list(traces))
        return self


def row(board, method):
    (one,) = [r for r in board.rows if (r.method, r.subset) == (method, "all")]
    return one


def test_all_finds_what_is_there(root):
    suite = evaluate_all([Modal()], root, folds=10)
    assert [board.benchmark for board in suite.boards] == [
        "who-and-when",
        "agentrx",
        "trail",
        "mast",
    ]
    assert [board.n for board in suite.boards] == [6, 6, 4, 5]
    assert [board.folds for board in suite.boards] == [6, 6, 4, 5]
    assert suite.problems == ()


def test_what_benchmarks_share(root):
    found = {(o.first, o.second): o for o in overlaps(read_all(root))}
    both = found["who-and-when", "agentrx"]
    # Who&When blames steps 1, 2, 3, 1, 2, 3; AgentRx blames step 2 of all.
    assert (both.runs, both.questions, both.same_step, both.labelled) == (6, 6, 2, 6)
    asked = found["who-and-when", "trail"]
    assert (asked.runs, asked.questions) == (0, 1)
    assert ("trail", "mast") not in found


def test_leave_one_out_knows_no_run_and_no_question_of_the_target(root):
    datasets = read_all(root)
    for name, dataset in datasets.items():
        pool = outside(name, datasets, dataset)
        histories = {fingerprint(item.trace) for item in dataset.items}
        questions = {question_key(item.trace) for item in dataset.items}
        assert not histories & {fingerprint(trace) for trace in pool.traces}
        assert not questions & {question_key(trace) for trace in pool.traces}
        assert len({fingerprint(trace) for trace in pool.traces}) == len(pool.traces)
    pool = outside("who-and-when", datasets, datasets["who-and-when"])
    assert (pool.names, len(pool.traces), pool.dropped) == (("trail", "mast"), 3 + 5, 6 + 1)
    pool = outside("mast", datasets, datasets["mast"])
    assert (pool.names, len(pool.traces), pool.dropped) == (("who-and-when", "trail"), 6 + 4, 6)


def test_lodo_fits_once_on_the_others(root):
    pupil = Pupil()
    board = evaluate("trail", [pupil], root, folds=2, protocol="lodo")
    (taught,) = pupil.taught
    assert board.outside == ("who-and-when", "mast")
    assert {trace.source.format for trace in taught} == {"who-and-when", "mast"}
    assert all(trace.task.expected is None for trace in taught)
    assert row(board, "pupil").fit == "transferred"
    assert row(board, "constant").fit == "refitted"
    assert "other sets alone" in tables.as_text(board)
    assert "without any run or question of this benchmark" in tables.as_markdown(board)


def test_lodo_with_nothing_else_there_is_a_record(tmp_path):
    for i in range(3):
        lay.mast(tmp_path, f"p{i}", f"How many {i}?", ["Step repetition"])
    board = evaluate("mast", [Pupil()], tmp_path, folds=2, protocol="lodo")
    assert (board.outside, row(board, "pupil").failed) == ((), 3)
    assert "no other run" in board.cases[0].failed


def test_lodo_does_not_go_with_shipped_weights(root):
    with pytest.raises(UsageError, match="does not go with --shipped"):
        evaluate("trail", [Pupil()], root, protocol="lodo", refit=False)
    with pytest.raises(UsageError, match="known are folds and lodo"):
        evaluate("trail", [Pupil()], root, protocol="other")


def test_labels_without_steps_give_dashes_not_zeros(root):
    board = evaluate("mast", [Modal()], root, folds=2)
    assert row(board, "modal").cells == {}
    assert [r.method for r in board.rows] == ["modal", "frequent-modes"]
    assert board.idle == (
        "constant", "first-speaker", "last-speaker", "position-prior", "uniform",
    )  # fmt: skip
    assert "Left out" in tables.as_text(board)
    assert board.pairs == ()
    alone = evaluate("mast", ["constant"], root, folds=2)
    assert [r.method for r in alone.rows] == ["frequent-modes"]
    assert "step %" not in tables.as_markdown(board)
    suite = evaluate_all([Modal()], root, folds=2)
    (line,) = [
        x for x in suite_tables.summary(suite) if x.startswith("| mast | outcome-only | modal")
    ]
    assert line.split(" | ")[5:] == [tables.DASH] * 6 + ["0", "0 |"]


def test_a_method_that_cannot_be_fitted_here_is_a_record(root):
    board = evaluate("mast", ["linear"], root, folds=2)
    assert row(board, "linear").failed == 5
    assert "10 needed" in next(c.failed for c in board.cases if c.method == "linear")


def test_modes_by_hand(root):
    # Four of five runs repeat steps, the fifth restarts; the method says FM-1.3 of all.
    board = evaluate("mast", [Modal("step repetition", "FM-9.9")], root, folds=5)
    cells = row(board, "modal").cells
    assert cells["mode_micro"].value == pytest.approx(2 * 4 / (5 + 5))
    assert cells["mode_macro"].value == pytest.approx((2 * 4 / (4 + 5) + 0) / 2, abs=1e-6)
    assert cells["mode_accuracy"].value == pytest.approx((5 * 14 - 2) / (5 * 14), abs=1e-6)
    (repeat, restart) = [m for m in board.modes if m.method == "modal"]
    assert (repeat.mode, repeat.labelled, repeat.said, repeat.kappa) == ("FM-1.3", 4, 5.0, 0.0)
    assert (restart.mode, restart.recall, restart.precision) == ("FM-2.1", 0.0, None)
    assert "## Failure modes" in tables.as_markdown(board)
    # The most frequent mode of the other folds is FM-1.3 for all.
    assert row(board, "frequent-modes").cells["mode_micro"].value == pytest.approx(0.8)


def test_several_labels_by_hand(root):
    board = evaluate("trail", [Modal("Goal Deviation")], root, folds=2)
    cells = row(board, "modal").cells
    (case, *_) = [c for c in board.cases if c.method == "modal"]
    assert len(case.gold.steps) == 2
    named = 0 in case.gold.steps
    assert cells["step"].value == float(named)
    assert cells["recall"].value == named / 2
    assert cells["precision"].value == float(named)
    assert cells["spot_recall"].value == named / 2
    assert "## All that is accused" in tables.as_markdown(board)
    assert "all that is accused" in tables.as_text(board)


def test_calibration_is_pooled_and_simulated(root):
    suite = evaluate_all([Modal()], root, folds=4)
    pooled = next(each for each in suite.calibration if each.method == "modal")
    # Said 0.9 of step 0 in 12 runs; TRAIL's runs have two labelled steps, MAST's none.
    assert pooled.benchmarks == ("who-and-when", "agentrx")
    assert pooled.calibration.n == 12
    assert pooled.calibration.error == pytest.approx(0.9)
    assert pooled.calibration.expected < pooled.calibration.high < 0.5


def test_the_same_bytes_in_every_form(root):
    one, two = (evaluate_all([Modal("FM-1.3")], root, folds=4) for _ in range(2))
    assert suite_tables.as_json(one) == suite_tables.as_json(two)
    assert suite_tables.as_markdown(one) == suite_tables.as_markdown(two)
    text = suite_tables.as_text(one)
    assert max(map(len, text.splitlines()[:60])) <= 80
    assert "labelled alike in 2 of 6" in suite_tables.as_markdown(one)
    document = json.loads(suite_tables.as_json(one))
    assert document["schema"] == "tracekit/suite/1"
    assert all("cases" not in board for board in document["boards"])
    again = msgspec.json.decode(suite_tables.as_json(one), type=Suite)
    assert again.overlaps == one.overlaps
    lines = [json.loads(line) for line in suite_tables.cases_jsonl(one)]
    assert {line["benchmark"] for line in lines} == {board.benchmark for board in one.boards}


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="none of the known benchmarks"):
        evaluate_all([Modal()], tmp_path)


def test_progress_names_the_benchmark(root):
    told = []
    evaluate_all([Modal()], root, folds=4, progress=lambda *event: told.append(event[2]))
    assert told[0] == "who-and-when: modal, seed 0"
    assert any(what.startswith("mast: ") for what in told)


def test_agents_without_steps(tmp_path):
    """AEGIS: two of three agents are faulty; the first answer, and all of them, by hand."""
    lines = [
        json.dumps(lay.aegis(f"a{i}", f"What is {i}?", "ABC", [("A", "FM-1.1"), ("B", "FM-3.2")]))
        for i in range(4)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    board = evaluate("aegis", [Modal("FM-1.1", "FM-2.1")], tmp_path / "rows.jsonl", folds=2)
    cells = row(board, "modal").cells
    assert "step" not in cells
    assert cells["agent"].value == 1.0
    assert cells["agent_micro"].value == pytest.approx(2 / 3, abs=1e-6)  # A found of A and B
    assert cells["mode_micro"].value == 0.5
    assert cells["pair_micro"].value == 0.5
    assert cells["pair_macro"].value == pytest.approx(1 / 3, abs=1e-6)
    assert row(board, "uniform").cells["agent"].value == pytest.approx(2 / 3, abs=1e-6)
    assert board.idle == ("constant", "position-prior")


# --- the Hub ---


def test_a_data_set_of_rows(root, tmp_path, monkeypatch):
    """A folder that the `datasets` library reads; the network is not touched."""
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [
        json.loads((root / "who-and-when" / "Hand-Crafted" / f"r{i}.json").read_text())
        for i in range(6)
    ]
    rows[0]["mistake_type"] = "only here"
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    there = evaluate("who-and-when", [Modal()], f"hub:{folder}", folds=3)
    here = evaluate("who-and-when", [Modal()], root, folds=3)
    assert there.n == here.n == 6
    assert row(there, "modal").cells == row(here, "modal").cells
    with pytest.raises(InputError, match=r"cannot be loaded: .*"):
        evaluate("who-and-when", [Modal()], f"hub:{tmp_path / 'none'}")


def test_hub_places_that_make_no_sense(root):
    with pytest.raises(UsageError, match="expected hub:ORG/NAME"), located("hub:"):
        pass
    with pytest.raises(UsageError, match="not on the Hub"):
        evaluate_all([Modal()], "hub:a/b")


def test_members_of_other_rows_are_left_out():
    assert present({"a": [{"b": None, "c": 0}], "d": None}) == {"a": [{"c": 0}]}


# --- the real halves ---


@pytest.mark.data
def test_the_real_sets_share_what_is_documented(data):
    datasets = read_all(data)
    assert {name: len(found.items) for name, found in datasets.items()} == {
        "who-and-when": 91,
        "agentrx": 32,
        "agenterrorbench": 22,
        "tracertraj": 63,
        "trail": 43,
        "mast": 31,
    }
    found = {(o.first, o.second): o for o in overlaps(datasets)}
    both = found["who-and-when", "agentrx"]
    assert (both.runs, both.same_step, both.labelled) == (18, 7, 18)
    assert not any("tracertraj" in pair or "mast" in pair for pair in found)
    pool = outside("who-and-when", datasets, datasets["who-and-when"])
    assert not any(trace.source.framework == "magentic-one" for trace in pool.traces)


@pytest.mark.data
def test_the_documented_summary_is_what_is_measured(data):
    """Every row of docs/benchmarks.md that costs no fitting of weights."""
    page = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    told = page.partition("<!-- six: begin -->")[2].partition("<!-- six: end -->")[0]
    rows = [line for line in told.splitlines() if line.startswith("| ")][2:]
    suite = evaluate_all(["first-error", "random"], data, seeds=(0, 1, 2))
    now = [line for line in suite_tables.summary(suite) if line.startswith("| ")][2:]
    assert len(now) == 4 * 8 + 7 + 3 - 1
    assert [line for line in now if line not in rows] == []
    assert len(rows) == len(now) + 6
