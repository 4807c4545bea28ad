"""Cues, signs of errors and repetitions, on texts made up here."""

import time

import pytest

from tracekit.signals.cues import CUES, ERRORS, SHOWS, cues, find
from tracekit.signals.errors import all_signs, signs
from tracekit.signals.repeats import repeats
from tracekit.signals.text import HEAD, TAIL, Span, around, ends, window, words
from tracekit.testing.traces import make_trace
from tracekit.trace import Step, ToolCall


@pytest.mark.parametrize(
    ("cue", "text"),
    [
        ("exit-code", "exitcode: 1 (execution failed)"),
        ("exit-code", "Process returned non-zero"),
        ("exception", "KeyError: 'price'"),
        ("exception", "Traceback (most recent call last):"),
        ("not-found", "Error 404"),
        ("not-found", "cat: No such file or directory"),
        ("refusal", "I'm unable to open the page"),
        ("apology", "I apologise for that"),
        ("assumption", "Let us assume a rate of 3 %"),
        ("restart", "Stalled.... Replanning..."),
        ("final-answer", "FINAL ANSWER: 42"),
        ("code", "```python\nprint(1)\n```"),
        ("report", "exitcode: 0 (execution succeeded)"),
    ],
)
def test_cue_is_found(cue, text):
    assert cue in cues(Step(0, "A", content=text))


@pytest.mark.parametrize(
    ("cue", "text"),
    [
        ("exit-code", "exitcode: 0 (execution succeeded)"),
        ("exception", "There was no error at all"),
        ("not-found", "There are 1404 of them"),
        ("refusal", "I am able to do that"),
        ("assumption", "the assumptive close"),
        ("report", "It ended with exitcode: 0"),
    ],
)
def test_cue_is_not_found(cue, text):
    assert find(cue, text) is None


def test_every_sign_says_what_it_shows():
    assert set(ERRORS) == set(SHOWS)
    assert set(ERRORS) <= set(CUES)


def test_place_is_that_of_the_original_text_even_where_lower_case_is_longer():
    content = "İİİ Traceback (most recent call last)"
    span = cues(Step(0, "A", content=content))["exception"]
    assert content[span.start : span.end] == "Traceback (most recent"


def test_long_text_is_read_at_its_ends_only():
    middle = "x" * HEAD + "KeyError: a" + "y" * TAIL + "z" * 100
    assert "exception" not in cues(Step(0, "A", content=middle))
    assert "exception" in cues(Step(0, "A", content=middle + " KeyError: b"))
    assert len(window(middle)) == len(middle)


def test_what_is_left_out_moves_no_place():
    said = "I am sorry. " + "a " * HEAD + "KeyError: b " + "c " * (TAIL // 2)
    text = said + "The mock failed. Final answer: 12"
    assert len(window(text)) > len(ends(text))
    found = {
        name: text[span.start : span.end] for name, span in cues(Step(0, "A", content=text)).items()
    }
    assert found == {
        "apology": "I am sorry",
        "assumption": "mock",
        "final-answer": "Final answer: ",
    }
    assert words(ends(text)) == words(window(text)) >= {"sorry", "mock", "12"}


def test_a_place_may_begin_before_what_is_left_out_and_end_behind_it():
    text = "x" * (HEAD - 13) + " final answer" + "y".join([" " * 5_000, " " * 5_000]) + "z" * TAIL
    span = cues(Step(0, "A", content=text))["final-answer"]
    assert span == Span(HEAD - 12, len(text) - TAIL)


@pytest.mark.parametrize(
    "text", ["exitcode" * 50_000, "a" * 400_000, "\\w" * 200_000, "`" * 400_000]
)
def test_hostile_text_costs_linear_time(text):
    started = time.process_time()
    cues(Step(0, "A", content=text))
    words(text)
    assert time.process_time() - started < 2.0


def test_tool_error_is_a_sign_without_words():
    step = Step(0, "A", tools=(ToolCall("search", error="refused"),))
    (sign,) = signs(step)
    assert (sign.cue, sign.span) == ("tool-error", Span(0, 0))
    assert "search" in sign.shows


def test_around_quotes_the_first_wanted_word():
    text = "a" * 100 + " total is 12 and " + "b" * 100
    span = around(text, frozenset({"12"}), reach=10)
    assert text[span.start : span.end] == " total is 12 and bbbbb"


def test_repetition_needs_the_same_agent_and_enough_words():
    long, other = (
        "look up the price of red racing bicycles",
        "compare the weight of blue cars instead",
    )
    trace = make_trace(
        "t", [("A", long), ("B", long), ("A", other), ("A", long + "!"), ("A", "ok"), ("A", "ok")]
    )
    assert repeats(trace) == [None, None, None, 0, None, None]


def test_repeated_tool_call_is_one_whatever_the_words():
    def call(query, text):
        return Step(0, "A", content=text, tools=(ToolCall("search", {"q": query}),))

    trace = make_trace("t", [call("x", "first"), call("y", "first"), call("x", "again, please")])
    assert repeats(trace) == [None, None, 0]


def test_executors_do_not_repeat_themselves():
    trace = make_trace("t", [("T", "exitcode: 0 the same long output as always before")] * 3)
    assert repeats(trace) == [None, None, None]


def test_all_signs_come_in_order():
    trace = make_trace("t", [("A", "fine"), ("B", "KeyError: x"), ("A", "I cannot do this")])
    assert [(sign.step, sign.cue) for sign in all_signs(trace)] == [
        (1, "exception"),
        (2, "refusal"),
    ]
