"""Every column of the feature table against values worked out by hand."""

import math

import numpy as np
import pytest

from tracekit.signals.features import FEATURES, NAMES, features, matrix
from tracekit.signals.provenance import answer_words, final_step, first_said
from tracekit.signals.reading import read
from tracekit.testing.traces import edge_traces, make_trace
from tracekit.trace import Outcome, Step, Task, ToolCall

TASK = Task(question="How many apples cost twelve euros?")

PEERS = make_trace(
    "peers",
    [
        ("A", "You are given a task: find a recipe for bread and bake it at home."),
        ("B", "How many apples? I assume a price.\n```python\nprint(price)\n```"),
        ("T", "exitcode: 1 (execution failed)\nNameError: name 'price' is not defined"),
        ("A", "Here is new code.\n```python\nprint(4)\n```"),
        ("T", "exitcode: 0 (execution succeeded)\nCode output: 4 and some more words here"),
        ("B", "TERMINATE"),
    ],
    task=TASK,
)

DIRECTED = make_trace(
    "directed",
    [
        ("human", "How many apples cost twelve euros?"),
        Step(0, "Boss", content="We look up the apples and the euros.", kind="thought"),
        Step(0, "Boss", content="Find the price of apples, please, and nothing else.", to="W"),
        Step(0, "W", content="The page lists them at 7 each; I cannot scroll further down."),
        Step(0, "Boss", content="Stalled. Replanning from the start with another shop.", to="W"),
        Step(0, "W", content="Another page has them at 3 each, which is quite cheap."),
        Step(0, "Boss", content="Good. Now give us the result of all that, W.", to="W"),
        Step(0, "Boss", content="FINAL ANSWER: 7 pieces\nrunner complete"),
    ],
    task=TASK,
)


def column(trace, name):
    return features(trace)[:, NAMES.index(name)].tolist()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("executor", [0, 0, 1, 0, 1, 0]),
        ("little", [0, 0, 0, 0, 0, 1]),
        ("worker", [0, 0, 0, 0, 0, 0]),
        ("last_deed", [0, 0, 0, 0, 0, 1]),
        ("closes", [0, 0, 0, 0, 0, 1]),
        ("task_dropped", [1, 0, 0, 0, 0, 0]),
        ("introduces", [0, 0, 0, 0, 0, 0]),
        ("error", [0, 0, 0, 0, 0, 0]),
        ("first_failure", [0, 1, 0, 0, 0, 0]),
        ("assumption", [0, 1, 0, 0, 0, 0]),
        ("restart", [0, 0, 0, 0, 0, 0]),
        ("log_deeds_before", [math.log(n) for n in (1, 2, 3, 3, 4, 4)]),
    ],
)
def test_team_of_equals(name, values):
    assert column(PEERS, name) == pytest.approx(values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("executor", [0] * 8),
        ("worker", [0, 0, 0, 1, 0, 1, 0, 0]),
        ("last_deed", [0, 0, 0, 0, 0, 1, 0, 0]),
        ("closes", [0] * 8),
        ("task_dropped", [0] * 8),
        ("introduces", [0, 0, 0, 0.5, 0, 0, 0, 0.5]),
        ("error", [0, 0, 0, 1, 0, 0, 0, 0]),
        ("restart", [0, 0, 0, 0, 1, 0, 0, 0]),
        ("log_deeds_before", [math.log(n) for n in (1, 1, 1, 1, 2, 2, 3, 3)]),
    ],
)
def test_directed_team(name, values):
    assert column(DIRECTED, name) == pytest.approx(values)


def test_question_counts_from_the_second_acting_step():
    # words of the question: apples, cost, many, twelve, euros; step 2 holds `apples`
    assert column(DIRECTED, "question")[:3] == pytest.approx([0, 0, 1 / 5])


def test_tool_call_that_errs_is_a_failure_of_its_own_step():
    step = Step(0, "A", tools=(ToolCall("search", {"q": "x"}, error="refused"),))
    assert column(make_trace("t", [("A", "start"), step, step]), "first_failure") == [0, 1, 0]


def test_code_that_puts_out_nothing_is_a_failure():
    trace = make_trace("t", [("A", "```run```"), ("T", "exitcode: 0 (execution succeeded)\n")])
    assert column(trace, "first_failure") == [1, 0]


def test_the_question_in_the_opening_is_no_dropped_task():
    said = [("A", "Task: how many apples cost twelve euros"), ("B", "Four.")]
    assert column(make_trace("t", said, task=TASK), "task_dropped") == [0, 0]


def test_answer_is_the_outcome_or_the_line_after_the_marker_or_the_last_words():
    assert answer_words(DIRECTED) == {"7", "pieces"}
    assert final_step(DIRECTED) == 7
    told = make_trace("t", [("A", "so it is 5")], outcome=Outcome("failure", answer="about 9"))
    assert answer_words(told) == {"about", "9"}
    assert final_step(PEERS) == 3
    assert answer_words(make_trace("t", [("A", "")])) == frozenset()


def test_what_the_person_said_is_not_introduced_by_the_team():
    steps = [("human", "is it 7?"), ("A", "it must be 7 surely"), ("A", "FINAL ANSWER: 7 surely")]
    assert [sorted(found) for found in first_said(make_trace("t", steps))] == [[], ["surely"], []]


@pytest.mark.parametrize("trace", edge_traces(), ids=lambda trace: trace.id)
def test_every_trace_has_finite_features(trace):
    x = matrix(read(trace))
    assert x.shape == (len(trace.steps), len(FEATURES))
    assert x.dtype == np.float64
    assert np.isfinite(x).all()


def test_every_feature_is_documented():
    assert len(set(NAMES)) == len(NAMES)
    assert all(feature.unit and feature.shows for feature in FEATURES)
