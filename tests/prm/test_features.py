"""What the value model is told of a step."""

import numpy as np
import pytest

from tracekit.prm.answers import answer, canonical, final_answer, report
from tracekit.prm.claims import Claims, Heard
from tracekit.prm.features import COLUMNS, Story
from tracekit.prm.quantities import Known, literals
from tracekit.prm.sums import check
from tracekit.trace import Agent, Outcome, Source, Step, Task, ToolCall, Trace

PLACE = {name: n for n, name in enumerate(COLUMNS)}


def told(*said, question="A boat takes 3 people, how many take 12?"):
    trace = Trace("t", Source(format="x"), Task(question))
    story = Story(trace)
    rows = []
    for n, (agent, text) in enumerate(said):
        rows.append(story.read(Step(index=n, agent=agent, content=text)))
    return lambda step, name: rows[step][PLACE[name]]


def test_agents_who_agree_and_who_change_their_answer():
    row = told(("A", r"\boxed{4}"), ("B", r"\boxed{4}"), ("A", r"\boxed{5}"))
    assert (row(1, "agrees"), row(1, "alone")) == (1.0, 0.0)
    assert (row(2, "agrees"), row(2, "alone"), row(2, "deviates")) == (0.0, 1.0, 1.0)
    assert row(2, "changed") > row(1, "changed") == 0.0
    assert (row(1, "distinct"), row(2, "distinct")) == (1.0, 2.0)


def test_wrong_sums_are_counted():
    row = told(("A", "12 / 3 = 5"), ("A", "12 / 3 = 4"))
    assert row(0, "sums_wrong") > 0 == row(1, "sums_wrong")
    assert row(1, "all_wrong") == row(0, "all_wrong") > 0


def test_numbers_from_nowhere_are_counted_once():
    row = told(("A", "With 12 people and 3 a boat: 4."), ("A", "I take 17.3 days."), ("B", "17.3"))
    assert row(0, "made_up") == 0 < row(1, "made_up")
    assert row(2, "made_up") == 0


def test_an_answer_in_spite_of_an_assumption():
    row = told(("A", "Let us assume 8 boats.\n```\nboats = 8\n```"), ("A", r"\boxed{24}"))
    assert (row(1, "stands_assumed"), row(1, "stands_foreign")) == (1.0, 1.0)
    assert row(0, "stands_number") == 0


def test_errors_and_tools():
    story = Story(Trace("t", Source(format="x"), agents=(Agent("T", "T", role="tool"),)))
    call = ToolCall("run", result="Traceback (most recent call last): x")
    row = story.read(Step(index=0, agent="T", kind="tool_result", tools=(call,)))
    assert (row[PLACE["error"]], row[PLACE["tool"]]) == (1.0, 1.0)


def test_rows_are_finite_and_bounded_in_time():
    text = "1 = " * 50_000 + "9" * 50_000
    story = Story(Trace("t", Source(format="x"), Task(text)))
    for n in range(3):
        assert np.isfinite(story.read(Step(index=n, agent="A", content=text))).all()


def test_a_copy_does_not_share_what_changes():
    story = Story(Trace("t", Source(format="x"), Task("3 boats")))
    story.read(Step(index=0, agent="A", content="The total is 3."))
    step = Step(index=1, agent="B", content=r"The total is 9. \boxed{9}")
    twin = story.copy()
    expected = twin.copy().read(step)
    for n in range(3):
        twin.read(Step(index=n, agent="C", content="The total is 8. 2 + 2 = 5"))
    np.testing.assert_array_equal(story.read(step), expected)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (r"so \boxed{\frac{3}{4}}", "0.75"),
        ("SOLUTION_FOUND: $1,250.", "1250"),
        ("**Final answer:** 12 apples", "12"),
        (r"\boxed{\text{None}}", "none"),
        (r"\boxed{2h + 4}", "none"),
        ("The result to hand in is Mor Tor.", "mor tor"),
        ("first 3, then 17 boats", "17"),
    ],
)
def test_answers(text, key):
    assert answer(text).key == key


def test_what_is_compared():
    assert canonical("4.50") == canonical("$4.5") == "4.5"
    assert canonical("x") == "none"
    assert report("exitcode: 0\nCode output: 40") == "40"


def test_the_answer_of_a_run():
    steps = (
        Step(index=0, agent="A", content=r"\boxed{4}"),
        Step(index=1, agent="B", content="Bye."),
    )
    trace = Trace("t", Source(format="x"), steps=steps)
    assert final_answer(trace) == "4"
    logged = Trace("t", Source(format="x"), steps=steps, outcome=Outcome(answer="5 boats"))
    assert final_answer(logged) == "5"
    assert final_answer(Trace("t", Source(format="x"))) is None


def test_claims_sums_and_numbers():
    claims = Claims()
    claims.hear("The total is 40.")
    assert claims.copy().hear("the total is 41") == Heard(0, 0, 1)
    assert claims.hear("the total is 40") == Heard(0, 1, 0)
    assert check("40 plus 36 makes 76").right == 1
    assert Known("four boats").foreign(literals("x = 17")) == 1
