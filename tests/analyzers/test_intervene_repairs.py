"""From findings to a repair, its gain on fresh tasks, and the loop."""

from itertools import islice

import msgspec
import pytest

from tracekit.analyzers.intervene import types
from tracekit.analyzers.intervene.diagnose import Plan, diagnose
from tracekit.analyzers.intervene.gain import gain
from tracekit.analyzers.intervene.loop import fresh_tasks, improve
from tracekit.analyzers.intervene.suggest import best, kind_of, tally
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.weak import hasty
from tracekit.replay.types import Action, Intervention, Repair
from tracekit.stats import Estimate
from tracekit.testing.traces import make_trace
from tracekit.trace import Agent, ToolCall


def failures(system, count, seed=5):
    runs = (system.run(task, number) for number, task in enumerate(system.tasks(seed)))
    return list(islice((run for run in runs if run.failed), count))


@pytest.fixture(scope="module")
def careless():
    """A team whose worker errs, and what is found out about its failures."""
    system = Sandbox("arithmetic", "chain", skill=0.98, skills={"worker": 0.6, "verifier": 0.85})
    plan = Plan(method="last-speaker", n=8)
    return system, [diagnose(one, system, Context(), plan) for one in failures(system, 8)]


def a_finding(step, action, gained=1.0):
    guess = types.Hypothesis(trial=0, step=step, agent="A", probability=1, by="m")
    change = Intervention(step=step, actions=(action,), by="test")
    return types.Tested(
        hypothesis=guess,
        finding="validated",
        reason="",
        change=change,
        n=8,
        difference=Estimate(gained, 0.1, 1.0),
    )


@pytest.mark.parametrize(
    ("role", "recorded", "right", "kind"),
    [
        ("worker", Action("7"), Action("8"), "prompt"),
        ("verifier", Action("Fine."), Action("Not fine."), "verification"),
        ("worker", Action("7", "final"), Action("8"), "termination"),
        (
            "worker",
            Action("", "tool_call", tools=(ToolCall("look", {"q": 1}),)),
            Action("", "tool_call", tools=(ToolCall("look", {"q": 2}),)),
            "tool",
        ),
        ("worker", Action("7"), Action("", "tool_call", tools=(ToolCall("look"),)), "tool"),
    ],
)
def test_the_step_says_what_has_to_be_repaired(role, recorded, right, kind):
    trace = make_trace("t", [("A", recorded.content)])
    step = msgspec.structs.replace(trace.steps[0], kind=recorded.kind, tools=recorded.tools)
    trace = msgspec.structs.replace(trace, steps=(step,), agents=(Agent("A", "A", role=role),))
    assert kind_of(trace, a_finding(0, right)) == kind


def test_runs_vote_by_what_their_correction_gains():
    def said(target, gained):
        repair = Repair(kind="prompt", target=target)
        return types.Diagnosis(
            trace_id=target, tested=(a_finding(0, Action(), gained),), repair=repair
        )

    runs = [said("a", 0.3), said("a", 0.3), said("b", 0.9), types.Diagnosis(trace_id="none")]
    assert best(runs)[0].target == "b"
    assert best(runs, [Repair(kind="prompt", target="a")]) == (runs[0].repair, 2)
    assert best(runs, []) is None
    assert tally(runs) == {"prompt: a": 2, "prompt: b": 1}


def test_the_failures_of_a_careless_worker_ask_for_what_helps(careless):
    system, found = careless
    repair, votes = best(found, system.repairs())
    assert repair.target == "worker"
    assert votes >= 4
    assert "of 8 replays succeed" in repair.text
    worth = gain(system, repair, islice(system.tasks(77), 120), seed=9)
    assert worth.n == 120
    assert worth.gain.low > 0
    assert worth.gain.value == pytest.approx(worth.after.value - worth.before.value)
    assert worth.over_random.value == pytest.approx(worth.after.value - worth.random.value)
    assert gain(system, repair, islice(system.tasks(77), 120), seed=9) == worth


def test_a_gain_needs_tasks_and_a_system_that_takes_repairs(careless):
    system, _ = careless
    with pytest.raises(UsageError, match="fresh task"):
        gain(system, system.repairs()[0], [])
    with pytest.raises(UsageError, match="takes no repairs"):
        gain(object(), system.repairs()[0], [])


def test_the_loop_repairs_debugs_again_and_ends():
    system = Sandbox("arithmetic", "chain", skill=1.0, policies={"worker": hasty(0.6)})
    system = system.with_repair(Repair(kind="prompt", target="planner"))
    skilled = {"skills": {"worker": 0.8}}
    system = Sandbox("arithmetic", "chain", skill=1.0, policies=system.policies, **skilled)
    plan = Plan(method="last-speaker", n=8)
    found = [diagnose(one, system, Context(), plan) for one in failures(system, 5)]
    fresh = fresh_tasks(system, [])
    turns = list(improve(system, found, fresh, Context(), plan, fresh=20, rounds=4, most=3))
    assert str(turns[0].repair) == "termination: worker"
    assert turns[0].gain.after.value > turns[0].gain.before.value
    assert turns[-1].repair is None, "a team without failures needs no repair"
    assert len(turns) < 4


def test_fresh_tasks_are_new():
    system = Sandbox()
    seen = list(islice(system.tasks(), 3))
    assert next(fresh_tasks(system, seen)) == list(islice(system.tasks(), 4))[3]
    assert list(fresh_tasks(system, seen, seen)) == []
    with pytest.raises(UsageError, match="--tasks"):
        fresh_tasks(object(), [])


def test_without_a_system_that_takes_repairs_the_suggestion_stands_alone(careless):
    _, found = careless
    (only,) = improve(object(), found, iter(()), Context(), Plan(), fresh=10)
    assert only.repair.target == "worker"
    assert only.gain is None
