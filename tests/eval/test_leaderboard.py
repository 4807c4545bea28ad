"""Whole evaluations of methods whose scores are known beforehand."""

import importlib.util
import json
from pathlib import Path

import msgspec
import pytest

import tracekit
from tracekit import registry
from tracekit.analyzers.compact.analyzer import Compact
from tracekit.analyzers.linear import Linear
from tracekit.context import Context
from tracekit.errors import InputError, Problem, UnknownName, UsageError
from tracekit.eval import tables
from tracekit.eval.board import Leaderboard
from tracekit.eval.config import EvalConfig
from tracekit.eval.leaderboard import evaluate
from tracekit.protocols import Fitted
from tracekit.trace import Label, Task, ToolCall

_spec = importlib.util.spec_from_file_location("eval_toys", Path(__file__).with_name("toys.py"))
toys = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(toys)
run = toys.run

RUNS = [run(f"t{i}", "abca"[: 2 + i % 3] + "b", (i * 5 + 1) % (3 + i % 3)) for i in range(24)]
BENCH = toys.Toy(*RUNS)


def board(methods, bench=BENCH, **settings):
    return evaluate(bench, methods, ".", folds=settings.pop("folds", 4), **settings)


def row(found, method, subset="all"):
    (one,) = [r for r in found.rows if (r.method, r.subset) == (method, subset)]
    return one


def value(found, method, metric, subset="all"):
    return row(found, method, subset).cells[metric].value


def test_the_right_answer_scores_everything():
    found = board([toys.Oracle(RUNS)])
    for metric in ("step", "agent", "joint", "near", "top3", "top5", "mrr"):
        assert value(found, "oracle", metric) == 1.0
    assert row(found, "oracle").cells["step"].high == 1.0
    assert row(found, "oracle").n == 24


def test_by_hand():
    # Named step 1 of runs blamed at 0, 1, 2, 1 with speakers a, b, a, b: steps 0 1 0 1.
    runs = [run("r0", "abab", 0), run("r1", "abab", 1), run("r2", "abab", 2), run("r3", "abab", 1)]
    found = board([toys.Fixed(lambda t: 1)], toys.Toy(*runs), folds=2)
    assert value(found, "fixed", "step") == 0.5
    assert value(found, "fixed", "agent") == 0.5
    assert value(found, "fixed", "near") == 1.0
    assert value(found, "uniform", "step") == 0.25
    assert value(found, "uniform", "agent") == 0.5
    # Within 1 of steps 0, 1, 2, 1 lie 2, 3, 3 and 3 of the 4 steps.
    assert value(found, "uniform", "near") == pytest.approx(11 / 16)


def test_references_are_always_there():
    found = board([toys.Silent()])
    methods = [r.method for r in found.rows if r.subset == "all"]
    assert methods == [
        "silent", "constant", "position-prior", "first-speaker", "last-speaker", "uniform",
    ]  # fmt: skip
    named = board(["constant", toys.Silent()])
    assert [r.method for r in named.rows][:2] == ["constant", "silent"]


def test_memory_is_worth_nothing_out_of_fold():
    found = board([toys.Memoriser()])
    zero = sum(t.labels[0].step == 0 for t in RUNS) / len(RUNS)
    assert zero < 0.5
    assert value(found, "memoriser", "step") == pytest.approx(zero, abs=1e-6)
    assert row(found, "memoriser").fit == "refitted"
    assert {c.fold for c in found.cases if c.method == "memoriser"} == {0, 1, 2, 3}


def test_copies_of_a_run_do_not_leak():
    # Every run exists twice under two questions: memory would be perfect if copies were torn.
    copies = [
        msgspec.structs.replace(
            t, id=f"{t.id}-copy", task=msgspec.structs.replace(t.task, question=f"again {t.id}")
        )
        for t in RUNS
    ]
    found = board([toys.Memoriser()], toys.Toy(*RUNS, *copies))
    zero = sum(t.labels[0].step == 0 for t in RUNS) / len(RUNS)
    assert value(found, "memoriser", "step") == pytest.approx(zero, abs=1e-6)
    assert row(found, "memoriser").n == 48


