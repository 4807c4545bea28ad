"""Injection into systems that run: where, how often, and never without effect."""

import importlib.util
import random
from pathlib import Path

import msgspec
import pytest

from tracekit.errors import ContractError, InjectionError, UsageError
from tracekit.inject.live import inject_live, resolve, strikes
from tracekit.inject.manipulators.rules import Rules
from tracekit.inject.manipulators.sandbox import SandboxNative
from tracekit.inject.strategies import delayed, forgotten, given
from tracekit.inject.types import Fault
from tracekit.protocols import Manipulator
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.types import Action, Intervention
from tracekit.store import encode
from tracekit.trace import Message, faults

spec = importlib.util.spec_from_file_location("coins", Path(__file__).with_name("coins.py"))
coins = importlib.util.module_from_spec(spec)
spec.loader.exec_module(coins)
TASK, Coins, say = coins.TASK, coins.Coins, coins.say

NATIVE = SandboxNative()
BY_WORDS = ("response-corruption", NATIVE)


class Saying:
    """A manipulator that puts one word in, whatever the step; `what` may be no change at all."""

    name = "saying"
    modes = frozenset({"FM-2.6", "FM-2.4", "FM-3.1", "AT-2"})

    def __init__(self, *words):
        self.words = words

    def apply(self, scene, rng):
        actions = tuple(Action(word) for word in self.words)
        return Intervention(step=scene.step, actions=actions, by=self.name)


def run(family="arithmetic", topology="star", seed=0, **settings):
    sandbox = Sandbox(family, topology, **settings)
    runs = (sandbox.run(task, number) for number, task in enumerate(sandbox.tasks(seed)))
    return sandbox, next(trace for trace in runs if not trace.failed)


def strike(system, trace, *made, manipulator=NATIVE, seed=5):
    return inject_live(system, trace, made, manipulator, seed)


def corrupt(mode="FM-2.6", **more):
    return Fault(mode=mode, strategy="response-corruption", **more)


def test_manipulators_follow_the_protocol():
    assert all(isinstance(each, Manipulator) for each in (NATIVE, Rules(), Saying("a")))


def test_any_system_will_do():
    """One that is no sandbox, and knows nothing of faults."""
    system = Coins(fair=1.0)
    clean = system.run(TASK, 3)
    found = strike(system, clean, corrupt(step=1), manipulator=Saying("tails"))
    assert [step.content for step in found.trace.steps] == ["heads", "tails", "heads", "yes"]
    assert found.faults == (corrupt(step=1, agent="b"),)
    assert found.clean is clean
    assert found.manipulator == "saying"
    assert found.seed == 5


def test_a_change_that_changes_nothing_is_refused():
    system = Coins(fair=1.0)
    clean = say(system, "heads heads heads yes")
    with pytest.raises(InjectionError, match="changes nothing"):
        strike(system, clean, corrupt(step=1), manipulator=Saying("heads"))


def test_inputs_that_the_agent_makes_nothing_of_are_refused():
    sandbox, trace = run(skill=1.0)
    last = len(trace.steps) - 1

    class Deaf(Saying):
        def apply(self, scene, rng):
            messages = (*given(scene.trace, scene.step), Message("user", "Hi.", name="Ghost"))
            return Intervention(step=scene.step, inputs=messages, by=self.name)

    with pytest.raises(InjectionError, match="does the same"):
        strike(sandbox, trace, corrupt(step=last), manipulator=Deaf())


def test_a_system_that_rewrites_the_past_is_found_out():
    class Forgetful(Coins):
        def resume(self, checkpoint, intervention, seed):
            made = super().resume(checkpoint, intervention, seed)
            first = msgspec.structs.replace(made.steps[0], content="other")
            return msgspec.structs.replace(made, steps=(first, *made.steps[1:]))

    system = Forgetful(fair=1.0)
    with pytest.raises(ContractError, match="steps before step 2"):
        strike(system, system.run(TASK, 0), corrupt(step=2), manipulator=Saying("tails"))


