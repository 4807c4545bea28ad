"""Turns of two actions: the one that spoils the run is to blame, not the right one before it."""

from itertools import islice

import pytest

from tracekit.errors import InjectionError
from tracekit.inject.labels import label
from tracekit.inject.live import inject_live
from tracekit.inject.manipulators.sandbox import SandboxNative
from tracekit.inject.strategies import struck
from tracekit.inject.types import Fault
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.trace import Agent, Outcome, Source, Step, Task, Trace

TASK = Task(question="Say yes.", expected="yes", id="yes")


class Herald:
    """One who says yes in the only turn; what is said counts, and each word has its own state."""

    def run(self, task, seed):
        return self._said(("yes",), "herald")

    def checkpoints(self, trace):
        said = [step.content for step in trace.steps]
        return [Checkpoint(trace.id, n, {"said": said[:n]}) for n in range(len(said))]

    def resume(self, checkpoint, intervention, seed):
        said = tuple(checkpoint.state["said"])
        if intervention is None or intervention.actions is None:
            return self._said((*said, "yes"), checkpoint.trace_id)
        more = tuple(action.content for action in intervention.actions)
        return self._said(said + more, f"{checkpoint.trace_id}~{checkpoint.step}{more}")

    def check(self, trace):
        right = bool(trace.steps) and trace.steps[-1].content == "yes"
        return Outcome(status="success" if right else "failure", by="herald")

    def _said(self, words, id):
        steps = tuple(Step(n, "herald", content=word) for n, word in enumerate(words))
        made = Trace(id, Source("toy"), TASK, (Agent("herald", "herald"),), steps)
        return Trace(id, made.source, TASK, made.agents, steps, self.check(made))


class Again:
    """Says what was said, and then something else."""

    name, modes = "again", frozenset({"FM-1.3"})

    def apply(self, scene, rng):
        once = Action.of(scene.trace.steps[scene.step])
        return Intervention(step=scene.step, actions=(once, Action("no")), by=self.name)


@pytest.mark.parametrize(
    ("words", "at"),
    [(("no",), 0), (("no", "yes"), 0), (("yes", "no"), 1), (("yes", "yes"), 1), ((), 0)],
)
def test_the_first_action_that_was_not_recorded_is_the_fault(words, at):
    trace = Herald().run(TASK, 0)
    change = Intervention(step=0, actions=tuple(map(Action, words)), by="test")
    assert struck(trace, change) == at


def test_without_corrections_a_word_on_top_is_taken_back():
    system = Herald()
    fault = Fault(mode="FM-1.3", strategy="response-corruption")
    made = inject_live(system, system.run(TASK, 0), [fault], Again(), seed=0)
    assert [step.content for step in made.trace.steps] == ["yes", "no"]
    found = label(system, made)
    assert {each.definition: each.step for each in found.trace.labels} == {
        "injected": 1,
        "decisive": 1,
        "first-unrecoverable": 1,
    }
    assert found.decisive.rate_with == 1


@pytest.mark.parametrize("mode", ["FM-1.3", "FM-1.5"])
def test_in_the_sandbox_the_right_word_before_it_is_not_blamed(mode):
    sandbox = Sandbox("arithmetic", "chain")
    runs = (sandbox.run(task, seed) for seed, task in enumerate(sandbox.tasks(seed=3)))
    fault = Fault(mode=mode, strategy="response-corruption")
    blamed = 0
    for clean in islice((run for run in runs if not run.failed), 12):
        try:
            made = inject_live(sandbox, clean, [fault], SandboxNative(), seed=3)
        except InjectionError:
            continue
        turn, step = made.interventions[0].step, made.faults[0].step
        assert step == turn + 1
        assert made.trace.steps[turn].content == clean.steps[turn].content
        found = label(sandbox, made)
        assert found.trace.labels[0].step == step
        assert turn not in (found.unrecoverable, found.decisive and found.decisive.step)
        blamed += found.decisive is not None and found.decisive.step == step
    assert blamed > 0
