"""Rules that change any text: what they change, what they leave, and what they refuse."""

import itertools
import random
import re

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from tracekit.errors import InjectionError
from tracekit.inject import wording
from tracekit.inject.manipulators.rules import Rules
from tracekit.inject.manipulators.rules_given import ERRORS, ORDERS
from tracekit.inject.types import Scene
from tracekit.testing.traces import HOSTILE, make_trace
from tracekit.trace import Outcome, Step, Task, ToolCall

SOLVED = make_trace(
    "solved",
    [
        Step(0, "Planner", "plan", "First count the crates at Harbour Road, then the tiles in one."),
        Step(0, "Counter", "tool_call", "I ask.", tools=(ToolCall("count", {"place": "Harbour Road", "limit": 40}, call_id="c"),)),
        Step(0, "count", "tool_result", "crates: 14", tools=(ToolCall("count", None, "crates: 14", None, "c"),)),
        Step(0, "Counter", content="There are 14 crates. The clerk Maja Oster has 12 tiles in each."),
        Step(0, "Solver", content="So 14 times 12 makes 168, and the total is 168."),
        Step(0, "Checker", content="I went over every line. The total of 168 is correct."),
        Step(0, "Planner", "final", "The answer is 168."),
    ],
    outcome=Outcome("success", "168", by="made up"),
    task=Task("How many tiles lie at Harbour Road when Maja Oster has 12 in each crate?", "168", "t"),
)  # fmt: skip


def applied(mode, strategy, step, seed=0, trace=SOLVED):
    scene = Scene(trace=trace, step=step, mode=mode, strategy=strategy)
    return Rules().apply(scene, random.Random(seed))


def text(*where, **more):
    (action,) = applied(*where, **more).actions
    return action.content


def test_the_style_is_kept():
    """Only the number at the end is another."""
    for seed in range(20):
        said = text("FM-2.6", "response-corruption", 4, seed=seed)
        assert re.fullmatch(r"So 14 times 12 makes 168, and the total is \d+\.", said)
        assert said != SOLVED.steps[4].content


def test_a_verdict_is_turned_round():
    said = text("FM-3.3", "response-corruption", 5)
    assert said == "I went over every line. The total of 168 is incorrect."


def test_a_check_is_cut_down_to_its_verdict():
    assert text("FM-3.2", "response-corruption", 5) == "The total of 168 is correct."


def test_a_sentence_with_a_value_is_withheld():
    left = {text("FM-2.4", "response-corruption", 3, seed=seed) for seed in range(9)}
    assert left == {"There are 14 crates.", "The clerk Maja Oster has 12 tiles in each."}


def test_what_is_quoted_from_the_task_is_misread():
    said = text("FM-1.1", "response-corruption", 3)
    assert "14 crates" in said
    assert "12 tiles" not in said


def test_what_colleagues_said_is_passed_over():
    said = text("FM-2.5", "response-corruption", 4)
    assert said != SOLVED.steps[4].content
    assert "total is 168" in said


def test_names_come_from_the_run():
    said = text("FM-2.3", "response-corruption", 3)
    assert said == "There are 14 crates. The clerk Harbour Road has 12 tiles in each."


def test_a_call_is_made_with_something_else():
    (action,) = applied("FM-2.6", "response-corruption", 1).actions
    call = action.tools[0]
    assert action.content == "I ask."
    assert call.call_id == "c"
    assert call.arguments != SOLVED.steps[1].tool.arguments


def test_tools_break_in_several_ways():
    found = {text("FM-2.2", "tool-fault", 2, seed=seed) for seed in range(40)}
    assert "" in found
    assert "crate" in found
    assert found & set(ERRORS)
    failed = next(
        a.tools[0]
        for seed in range(40)
        for a in applied("FM-2.2", "tool-fault", 2, seed=seed).actions
        if a.content in ERRORS
    )
    assert failed.error in ERRORS
    assert failed.result is None


