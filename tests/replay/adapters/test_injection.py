"""Faults made in both frameworks while they run, and what replay says of them."""

from itertools import islice

import pytest

from tracekit.errors import InjectionError
from tracekit.inject.live import inject_live
from tracekit.inject.manipulators.rules import Rules
from tracekit.inject.types import Fault
from tracekit.replay.adapters.demo_ag2 import DemoAg2
from tracekit.replay.adapters.demo_langgraph import DemoLangGraph


@pytest.fixture(params=[DemoLangGraph, DemoAg2], ids=["langgraph", "ag2"])
def system(request):
    """A chain that now and then overlooks an error."""
    return request.param("chain")


def injected(system, mode, strategy, runs=6):
    """Successful runs, each with one fault made in it."""
    found = []
    for seed, task in enumerate(islice(system.team.sandbox.tasks(9), runs)):
        clean = system.run(task, seed)
        if clean.outcome.status == "success":
            fault = Fault(mode=mode, strategy=strategy)
            try:
                found.append(inject_live(system, clean, [fault], Rules(), seed))
            except InjectionError:
                continue  # the rules find no hold in this run
    return found


@pytest.mark.parametrize(
    ("mode", "strategy"), [("FM-2.6", "response-corruption"), ("FM-2.4", "message-drop")]
)
def test_some_runs_fail_by_the_fault_and_some_survive_it(system, mode, strategy):
    found = injected(system, mode, strategy)
    outcomes = {each.trace.outcome.status for each in found}
    assert outcomes == {"success", "failure"}
    for each in found:
        (fault,) = each.faults
        assert each.trace.steps[: fault.step] == each.clean.steps[: fault.step]
        assert each.trace.steps != each.clean.steps
        assert system.checkpoints(each.trace)[0].step == 0


def test_correcting_the_struck_step_saves_the_run(system):
    lost = [
        each
        for each in injected(system, "FM-2.6", "response-corruption")
        if each.trace.outcome.status == "failure"
    ]
    saved, kept = 0, 0
    for each in lost:
        at = each.faults[0].step
        before = next(c for c in system.checkpoints(each.trace) if c.step == at)
        for seed in range(100, 104):
            right, wrong = system.correct(before), each.interventions[0]
            saved += system.resume(before, right, seed).outcome.status == "success"
            kept += system.resume(before, wrong, seed).outcome.status == "success"
    assert lost
    assert saved >= kept + len(lost)
