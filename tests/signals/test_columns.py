"""The wide feature matrix against values worked out by hand."""

import numpy as np
import pytest

from tracekit.signals.columns import columns, matrix, names
from tracekit.signals.deviation import deviations, tfidf
from tracekit.signals.reading import read
from tracekit.signals.segments import segments
from tracekit.testing.traces import edge_traces, make_trace
from tracekit.trace import Agent, Source, Step, Task, Trace

LEDGER = '{{"is_progress_being_made": {{"reason": "see above", "answer": {}}}}}'


def table(said, question="How many red bicycles were sold in 1999?"):
    trace = make_trace("t", said, task=Task(question))
    return columns(trace, read(trace))


CODE = "We count them.\n```python\nprint(count)\n```"
FAILS = "exitcode: 1 (execution failed)\nNameError: name 'count' is not defined"
WORKS = "exitcode: 0 (execution succeeded)\nCode output: the count of all bicycles is 41 in total"


def test_outcomes_of_actions():
    found = table([("A", CODE), ("T", FAILS), ("B", "I know it: 57."), ("A", CODE), ("T", WORKS)])
    assert found["outcome.failed"].tolist() == [1, 0, 0, 0, 0]
    assert found["outcome.good"].tolist() == [0, 0, 0, 1, 0]
    assert found["outcome.talks_after_failure"].tolist() == [0, 0, 1, 0, 0]
    assert found["outcome.acts_after_failure"].tolist() == [0, 0, 0, 1, 0]
    assert found["outcome.never_fixed"].tolist() == [0, 0, 0, 0, 0]
    assert table([("A", CODE), ("T", FAILS)])["outcome.never_fixed"].tolist() == [1, 0]


def test_where_the_answer_comes_from():
    trace = make_trace(
        "t",
        [
            ("A", "We look at the Catalogue of the shop first."),
            ("B", "Surely Raleigh sold 57 of them that year."),
            ("A", "So the answer is 57 by Raleigh."),
        ],
        task=Task("How many red bicycles were sold in 1999?"),
    )
    found = columns(trace, read(trace))
    assert found["influence.top_key_introducer"].tolist() == [0, 1, 0]
    assert found["influence.is_final"].tolist() == [0, 0, 1]
    assert found["influence.new_keys"][1] > 0


def test_echoes_are_new_words_that_later_steps_take_up():
    found = table(
        [("A", "zebra crossing painted"), ("B", "zebra crossing indeed"), ("A", "something else")]
    )
    assert found["influence.novelty"].tolist()[0] == pytest.approx(1)
    assert found["influence.echo"][0] == pytest.approx(2 / 3)
    assert found["influence.taken_up"][2] == 0


def test_a_ledger_makes_a_hub_and_judges_the_step_before():
    steps = (
        Step(index=0, agent="Boss", content=LEDGER.format("true")),
        Step(index=1, agent="Boss", content="Look it up, please.", to="Hand"),
        Step(index=2, agent="Hand", content="I found nothing on the first page of results."),
        Step(index=3, agent="Boss", content=LEDGER.format("false")),
        Step(index=4, agent="Boss", content="Look it up, please.", to="Hand"),
    )
    agents = (Agent("Boss", "Boss"), Agent("Hand", "Hand"))
    trace = Trace(id="t", source=Source(format="toy"), agents=agents, steps=steps)
    found = columns(trace, read(trace))
    assert found["position.hub"].tolist() == [1, 1, 0, 1, 1]
    assert found["progress.judged_stalled"].tolist() == [0, 0, 1, 0, 0]
    assert found["progress.asked_again"].tolist() == [0, 1, 1, 0, 0]
    assert found["progress.repeats_order"].tolist() == [0, 0, 0, 0, 1]


def test_deviation_from_the_own_last_turn_and_from_the_step_before():
    rows = tfidf(["red car", "blue sky", "red car", ""])
    found = deviations(rows[:3], ["A", "B", "A"], rows[3], np.ones(3, dtype=bool), None)
    assert found["own_previous"] == pytest.approx([1, 1, 0])
    assert found["previous"] == pytest.approx([1, 1, 1])
    assert found["own"] == pytest.approx([0, 0, 0])
    assert found["question"] == pytest.approx([1, 1, 1])


def test_names_are_those_of_the_columns_with_and_without_vectors():
    trace = make_trace("t", [("A", "one two three"), ("B", "four five six")])
    reading = read(trace)
    assert matrix(trace, reading).shape == (2, len(names()))
    vectors = np.eye(3)
    assert tuple(columns(trace, reading, vectors)) == names(embeddings=True)
    assert set(names(embeddings=True)) > set(names())


def test_names_of_agents_do_not_matter():
    said = [("A", CODE), ("T", FAILS), ("B", "I know it: 57."), ("A", "So it is 57.")]
    renamed = [({"A": "Zoe", "B": "Ann", "T": "Mr T"}[who], text) for who, text in said]
    one, two = table(said), table(renamed)
    for name, column in one.items():
        np.testing.assert_array_equal(column, two[name], err_msg=name)


@pytest.mark.parametrize("trace", edge_traces(), ids=lambda trace: trace.id)
def test_turns_cover_every_step_once(trace):
    assert [i for turn in segments(trace) for i in turn.steps] == list(range(len(trace.steps)))
