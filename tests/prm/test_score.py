"""What each step and agent did to the value, by hand."""

import math

import pytest

from tracekit.prm.score import score
from tracekit.trace import Agent, Source, Step, Trace

VALUES = [0.5, 0.75, 0.25, 0.25]


class Given:
    """Values as they stand in the test."""

    name = "given"
    value = 0.5

    def values(self, trace):
        return VALUES[: len(trace.steps)]

    def begin(self, trace):
        return self


class Doubtful(Given):
    def doubts(self, trace):
        return (f"run {trace.id} is unlike all others",)


def made(n=4):
    agents = (Agent("A", "A"), Agent("B", "B"))
    steps = tuple(Step(index, "AB"[index % 2]) for index in range(n))
    return Trace(id="t", source=Source(format="x"), agents=agents, steps=steps)


def test_changes_are_in_log_odds_and_add_up():
    found = score(made(), Given())
    assert [step.value for step in found.steps] == VALUES
    assert [step.change for step in found.steps] == pytest.approx([0, math.log(3), -math.log(9), 0])
    assert found.drop.step == 2
    assert (found.begin, found.end) == (0.5, 0.25)
    assert sum(agent.change for agent in found.agents) == pytest.approx(-math.log(3))


def test_the_agent_that_did_most_harm_comes_first():
    first, second = score(made(), Given()).agents
    assert (first.agent, first.steps, first.worst) == ("A", 2, 2)
    assert first.change == pytest.approx(-math.log(9))
    assert (second.agent, second.change) == ("B", pytest.approx(math.log(3)))


def test_a_run_that_never_got_worse_has_no_drop():
    assert score(made(2), Given()).drop is None
    nothing = score(made(0), Given())
    assert (nothing.drop, nothing.end, nothing.agents) == (None, 0.5, ())


def test_doubts_of_the_value_function_are_passed_on():
    assert score(made(), Given()).warnings == ()
    assert score(made(), Doubtful()).warnings == ("run t is unlike all others",)