def test_shipped_weights_are_refused_on_what_they_saw():
    shipped = toys.Memoriser().fit(RUNS[:3], None)
    with pytest.raises(UsageError, match="3 of the 24 runs"):
        board([shipped], refit=False)
    marked = board([shipped], refit=False, allow_seen=True)
    assert row(marked, "memoriser").fit == "seen"
    assert "TRAINED ON THESE" in tables.as_text(marked)
    assert "TRAINED ON THESE" in tables.as_markdown(marked)
    clean = board([shipped], toys.Toy(*RUNS[3:]), refit=False)
    assert row(clean, "memoriser").fit == "shipped"
    assert row(clean, "constant").fit == "refitted"
    assert {c.fold for c in clean.cases if c.method == "memoriser"} == {None}


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in registry.BUILT_IN["analyzers"]
        if registry.get("analyzers", name).needs == {"trace"}
        and not isinstance(registry.get("analyzers", name), Fitted)
    ],
)
def test_a_method_that_is_not_refitted_reads_no_labels_through_another(name, monkeypatch):
    """The shipped weights know runs of these benchmarks: whoever asks them has to be refitted."""

    def secretly(*_):
        raise AssertionError(f"{name} reads weights that were fitted on labelled runs")

    for fitted in (Compact, Linear):
        monkeypatch.setattr(fitted, "attribute", secretly)
    for trace in RUNS[:3]:
        registry.get("analyzers", name).attribute(trace, Context())


def test_refitting_ignores_what_was_seen():
    shipped = toys.Memoriser().fit(RUNS, None)
    zero = sum(t.labels[0].step == 0 for t in RUNS) / len(RUNS)
    assert value(board([shipped]), "memoriser", "step") == pytest.approx(zero, abs=1e-6)


@pytest.mark.parametrize("with_answer", [False, True])
def test_methods_see_no_labels(with_answer):
    spy = toys.Fixed(lambda t: 0)
    found = board([spy], with_answer=with_answer)
    assert len(spy.shown) == 24
    assert all(trace.labels == () and trace.extra == {} for trace in spy.shown)
    assert {trace.task.expected for trace in spy.shown} == {"42" if with_answer else None}
    assert {r.with_answer for r in found.rows} == {with_answer}
    assert ("shown" if with_answer else "hidden") in tables.as_text(found)


@pytest.mark.parametrize("with_answer", [False, True])
def test_logs_that_hold_the_answer_are_counted(with_answer):
    """What is hidden may stand in the log all the same; whole words count, wherever they are."""
    runs = [
        run("r0", "ab", 0, texts=["Is it 42?", "Yes."]),
        run("r1", "ab", 1, texts=["It is 421.", "Or x42."]),
        run("r2", "ab", 0, question="Is 42 right?"),
        run("r3", "ab", 1),
    ]
    tool = ToolCall("sum", {"of": [40, 2]}, result="got\n42")
    steps = (msgspec.structs.replace(runs[3].steps[0], tools=(tool,)), runs[3].steps[1])
    runs[3] = msgspec.structs.replace(runs[3], steps=steps)
    unknown = msgspec.structs.replace(runs[0], id="r4", task=Task("Which?"))
    found = board([toys.Silent()], toys.Toy(*runs, unknown), folds=2, with_answer=with_answer)
    assert (found.answers, found.spoken, found.n) == (4, 3, 5)
    assert "in 3 of 4 runs" in " ".join(tables.as_text(found).split())


def test_abstention_counts_as_wrong_and_is_counted():
    found = board([toys.Silent()])
    twice = row(board([toys.Silent()], seeds=(0, 1)), "silent")
    assert (twice.n, twice.abstained) == (24, 24)
    silent = row(found, "silent")
    assert (silent.n, silent.abstained, silent.failed) == (24, 24, 0)
    assert silent.cells["step"].value == 0.0
    case = next(c for c in found.cases if c.method == "silent")
    assert (case.abstained, case.step, case.failed) == ("no idea", None, None)