def test_a_system_that_does_not_listen_is_found_out():
    class Stubborn(Coins):
        def resume(self, checkpoint, intervention, seed):
            return super().resume(checkpoint, None, seed)

    system = Stubborn(fair=1.0)
    with pytest.raises(InjectionError, match="did not take the change"):
        strike(system, system.run(TASK, 0), corrupt(step=2), manipulator=Saying("tails"))


def test_agent_and_step_are_drawn_from_those_that_can_be_struck():
    sandbox, trace = run("tables", "hierarchy")
    fitting = strikes(sandbox, trace, "FM-3.3", "response-corruption", NATIVE)
    roles = {trace.agent(trace.steps[step].agent).role for step in fitting}
    assert fitting == sorted(fitting)
    assert roles == {"verifier"}
    drawn = {strike(sandbox, trace, corrupt("FM-3.3"), seed=n).faults[0].step for n in range(12)}
    assert drawn <= set(fitting)
    (fault,) = resolve(sandbox, trace, [corrupt("FM-3.3")], NATIVE, 4)
    assert fault.step in fitting
    assert fault.agent == trace.steps[fault.step].agent


def test_where_nothing_can_be_struck_nothing_is_made():
    sandbox, trace = run()
    planner = next(agent.id for agent in trace.agents if agent.role == "orchestrator")
    with pytest.raises(InjectionError):
        strike(sandbox, trace, corrupt("FM-3.3", agent=planner))
    with pytest.raises(InjectionError, match="step 400 "):
        strike(sandbox, trace, corrupt(step=400))
    with pytest.raises(UsageError, match="no fault"):
        strike(sandbox, trace)
    with pytest.raises(InjectionError, match=r"does not do FM-1\.1"):
        strike(sandbox, trace, corrupt("FM-1.1"), manipulator=Saying("a"))


def test_only_the_fault_and_its_consequences_differ():
    """With the seed of the run, steps that cannot know of the fault are the recorded ones."""
    sandbox, trace = run("arithmetic", "debate")
    work = next(s.index for s in trace.steps if s.index and s.kind != "plan")
    found = strike(sandbox, trace, corrupt(step=work), seed=trace.extra["sandbox"]["draws"])
    own = [s.index for s in trace.steps if s.index > work and work not in s.inputs.steps]
    assert own
    assert [found.trace.steps[i] for i in own] == [trace.steps[i] for i in own]


@pytest.mark.parametrize("topology", ["star", "hierarchy", "blackboard"])
def test_every_call_of_an_agent(topology):
    sandbox, trace = run("scheduling", topology, difficulty=4)
    by = [trace.steps[n].agent for n in strikes(sandbox, trace, "FM-1.1", *BY_WORDS)]
    worker = max(by, key=by.count)
    found = strike(sandbox, trace, corrupt("FM-1.1", agent=worker, every=True))
    struck = [fault.step for fault in found.faults]
    assert len(struck) > 1
    assert struck == sorted(set(struck))
    assert {found.trace.steps[step].agent for step in struck} == {worker}
    assert [change.step for change in found.interventions] == struck
    assert faults(found.trace) == []


def test_every_call_from_a_step_on():
    sandbox, trace = run("arithmetic", "star", difficulty=4)
    steps = strikes(sandbox, trace, "FM-2.6", "response-corruption", NATIVE)
    by = {}
    for step in steps:
        by.setdefault(trace.steps[step].agent, []).append(step)
    agent, own = max(by.items(), key=lambda item: len(item[1]))
    found = strike(sandbox, trace, corrupt(agent=agent, step=own[1], every=True))
    assert found.faults[0].step == own[1]


