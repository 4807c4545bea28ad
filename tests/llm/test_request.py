"""Requests: what is sent, and the key under which the answer is kept."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekit.errors import UsageError
from tracekit.llm.request import Completion, Message, Request, ToolCall, Usage, cost

HELLO = Request("m", (Message("system", "Be brief."), Message("user", "Hé")), {"temperature": 0.5})
HELLO_KEY = "d9611ec1a2f594d66950e471dc2e563e72189a8f5a4c14ec0ce8a19d0b60b846"

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
PARAMS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5).map(lambda name: f"x{name}"),
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5),
    max_size=5,
)


def test_the_key_is_pinned():
    """Stores outlive releases: a change of this key makes every one of them useless."""
    assert HELLO.key == HELLO_KEY


def test_the_key_is_the_same_in_another_process():
    code = (
        "from tracekit.llm.request import *;"
        "m = (Message('system', 'Be brief.'), Message('user', 'H\\xe9'));"
        "print(Request('m', m, {'temperature': 0.5}).key)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == HELLO_KEY


@settings(deadline=None, max_examples=50)
@given(PARAMS)
def test_the_order_of_parameters_does_not_matter(params):
    backwards = dict(reversed(params.items()))
    assert Request("m", (), params).key == Request("m", (), backwards).key


@pytest.mark.parametrize(
    "other",
    [
        Request("n", HELLO.messages, HELLO.params),
        Request("m", HELLO.messages[1:], HELLO.params),
        Request("m", HELLO.messages[::-1], HELLO.params),
        Request("m", HELLO.messages, {"temperature": 0.25}),
        Request("m", HELLO.messages, {"temperature": "0.5"}),
        Request("m", HELLO.messages, {}),
        Request("m", HELLO.messages, HELLO.params, repeat=1),
    ],
)
def test_what_is_asked_is_in_the_key(other):
    assert other.key != HELLO.key


def test_whole_numbers_are_one_number_and_truth_is_none():
    keys = {Request("m", (), {"n_probs": value}).key for value in (1, 1.0, True, "1")}
    assert len(keys) == 3


@pytest.mark.parametrize(
    "params",
    [
        {"model": "other"},
        {"stream": True},
        {"n": 2},
        {"temperature": float("nan")},
        {"stop": {"a", "b"}},
        {"logit_bias": {1: 2}},
    ],
)
def test_parameters_that_cannot_be_sent_are_refused(params):
    with pytest.raises(UsageError):
        Request("m", (), params)


def test_half_a_surrogate_pair_is_no_text():
    with pytest.raises(UsageError, match="surrogate"):
        _ = Request("m", (Message("user", "\ud800"),)).key


def test_the_body_is_that_of_the_api():
    call = ToolCall(id="c1", name="add", arguments='{"a": 1}')
    messages = (
        Message("user", "1+1?", name="ann"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "2", tool_call_id="c1"),
    )
    function = {"name": "add", "arguments": '{"a": 1}'}
    assert Request("m", messages, {"seed": 3}, repeat=2).body() == {
        "model": "m",
        "messages": [
            {"role": "user", "content": "1+1?", "name": "ann"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "type": "function", "function": function}],
            },
            {"role": "tool", "content": "2", "tool_call_id": "c1"},
        ],
        "seed": 3,
    }


def test_cost_adds_up():
    calls = [
        Completion(key="a", usage=Usage(100, 10), money=0.1),
        Completion(key="b", usage=Usage(1, 2), money=0.2),
        Completion(key="c"),
    ]
    total = cost(calls)
    assert (total.calls, total.tokens, total.money) == (3, 113, pytest.approx(0.3))