def test_a_broken_method_is_a_record():
    ways = {"t0": "raises", "t1": "beyond", "t2": "empty"}
    found = board([toys.Broken(**ways)])
    broken = row(found, "broken")
    assert (broken.n, broken.abstained, broken.failed) == (24, 0, 3)
    right = sum(t.labels[0].step == 0 for t in RUNS[3:])
    assert broken.cells["step"].value == pytest.approx(right / 24, abs=1e-6)
    failed = {c.trace_id: c.failed for c in found.cases if c.method == "broken" and c.failed}
    assert set(failed) == set(ways)
    assert "ZeroDivisionError: boom" in failed["t0"]
    assert "step 999 is not in trace" in failed["t1"]


def test_a_method_that_cannot_be_fitted_is_a_record():
    class Unfit(toys.Memoriser):
        name = "unfit"

        def fit(self, traces, context):
            raise RuntimeError("singular")

    found = board([Unfit()])
    assert row(found, "unfit").failed == 24
    assert "singular" in found.cases[0].failed


def test_subsets_and_the_constant_of_each():
    left = [run(f"l{i}", "abab", 1) for i in range(6)]
    right = [run(f"r{i}", "abab", 3, framework="magentic-one") for i in range(4)]
    found = board([toys.Silent()], toys.Toy(*left, *right), folds=3)
    assert found.subsets == {"left": 6, "right": 4}
    assert (value(found, "constant", "step", "left"), row(found, "constant", "left").n) == (1.0, 6)
    assert (value(found, "constant", "step", "right"), row(found, "constant", "right").n) == (
        1.0,
        4,
    )
    assert value(found, "constant", "step") == 1.0
    assert value(found, "last-speaker", "step") == 0.4


def test_one_question_spans_subsets_but_not_folds():
    left = [run(f"l{i}", "abab", 1, question=f"q{i}") for i in range(8)]
    right = [run(f"r{i}", "abab", 3, question=f"q{i}", framework="magentic-one") for i in range(8)]
    found = board([toys.Memoriser()], toys.Toy(*left, *right), folds=4)
    fold = {c.trace_id: c.fold for c in found.cases if c.method == "memoriser"}
    assert all(fold[f"l{i}"] == fold[f"r{i}"] for i in range(8))
    assert found.groups == 8


def test_pairs_by_hand():
    # first is right on r0 r1 r2, second on r2 r3: 2 and 1 alone.
    runs = [run(f"r{i}", "ab", 0 if i < 3 else 1) for i in range(4)]
    second = toys.Fixed(lambda t: 0 if t.id == "r2" else 1, "second")
    found = board([toys.Fixed(lambda t: 0, "first"), second], toys.Toy(*runs), folds=2)
    pair = next(p for p in found.pairs if (p.second, p.metric) == ("second", "step"))
    assert (pair.first, pair.only_first, pair.only_second, pair.exact) == ("first", 2, 1, 1.0)
    assert pair.mid_p == pytest.approx(5 / 8)  # (2 (1 + 3) - 3) / 8
    assert not any("uniform" in (p.first, p.second) for p in found.pairs)


def test_seeds_are_averaged_and_cases_are_not_multiplied():
    class Lot(toys.Silent):
        name = "lot"

        def attribute(self, trace, context):
            return toys.answer(trace, context.seed % 2, self.name)

    runs = [run(f"r{i}", "ab", 0) for i in range(3)] + [run("r3", "ab", 1)]
    found = board([Lot()], toys.Toy(*runs), folds=2, seeds=(0, 1))
    lot = row(found, "lot")
    assert (lot.n, lot.cells["step"].value) == (4, 0.5)
    assert (lot.cells["step"].least, lot.cells["step"].most) == (0.25, 0.75)
    assert len([c for c in found.cases if c.method == "lot"]) == 8


def test_official_scorer_is_marked_and_has_its_own_columns():
    found = board([toys.Fixed(lambda t: len(t.steps) - 1)], scorer="official")
    assert found.lenient
    assert set(row(found, "fixed").cells) == {"step", "agent", "joint"}
    assert value(found, "fixed", "agent") == 1.0
    assert "LENIENT" in tables.as_text(found)
    assert value(found, "uniform", "agent") == 1.0  # the toy scorer takes any agent
    assert set(row(board([toys.Silent()]), "silent").cells) >= {"near", "top3", "mrr"}


