"""Splits: nothing that belongs together is torn apart."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit.folds import dealt, fingerprint, grouped_folds
from tracekit.trace import Agent, Label, Source, Step, Task, Trace


def run(name, question, said):
    return Trace(
        id=name,
        source=Source(format="test", path=f"{name}.json"),
        task=Task(id=question),
        agents=(Agent("A", "A"),),
        steps=tuple(Step(index=i, agent="A", content=text) for i, text in enumerate(said)),
    )


def question(trace):
    return trace.task.id


def test_fingerprint_is_of_what_was_said():
    first, copy = run("x", "q1", ["a", "b"]), run("y", "q2", ["a", "b"])
    assert fingerprint(first) == fingerprint(copy)
    assert fingerprint(first) != fingerprint(run("x", "q1", ["ab"]))
    assert fingerprint(first) != fingerprint(run("x", "q1", ["a", "b", ""]))


def test_fingerprint_does_not_see_labels():
    first = run("x", "q", ["a"])
    labelled = msgspec.structs.replace(first, labels=(Label("decisive", "A", 0),))
    assert fingerprint(first) == fingerprint(labelled)


def test_duplicates_share_a_fold_across_questions():
    traces = [run(f"t{i}", f"q{i}", [f"text {i}"]) for i in range(20)]
    traces.append(run("copy", "another question", ["text 7"]))
    traces.append(run("sibling", "another question", ["something else"]))
    for seed in range(10):
        folds = grouped_folds(traces, question, k=5, seed=seed)
        assert folds[20] == folds[7] == folds[21]  # joined by history, then by question


runs = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 12)), min_size=1, max_size=40)


@given(runs, st.integers(2, 6), st.integers(0, 5))
def test_nothing_is_torn_apart(drawn, k, seed):
    traces = [run(str(i), f"q{q}", [f"text {h}"]) for i, (q, h) in enumerate(drawn)]
    folds = grouped_folds(traces, question, k, seed)
    assert folds.shape == (len(traces),)
    assert set(folds.tolist()) <= set(range(k))
    for i, first in enumerate(drawn):
        for j, second in enumerate(drawn):
            if first[0] == second[0] or first[1] == second[1]:
                assert folds[i] == folds[j]


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_even_and_seeded(seed):
    traces = [run(str(i), f"q{i}", [f"text {i}"]) for i in range(53)]
    folds = grouped_folds(traces, question, k=10, seed=seed)
    sizes = np.bincount(folds, minlength=10)
    assert sizes.max() - sizes.min() <= 1
    assert (folds == grouped_folds(traces, question, k=10, seed=seed)).all()
    assert (folds != grouped_folds(traces, question, k=10, seed=seed + 1)).any()


@given(st.lists(st.sampled_from("abcdefg"), min_size=1), st.integers(2, 5), st.integers(0, 3))
def test_groups_are_dealt_evenly(groups, k, seed):
    folds = dealt(groups, k, seed)
    place = dict(zip(groups, folds.tolist(), strict=True))
    assert [place[name] for name in groups] == folds.tolist(), "a group stays together"
    counts = [list(place.values()).count(fold) for fold in range(k)]
    assert max(counts) - min(counts) <= 1
    shuffled = dealt(groups[::-1], k, seed)
    assert shuffled.tolist()[::-1] == folds.tolist(), "whatever the order of the cases"