def test_orders_are_planted_in_results():
    (action,) = applied("AT-1", "prompt-injection", 2).actions
    start, end = action.content.split("\n")
    assert start == "crates: 14"
    assert any(re.fullmatch(re.escape(o).replace(r"\{wrong\}", r"\d+"), end) for o in ORDERS)
    assert action.tools[0].result == action.content


def test_inputs_are_changed_and_the_agent_left_alone():
    change = applied("FM-2.5", "prompt-injection", 4)
    assert change.actions is None
    texts = [message.content for message in change.inputs]
    usual = [SOLVED.task.question, *(step.content for step in SOLVED.steps[:4])]
    assert [a == b for a, b in zip(texts, usual, strict=True)] == [True] * 4 + [False]
    poisoned = [m.content for m in applied("AT-3", "prompt-injection", 4).inputs]
    assert [a == b for a, b in zip(poisoned, usual, strict=True)].count(False) == 1
    assert poisoned[1] != usual[1] or poisoned[2] != usual[2]


def test_a_guess_is_made_where_the_value_is_missing():
    change = applied("FM-2.2", "response-corruption", 4)
    assert change.actions[0].content != SOLVED.steps[4].content
    assert len(change.inputs) == 5
    assert any(a.content != b for a, b in zip(change.inputs[1:], (s.content for s in SOLVED.steps), strict=False))  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "strategy", "step"),
    [
        ("FM-2.6", "response-corruption", 0),
        ("FM-3.3", "response-corruption", 4),
        ("FM-1.5", "response-corruption", 3),
        ("FM-3.1", "premature-stop", 6),
        ("AT-1", "tool-fault", 4),
        ("FM-3.2", "message-drop", 4),
    ],
)
def test_where_there_is_no_hold_nothing_is_made_up(mode, strategy, step):
    with pytest.raises(InjectionError, match="no hold"):
        applied(mode, strategy, step)


def test_hostile_text_is_text():
    """Patterns and templates in a log mean nothing."""
    odd = "The {wrong} total \\1 is $1 7 (?P<x>9) {0}. " + HOSTILE
    trace = make_trace("odd", [("A", odd), ("A", odd), ("B", "7 it is: 7 and 9")])
    for step in range(3):
        for pair in (("FM-2.6", "response-corruption"), ("FM-1.3", "response-corruption")):
            for action in applied(*pair, step, trace=trace).actions:
                assert re.sub(r"\d+", "", action.content) in {
                    re.sub(r"\d+", "", s.content) for s in trace.steps
                }


@drawn(st.integers(0, 10**11), st.booleans(), st.integers(0, 99))
def test_a_slip_is_another_number_of_the_same_kind(number, negative, seed):
    old = f"{'-' if negative and number else ''}{number}"
    new = wording.slipped(old, random.Random(seed))
    assert new != old
    assert wording.NUMBER.fullmatch(new)
    assert new.startswith("-") == old.startswith("-")


@drawn(st.text(max_size=80), st.sampled_from(["7", "-3", "2.5", "Maja Oster"]))
def test_a_replaced_word_is_gone_and_nothing_else(text, word):
    new = "zzz"
    made = wording.replaced(f"{text} {word} ", word, new)
    assert made is not None
    assert wording.mention(word).search(made) is None
    assert wording.replaced(made, new, word) == f"{text} {word} " or new in text


@drawn(st.text(max_size=120))
def test_sentences_cover_the_text(text):
    spans = wording.sentences(text)
    assert all(a < b for a, b in spans)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    assert "".join("".join(text[a:b] for a, b in spans).split()) == "".join(text.split())
    for span in spans:
        assert len(wording.without(text, span)) < len(text)


@drawn(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=8,
    )
)
def test_any_json_can_be_searched(value):
    assert wording.deep_replaced(value, "never there", "x") == value
    assert wording.deep_replaced([value, 48, "48 h"], "48", "84")[1:] == [84, "84 h"]