def test_what_cannot_be_scored_is_told():
    unlabelled = msgspec.structs.replace(RUNS[0], id="bare", labels=())
    other = msgspec.structs.replace(RUNS[0], id="other", labels=(Label("injected", "a", 0),))
    lost = Problem(what="not a JSON document", path="x.json")
    skipped = Problem(what="nothing here", path="README", severity="skip")
    found = board([toys.Silent()], toys.Toy(*RUNS, unlabelled, other, lost, skipped))
    assert (found.n, found.unlabelled, found.problems) == (24, 2, (lost,))
    assert "Not scored: 2" in tables.as_text(found)


def test_same_input_same_bytes():
    methods = ["random", toys.Memoriser(), toys.Broken(t0="raises")]
    first, second = board(methods, seeds=(0, 3)), board(methods, seeds=(0, 3))
    assert tables.as_json(first) == tables.as_json(second)
    assert list(tables.cases_jsonl(first)) == list(tables.cases_jsonl(second))
    assert tables.as_markdown(first) == tables.as_markdown(second)
    other = board(methods, seeds=(1,))
    assert tables.as_json(first) != tables.as_json(other)


def test_json_is_the_board_without_cases():
    found = board([toys.Silent()])
    document = json.loads(tables.as_json(found))
    assert document["schema"] == "tracekit/leaderboard/1"
    assert (document["definition"], document["base"]) == ("decisive", 0)
    assert "cases" not in document
    again = msgspec.json.decode(tables.as_json(found), type=Leaderboard)
    assert again == msgspec.structs.replace(found, cases=())
    lines = [json.loads(line) for line in tables.cases_jsonl(found)]
    assert len(lines) == 24 * 6
    assert {"method", "trace_id", "gold_step", "gold_agent", "scores"} <= set(lines[0])


def test_tables_fit_a_terminal_and_keep_their_shape():
    found = board([toys.Fixed(lambda t: 0, "a|b *bold* [red]x[/red]")])
    text = tables.as_text(found)
    assert max(map(len, text.splitlines())) <= 80
    assert "a|b *bold* [red]x[/red]" in text
    rows = [line for line in tables.as_markdown(found).splitlines() if line.startswith("| a\\|b")]
    assert "\\*bold\\*" in rows[0]
    assert rows[0].replace("\\|", "").count("|") == 13
    assert "decisive" in text
    assert "seed 0" in text


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"folds": 1}, "at least 2 folds"),
        ({"folds": 99}, "at most 24 folds"),
        ({"seeds": ()}, "at least one seed"),
        ({"seeds": (1, 1)}, "named twice"),
        ({"seeds": (-1,)}, "at least 0"),
        ({"scorer": "kind"}, "strict and official"),
        ({"foldz": 3}, "no setting 'foldz'"),
    ],
)
def test_settings_that_make_no_sense(settings, match):
    with pytest.raises(UsageError, match=match):
        board([toys.Silent()], **settings)


def test_names_that_make_no_sense():
    with pytest.raises(UnknownName, match="no analyzer"):
        board(["nobody"])
    with pytest.raises(UnknownName, match="no benchmark"):
        evaluate("nothing", ["random"], ".")
    with pytest.raises(UsageError, match="named twice"):
        board(["random", "random"])
    with pytest.raises(UsageError, match="own row"):
        board([toys.Fixed(lambda t: 0, "uniform")])
    with pytest.raises(InputError, match="no run with a decisive label"):
        board(["random"], toys.Toy())


def test_it_is_public_and_takes_a_config():
    config = EvalConfig(folds=3, seeds=(5,))
    found = tracekit.evaluate(BENCH, [toys.Silent()], ".", config, with_answer=True)
    assert (found.folds, found.seeds, found.with_answer) == (3, (5,), True)


def test_progress_is_told():
    told = []
    board([toys.Silent()], seeds=(0, 1), progress=lambda *event: told.append(event))
    assert [(done, total) for done, total, _ in told] == [(i, 12) for i in range(1, 13)]
    assert told[0][2] == "silent, seed 0"
