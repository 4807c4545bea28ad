"""Blame by the fall of a value: the right step, its chances by hand, and reasons not to answer."""

import math
import re
import shutil

import msgspec
import pytest

from tracekit.analyzers.models import save_model
from tracekit.analyzers.run import attribute
from tracekit.analyzers.value_drop import ValueDrop
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.prm.model import Prm
from tracekit.testing import check_analyzer
from tracekit.testing.traces import make_trace
from tracekit.trace import ToolCall


class Given:
    """The values of the test, and a half for every step beyond them."""

    name = "given"

    def __init__(self, *values, begin=0.5, doubts=()):
        self.given, self.value, self._doubts = values, begin, doubts

    def values(self, trace):
        return [*self.given, *[0.5] * len(trace.steps)][: len(trace.steps)]

    def begin(self, trace):
        return self

    def doubts(self, trace):
        return self._doubts


TALK = make_trace("talk", [("user", "please"), ("A", "one"), ("B", "two"), ("A", "three")])


def test_the_step_with_the_largest_fall_in_log_odds():
    # 0.9 to 0.8 more than doubles the odds of failure; 0.75 to 0.6 exactly doubles them.
    found = attribute(TALK, ValueDrop(Given(0.9, 0.8, 0.75, 0.6)))
    assert [(s.step, s.agent) for s in found.suspects[:2]] == [(1, "A"), (3, "A")]
    weights = {1: 9 / 4 - 1, 2: 4 / 3 - 1, 3: 3 / 1.5 - 1}
    for suspect in found.suspects[:3]:
        expected = weights[suspect.step] / sum(weights.values())
        assert suspect.probability == pytest.approx(expected)
    (why,) = found.suspects[0].evidence
    assert why.shows == "the chance of success goes from 90 % to 80 %"
    assert why.weight == pytest.approx(math.log(9 / 4))
    assert why.quote == "one"


def test_people_are_spared_and_the_first_step_falls_from_the_beginning():
    found = attribute(TALK, ValueDrop(Given(0.1, 0.1, 0.09, 0.09)))
    assert (found.suspects[0].step, found.suspects[0].agent) == (2, "B")
    spoken = make_trace("first", [("A", "one"), ("B", "two")])
    first = attribute(spoken, ValueDrop(Given(0.2, 0.2, begin=0.8)))
    assert first.suspects[0].step == 0


def test_what_a_tool_answers_is_charged_to_its_caller():
    trace = make_trace("tools", [("A", "look"), ("T", "error"), ("B", "so be it")])
    steps = list(trace.steps)
    steps[0] = msgspec.structs.replace(steps[0], kind="tool_call", tools=(ToolCall("T"),))
    steps[1] = msgspec.structs.replace(steps[1], kind="tool_result")
    trace = msgspec.structs.replace(trace, steps=tuple(steps))
    found = attribute(trace, ValueDrop(Given(0.5, 0.1, 0.08)))
    assert (found.suspects[0].step, found.suspects[0].agent) == (0, "A")


def test_a_value_that_never_falls_blames_nobody():
    found = attribute(TALK, ValueDrop(Given(0.5, 0.6, 0.7, 0.7)))
    assert found.abstained == "the value of the run never falls"


def test_doubt_is_a_warning_or_on_request_a_reason_to_abstain():
    method = ValueDrop(Given(0.5, 0.2, doubts=("unlike all others",)))
    assert attribute(TALK, method).warnings == ("unlike all others",)
    assert attribute(TALK, method, drift="abstain").abstained == "unlike all others"
    with pytest.raises(UsageError, match="warn or abstain"):
        attribute(TALK, method, drift="ignore")
    with pytest.raises(UsageError, match="'typo'"):
        method.attribute(TALK, Context(settings={"typo": 1}))


def test_the_contract_holds():
    check_analyzer(ValueDrop(Given(0.9, 0.3, 0.4, 0.1, 0.2, 0.2, 0.1)))


def test_values_of_a_folder(tmp_path):
    save_model(Prm(), tmp_path / "prm", definition="outcome-only", card="# mine\n")
    found = attribute(TALK, "value-drop", model=tmp_path / "prm")
    assert found.suspects == attribute(TALK, "value-drop").suspects


def test_the_method_names_the_weights_and_not_where_they_lie(tmp_path, monkeypatch):
    save_model(Prm(), tmp_path / "prm", definition="outcome-only", card="# mine\n")
    shutil.copytree(tmp_path / "prm", tmp_path / "copy")
    monkeypatch.chdir(tmp_path)
    named = ("prm", "./prm", tmp_path / "prm", "copy")
    (id,) = {attribute(TALK, "value-drop", model=place).method.model for place in named}
    assert re.fullmatch("[0-9a-f]{12}", id)
    other = Prm(Prm().model._replace(mean=Prm().model.mean + 1))
    shutil.rmtree(tmp_path / "prm")
    save_model(other, tmp_path / "prm", definition="outcome-only", card="# mine\n")
    assert attribute(TALK, "value-drop", model="prm").method.model != id
