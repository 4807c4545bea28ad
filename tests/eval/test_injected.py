"""The benchmark of injected failures: what counts, and where it is found."""

import pytest

from tracekit.errors import InputError, Problem
from tracekit.eval.benchmarks.injected import Injected, place
from tracekit.eval.dataset import read
from tracekit.eval.leaderboard import evaluate
from tracekit.inject.dataset import build, read_rows
from tracekit.inject.spec import Spec
from tracekit.trace import Source, Trace

BENCH = Injected()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("set") / "injected"
    build(Spec(n=24, families=("arithmetic",), topologies=("chain", "star"), seed=1), out)
    return out


def test_verified_failures_count_and_nothing_else(folder):
    found = list(BENCH.load(folder))
    assert not [one for one in found if isinstance(one, Problem)]
    rows = [row for row in read_rows(folder) if row["verified"]]
    assert [trace.id for trace in found] == [row["id"] for row in rows]
    dataset = read(BENCH, folder)
    assert (len(dataset.items), dataset.unlabelled) == (24, 0)
    assert [item.label.step for item in dataset.items] == [row["decisive_step"] for row in rows]


def test_methods_see_neither_labels_nor_how_the_run_was_made(folder):
    for item in read(BENCH, folder).items:
        assert item.trace.labels == ()
        assert item.trace.extra == {}
        assert item.trace.task.expected is None
        assert [label.definition for label in item.labelled.labels] == ["decisive"]


def test_parts_are_topologies_and_groups_are_tasks(folder):
    dataset = read(BENCH, folder)
    assert dataset.subsets == ["chain", "star"]
    assert {item.group.split("/")[1] for item in dataset.items} == {"arithmetic"}


def test_the_folder_may_lie_below(folder):
    above = {trace.id for trace in BENCH.load(folder.parent)}
    assert above == {trace.id for trace in BENCH.load(folder)}
    (shard, *_) = sorted((folder / "data").glob("*.parquet"))
    assert {trace.id for trace in BENCH.load(shard)} <= above


def test_a_folder_without_a_set_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="tracekit inject"):
        list(BENCH.load(tmp_path))


def test_runs_of_other_systems_have_no_place():
    assert place(Trace("t", Source("x"))) == ("", "")


def test_methods_are_scored_on_it(folder):
    board = evaluate("injected", ["first-error"], folder, folds=3, seeds=(0,))
    assert board.n == 24
    assert {row.method for row in board.rows} >= {"first-error", "constant", "uniform"}
