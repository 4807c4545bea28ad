"""Repairs of the sandbox's teams, its planted weaknesses, and its sub-goals."""

from itertools import islice

import pytest

from tracekit.errors import UsageError
from tracekit.protocols import Milestones, Repairable
from tracekit.replay.effect import checkpoint_at
from tracekit.replay.sandbox.repairs import repairs
from tracekit.replay.sandbox.state import Settings
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.weak import hasty, miscalling
from tracekit.replay.types import Action, Intervention, Repair
from tracekit.store import encode
from tracekit.testing import check_replayable


def rate(system, count=60, seed=4):
    tasks = islice(system.tasks(seed), count)
    return sum(not system.run(task, number).failed for number, task in enumerate(tasks)) / count


def test_every_role_has_repairs_that_make_sense():
    keys = {each.key for each in repairs(Settings(family="tables", topology="chain"))}
    assert ("tool", "worker") in keys
    assert ("verification", "verifier") in keys
    assert ("termination", "reporter") not in keys
    assert ("tool", "worker") not in {each.key for each in repairs(Settings())}
    assert isinstance(Sandbox(), Repairable)
    assert isinstance(Sandbox(), Milestones)


def test_a_repair_of_a_stranger_is_refused():
    with pytest.raises(UsageError, match="can take prompt: planner"):
        Sandbox().with_repair(Repair(kind="prompt", target="janitor"))


@pytest.mark.parametrize(
    ("weakness", "cure", "family"),
    [
        (
            {"skill": 1.0, "skills": {"worker": 0.6, "verifier": 0.8}},
            "prompt: worker",
            "arithmetic",
        ),
        ({"skill": 0.8, "skills": {"verifier": 0.88}}, "verification: verifier", "arithmetic"),
        (
            {"skill": 1.0, "skills": {"verifier": 0.8}, "policies": {"worker": miscalling(0.8)}},
            "tool: worker",
            "tables",
        ),
        (
            {"skill": 0.9, "policies": {"worker": hasty(0.7)}},
            "termination: worker",
            "arithmetic",
        ),
    ],
)
def test_each_repair_takes_its_weakness_away(weakness, cure, family):
    system = Sandbox(family, "chain", **weakness)
    by_name = {str(each): each for each in system.repairs()}
    before, after = rate(system), rate(system.with_repair(by_name[cure]))
    assert after > before + 0.08
    assert rate(system) == before, "the old system is as it was"


def test_a_team_that_does_not_err_is_not_changed_by_any_repair():
    system = Sandbox("tables", "star", skill=1.0)
    task = next(system.tasks())
    plain = system.run(task, 3)
    for repair in system.repairs():
        assert encode(system.with_repair(repair).run(task, 3)) == encode(plain)


def test_repairs_add_up_and_keep_the_contract_of_replay():
    system = Sandbox("arithmetic", "chain")
    for repair in system.repairs()[:2]:
        system = system.with_repair(repair)
    assert set(system.policies) == {"planner"}
    check_replayable(system, list(islice(system.tasks(2), 2)), seed=1)


def test_milestones_are_the_items_with_their_right_values():
    system = Sandbox("arithmetic", "chain", skill=1.0)
    trace = system.run(next(system.tasks(3)), 0)
    reached = system.milestones(trace)
    assert reached
    assert all(reached.values())
    silent = Intervention(step=1, actions=(Action("Nothing."),), by="test")
    lazy = Sandbox("arithmetic", "chain", skill=1.0, policies={"verifier": lambda _: Action("Ok.")})
    empty = lazy.milestones(lazy.resume(checkpoint_at(lazy, trace, 1), silent, 0))
    assert empty.keys() == reached.keys()
    assert not any(empty.values())


def test_to_end_the_run_too_early_is_not_right():
    system = Sandbox("arithmetic", "chain", skill=1.0)
    trace = system.run(next(system.tasks(3)), 0)
    before = checkpoint_at(system, trace, 1)
    said = Action.of(trace.steps[1])
    assert system.is_correct(before, said)
    assert not system.is_correct(before, Action(said.content, "final"))
    last = trace.steps[-1]
    assert system.is_correct(checkpoint_at(system, trace, last.index), Action.of(last))
