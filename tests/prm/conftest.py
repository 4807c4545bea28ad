"""Systems to search in, and a value function that knows their answers."""

import copy

import pytest

from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.grammar import read
from tracekit.replay.sandbox.state import problem_of
from tracekit.replay.sandbox.system import Sandbox


class Plain:
    """A sandbox that can do no more than the protocol asks for."""

    def __init__(self, *args, **settings):
        sandbox = Sandbox(*args, **settings)
        self.run, self.checkpoints = sandbox.run, sandbox.checkpoints
        self.resume, self.check = sandbox.resume, sandbox.check


class Gold:
    """0.8, a half of it after the first wrong value that is stated, a third after the second."""

    name = "gold"

    def values(self, trace):
        running = self.begin(trace)
        return [running.push(step) for step in trace.steps]

    def begin(self, trace):
        return Running(trace.task.id)


class Running:
    def __init__(self, task):
        self.problem = problem_of(task)
        self.right, self.wrong, self.value = {}, 0, 0.8
        kind = family(self.problem.family)
        for item in self.problem.items:
            args = [self.right.get(arg, arg) for arg in item.args]
            self.right[item.label] = kind.compute(item, args, self.problem)

    def push(self, step):
        for said in read(self.problem.family, step.content):
            if said.what == "value" and self.right.get(said.label) != said.value:
                self.wrong += 1
        self.value = 0.8 / (1 + self.wrong)
        return self.value

    def fork(self):
        return copy.copy(self)


@pytest.fixture
def gold():
    return Gold()


@pytest.fixture
def plain():
    return Plain


@pytest.fixture(params=["by steps", "plain"])
def system(request):
    """A sandbox that can be run by steps, and one that cannot."""
    return Sandbox if request.param == "by steps" else Plain