def test_two_faults_in_one_run():
    sandbox, trace = run("arithmetic", "chain")
    found = strike(sandbox, trace, corrupt("FM-3.3", step=2), corrupt("FM-1.1", step=0))
    assert [(fault.mode, fault.step) for fault in found.faults[:1]] == [("FM-1.1", 0)]
    assert found.faults[1].mode == "FM-3.3"
    second = found.faults[1].step
    assert found.trace.steps[second].agent == trace.steps[2].agent
    assert len(found.interventions) == 2


def test_drawn_faults_have_steps_of_their_own():
    sandbox, trace = run("tables", "star")
    found = resolve(sandbox, trace, [corrupt()] * 3, NATIVE, 2)
    assert len({fault.step for fault in found}) == 3
    with pytest.raises(InjectionError):
        resolve(sandbox, trace, [corrupt("FM-3.3")] * 9, NATIVE, 2)


def test_collusion_takes_two():
    sandbox, trace = run("arithmetic", "chain")
    found = strike(sandbox, trace, corrupt("AT-2"))
    first, second = found.faults
    assert first.step < second.step
    assert first.agent != second.agent


def test_a_premature_stop_is_the_end():
    sandbox, trace = run("tables", "blackboard")
    found = strike(sandbox, trace, Fault(mode="FM-3.1", strategy="premature-stop"))
    at = found.faults[0].step
    assert len(found.trace.steps) == at + 1 < len(trace.steps)
    assert found.trace.steps[at].kind == "final"
    assert found.trace.failed


def test_a_system_that_goes_on_is_stopped_turn_by_turn():
    """Nobody told this one that a final answer ends the run; it can be talked into silence."""

    class Chatty(Sandbox):
        def resume(self, checkpoint, intervention, seed):
            if intervention is not None and intervention.actions:
                said = [msgspec.structs.replace(a, kind="message") for a in intervention.actions]
                intervention = msgspec.structs.replace(intervention, actions=tuple(said))
            return super().resume(checkpoint, intervention, seed)

    class Ending(Saying):
        def apply(self, scene, rng):
            action = Action("That was it.")
            return Intervention(step=scene.step, actions=(action,), by=self.name)

    system = Chatty("arithmetic", "chain")
    trace = system.run(next(system.tasks()), 1)
    fault = Fault(mode="FM-3.1", strategy="premature-stop", step=1)
    found = strike(system, trace, fault, manipulator=Ending())
    assert [step.content for step in found.trace.steps[1:]] == ["That was it."]


def test_what_an_agent_was_given():
    _, trace = run("arithmetic", "star")
    for step in trace.steps:
        told = given(trace, step.index)
        heard = [message for message in told if message.name]
        assert [m.content for m in heard] == [trace.steps[i].content for i in step.inputs.steps]
        assert all((m.role == "assistant") == (m.name == step.agent) for m in heard)
    bare = msgspec.structs.replace(trace.steps[3], inputs=None)
    unlogged = msgspec.structs.replace(trace, steps=(*trace.steps[:3], bare))
    assert len(given(unlogged, 3)) == 4


def test_what_is_lost_and_what_is_late():
    told = (
        Message("user", "Task?"),
        Message("user", "Plan.", name="P"),
        Message("assistant", "Mine.", name="W"),
    )
    assert [len(left) for left in forgotten(told)] == [2, 1]
    assert delayed(told) == (told[0], told[2])
    assert delayed(told[:1]) is None
    assert forgotten(told[:1]) == []


def test_the_sandbox_manipulator_needs_the_sandbox():
    system = Coins(fair=1.0)
    with pytest.raises(InjectionError, match="needs a run of the sandbox"):
        strike(system, system.run(TASK, 0), corrupt(step=1))


def test_global_generators_do_not_matter():
    sandbox, trace = run("retrieval", "debate")
    random.seed(1)
    first = strike(sandbox, trace, corrupt("FM-2.3"))
    random.seed(2)
    assert encode(strike(sandbox, trace, corrupt("FM-2.3")).trace) == encode(first.trace)
