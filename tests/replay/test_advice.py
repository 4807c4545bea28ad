"""A sandbox team that tries a task again: advice, habits, and what stays hidden."""

from itertools import islice

import pytest

from tracekit.errors import UsageError
from tracekit.protocols import Advisable
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.types import Action, Advice, Attempt
from tracekit.store import encode
from tracekit.testing.traces import make_trace


def failed(system, count=30, seed=3):
    """Failed runs, with their checkpoints and the steps that were wrong."""
    runs = (system.run(task, number) for number, task in enumerate(system.tasks(seed)))
    for run in islice((run for run in runs if run.failed), count):
        points = system.checkpoints(run)
        said = [Action.of(step) for step in run.steps]
        wrong = [p.step for p in points if not system.is_correct(p, said[p.step])]
        yield run, points, wrong


def held(run, step):
    return Attempt(run, Advice(agent=run.steps[step].agent, step=step))


def test_the_same_attempts_and_seed_give_the_same_run():
    system = Sandbox("tables", "star", habit=0.5)
    assert isinstance(system, Advisable)
    run, points, wrong = next(failed(system))
    once, twice = (
        encode(system.advised([held(run, wrong[0])]).resume(points[0], None, 9)) for _ in range(2)
    )
    assert once == twice


def test_advice_about_the_slip_helps_more_than_advice_about_what_was_right():
    system = Sandbox("arithmetic", "chain", difficulty=3)
    solved = {"slip": 0, "right": 0}
    for run, points, wrong in failed(system):
        right = next(p.step for p in points if p.step not in wrong)
        for name, step in (("slip", wrong[0]), ("right", right)):
            team = system.advised([held(run, step)])
            solved[name] += sum(not team.resume(points[step], None, s).failed for s in range(5))
    assert solved["slip"] > 1.3 * solved["right"]


def test_creatures_of_habit_do_it_all_again_unless_they_are_told():
    system = Sandbox("arithmetic", "chain", habit=1.0)
    changed = 0
    for run, points, wrong in failed(system, 10):
        again = system.advised([Attempt(run)]).resume(points[0], None, 77)
        assert [s.content for s in again.steps] == [s.content for s in run.steps]
        told = system.advised([held(run, wrong[0])]).resume(points[0], None, 77)
        said = [s.content for s in told.steps]
        assert said[: wrong[0]] == [s.content for s in run.steps[: wrong[0]]]
        changed += said != [s.content for s in run.steps]
    assert changed >= 8


def test_without_habits_and_advice_a_retry_is_a_run_with_other_draws():
    system = Sandbox("scheduling", "debate")
    run, points, _ = next(failed(system))
    again = system.advised([Attempt(run)]).resume(points[0], None, 5)
    plain = system.resume(points[0], None, 5)
    assert [s.content for s in again.steps] == [s.content for s in plain.steps]


def test_an_agent_that_did_right_gives_in_now_and_then():
    system = Sandbox("arithmetic", "chain", skill=1.0)
    run = system.run(next(system.tasks(1)), 0)
    first = system.checkpoints(run)[1]
    ends = [system.advised([held(run, 1)]).resume(first, None, seed) for seed in range(200)]
    worse = [each for each in ends if not system.is_correct(first, Action.of(each.steps[1]))]
    assert 30 <= len(worse) <= 70  # a quarter of 200


def test_earlier_advice_is_not_forgotten():
    system = Sandbox("arithmetic", "chain", habit=1.0)
    run, points, wrong = next(failed(system))
    second = system.advised([held(run, wrong[0])]).resume(points[0], None, 77)
    team = system.advised([held(run, wrong[0]), Attempt(second)])
    third = {team.resume(points[0], None, s).steps[wrong[0]].content for s in range(20)}
    assert len(third) > 1


def test_runs_of_strangers_and_shares_that_are_none_are_refused():
    with pytest.raises(UsageError, match="not a run of the sandbox"):
        Sandbox().advised([Attempt(make_trace("t", [("A", "hello")]))])
    with pytest.raises(UsageError, match="habit"):
        Sandbox(habit=1.5)
