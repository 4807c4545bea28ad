"""Spectrum: the published formulas by hand, whom it names, when it abstains, and whole corpora."""

import math

import msgspec
import pytest

from tracekit.analyzers.company import company
from tracekit.analyzers.corpus import named_by_role, seats
from tracekit.analyzers.run import attribute
from tracekit.analyzers.spectrum import (
    Counts,
    Spectrum,
    Table,
    dstar,
    kulczynski2,
    ochiai,
    tarantula,
)
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.signals.actions import Action, action, general
from tracekit.testing import check_analyzer
from tracekit.testing.traces import make_trace
from tracekit.trace import Agent, Outcome, Step, Task, ToolCall

GOOD = Outcome("success", by="made up")
X, Y = Action("A", "message", "", "says 1"), Action("A", "message", "", "says 2")


def runs(*said, task="legs", outcomes=None):
    """A run per list of numbers that A says; the outcome is a failure unless told."""
    return [
        make_trace(
            f"{task}-{number}",
            [("A", f"It is {value}.") for value in values],
            task=Task(f"How many {task}?"),
            outcome=Outcome("failure", by="x") if (outcomes or "f" * 99)[number] == "f" else GOOD,
        )
        for number, values in enumerate(said)
    ]


def test_formulas_by_hand():
    n = Counts(failing=3, passing=1, failing_without=1, passing_without=5)
    assert ochiai(n) == pytest.approx(3 / math.sqrt(4 * 4))
    assert tarantula(n) == pytest.approx((3 / 4) / (3 / 4 + 1 / 6))
    assert dstar(n) == pytest.approx(9 / 2)
    assert kulczynski2(n) == pytest.approx((3 / 4 + 3 / 4) / 2)
    nowhere = Counts(0, 0, 2, 2)
    assert [f(nowhere) for f in (ochiai, tarantula, dstar, kulczynski2)] == [0, 0, 0, 0]


def test_famas_by_hand():
    """Two failing runs, X twice in the target and once in the other; one passing run without X."""
    table = Table([[X, X, Y], [X]], [[Y]])
    decayed = 1 + 0.9 + 1  # n_cf with decay 0.9: two occurrences count 1.9
    kul2 = (decayed / (decayed + 0) + decayed / (decayed + 0)) / 2
    alpha = 1 + math.log(2, 1 / 0.9)
    beta, gamma = 2 / 3, 3 / 5  # runs with X of runs with A; X of all actions of A
    expected = alpha * kul2 * (1 + beta) * (1 + gamma)
    assert table.score(X, "famas", [X, X, Y]) == pytest.approx(expected)
    n = table.counts(Y, decay=0.9)
    assert (n.failing, n.passing, n.failing_without) == (1, 1, 1)


def test_it_names_what_only_failing_runs_do():
    corpus = runs([5, 9], [5, 6], [5, 6], [5, 9], outcomes="fssf")
    for formula in ("ochiai", "tarantula", "dstar", "kulczynski2"):
        context = Context(corpus=corpus, settings={"formula": formula})
        verdict = attribute(corpus[0], "spectrum", context=context)
        assert verdict.top.step == 1
        assert "in 2 of 2 failing and 0 of 2 passing runs" in verdict.top.evidence[0].shows
    assert "only 2 runs of this task succeeded" in verdict.warnings[-1]


def test_famas_favours_what_is_done_often():
    """Its factors beta and gamma outweigh the spectrum: the reason why it is not the default."""
    corpus = runs([5, 9], [5, 6], [5, 6], [5, 9], outcomes="fssf")
    context = Context(corpus=corpus, settings={"formula": "famas"})
    assert attribute(corpus[0], "spectrum", context=context).top.step == 0


def test_only_runs_of_the_same_task_count():
    corpus = runs([5, 9], [5, 6], outcomes="fs")
    others = runs([9, 9], [9, 9], task="wings", outcomes="ss")
    verdict = attribute(corpus[0], "spectrum", context=Context(corpus=[*corpus, *others]))
    assert verdict.top.step == 1


def test_it_abstains_where_it_cannot_tell():
    alone = runs([5, 9], [5, 9])
    assert "succeeded" in attribute(alone[0], "spectrum", context=Context(corpus=alone)).abstained
    with pytest.raises(UsageError, match="no formula"):
        attribute(alone[0], "spectrum", context=Context(settings={"formula": "magic"}))


def test_ties_are_said():
    corpus = runs([9, 9, 5], [5], outcomes="fs")
    context = Context(corpus=corpus, settings={"formula": "ochiai"})
    verdict = attribute(corpus[0], "spectrum", context=context)
    assert verdict.top.step == 0
    assert verdict.warnings[0].startswith("2 steps are equally suspicious")


def test_agents_with_new_names_are_found_by_role():
    def run(number, name, said, outcome):
        steps = [(name, f"It is {said}."), (f"boss{number}", "Fine, 7.")]
        agents = (Agent(name, name, "worker"), Agent(f"boss{number}", "b", "boss"))
        task = Task("How many?")
        return make_trace(str(number), steps, agents=agents, outcome=outcome, task=task)

    bad = Outcome("failure", by="x")
    corpus = [run(0, "Ada", 3, bad), run(1, "Ben", 4, GOOD), run(2, "Cy", 3, bad)]
    assert named_by_role(corpus)
    assert seats(corpus[0], by_role=True) == {"Ada": "worker", "boss0": "boss"}
    verdict = attribute(corpus[0], Spectrum(), context=Context(corpus=corpus))
    assert (verdict.top.step, verdict.top.agent) == (0, "Ada")
    assert "2 of 2 failing" in verdict.top.evidence[0].shows


def test_it_keeps_the_contract():
    check_analyzer(Spectrum(), runs([5, 9], [5, 6], outcomes="fs"))


def test_actions_are_abstracted_without_a_model():
    call = ToolCall("search", {"q": "red  bicycles", "n": 12})
    step = Step(0, "A", "tool_call", "", tools=(call,))
    assert str(action(step)) == "A: tool_call, calls search, with n=12 q=red bicycles"
    trace = make_trace("t", [step, ("A", "It is 4."), ("A", "Sorry, I cannot.")])
    gists = [each.gist for each in general(trace)]
    assert gists == ["with n=number q=text", "first to state a result", "shows an error"]


def test_company_by_hand():
    """Task 1: 2 of 4 fail with the action, 0 of 4 without; task 2: 4 of 4 and 2 of 4."""
    corpus = []
    for task, outcomes in (("one", "ffssssss"), ("two", "ffffffss")):
        said = [[3, 4]] * 4 + [[3, 3]] * 4
        corpus += runs(*said, task=task, outcomes=outcomes)
    corpus = [msgspec.structs.replace(t, id=str(k)) for k, t in enumerate(corpus * 3)]
    (found,) = [one for one in company(corpus) if one.action.endswith("another result")]
    assert found.difference.value == pytest.approx(0.5)  # in either task
    assert (found.failing_with, found.failing) == (18, 24)
    assert (found.passing_with, found.passing) == (6, 24)
    assert found.tasks == 2


def test_company_compares_within_tasks():
    """A hard task in which everybody does it, an easy one in which nobody does: nothing to tell."""
    corpus = runs(*[[3, 4]] * 20, task="hard", outcomes="f" * 18 + "ss")
    corpus += runs(*[[3, 3]] * 20, task="easy", outcomes="f" * 2 + "s" * 18)
    (found,) = [one for one in company(corpus) if one.action.endswith("another result")]
    assert found.tasks == 0
    assert found.difference.value == 0
    assert not found.sure
