"""Faults in recordings: what is followed through, and what is refused because it cannot be."""

import importlib.util
from pathlib import Path

import msgspec
import pytest

from tracekit.errors import InjectionError, UsageError
from tracekit.inject.manipulators.rules import Rules
from tracekit.inject.modes import PAIRS
from tracekit.inject.offline import inject_offline
from tracekit.inject.types import Fault
from tracekit.inject.wording import NUMBER, mention
from tracekit.replay.sandbox.families.table import FAMILIES
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.types import Action, Intervention
from tracekit.store import encode
from tracekit.testing.traces import make_trace
from tracekit.trace import Inputs, Outcome, Step, Task, ToolCall, faults

spec = importlib.util.spec_from_file_location("rules", Path(__file__).with_name("test_rules.py"))
rules = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rules)
SOLVED = rules.SOLVED
RULES = Rules()


class Writing:
    """A manipulator that writes what it is told to."""

    name = "writing"
    modes = frozenset({"FM-2.6"})

    def __init__(self, *actions, inputs=None):
        self.actions, self.inputs = actions, inputs

    def apply(self, scene, rng):
        return Intervention(step=scene.step, actions=self.actions, inputs=self.inputs, by="test")


def strike(mode, strategy, step=None, seed=0, trace=SOLVED, by=RULES):
    return inject_offline(trace, [Fault(mode=mode, strategy=strategy, step=step)], by, seed)


def everything(step):
    calls = [(call.arguments, call.result, call.error) for call in step.tools]
    return f"{step.content} {msgspec.json.encode(calls).decode()}"


def test_a_value_is_replaced_wherever_it_is_quoted():
    found = strike("FM-2.6", "response-corruption", 4)
    new = found.trace.outcome.answer
    assert new not in (None, "168")
    assert found.trace.steps[4].content == f"So 14 times 12 makes 168, and the total is {new}."
    assert found.trace.steps[5].content == SOLVED.steps[5].content.replace("168", new)
    assert found.trace.steps[6].content == f"The answer is {new}."
    assert found.trace.outcome == Outcome(
        "failure", new, reason="the right answer was replaced", by="tracekit:offline"
    )
    assert found.trace.steps[:4] == SOLVED.steps[:4]
    assert found.interventions == ()
    assert found.faults[0].agent == "Solver"


def test_arguments_and_results_quote_too():
    call = ToolCall("book", {"seats": 41, "note": "row 41", "deep": [41, {"n": "x41"}]}, "ok 41")
    trace = make_trace(
        "booked",
        [("A", "We need 40 and 1, so 41 seats."), Step(0, "B", "tool_call", "", tools=(call,))],
        outcome=Outcome("success", None, by="test"),
        task=Task("How many?"),
    )
    found = strike("FM-2.6", "response-corruption", 0, trace=trace)
    made = found.trace.steps[1].tool
    new = int(found.trace.steps[0].content.split()[-2])
    assert made.arguments == {"seats": new, "note": f"row {new}", "deep": [new, {"n": "x41"}]}
    assert made.result == f"ok {new}"


@pytest.mark.parametrize("family", FAMILIES)
def test_no_later_step_quotes_the_old_value(family):
    made = 0
    for topology in ("chain", "star", "blackboard"):
        sandbox = Sandbox(family, topology)
        for number, task in zip(range(8), sandbox.tasks(2), strict=False):
            trace = sandbox.run(task, number)
            try:
                found = strike("FM-2.6", "response-corruption", trace=trace, seed=number)
            except InjectionError:
                continue
            made += 1
            at = found.faults[0].step
            lost = _replaced(trace.steps[at].content, found.trace.steps[at].content)
            for step in found.trace.steps[at + 1 :]:
                assert mention(lost).search(everything(step)) is None
            assert faults(found.trace) == []
    assert made >= (3 if family not in ("retrieval", "programs") else 0)


def _replaced(before, after):
    """The number at the place where two texts begin to differ."""
    start = next(n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b)
    return next(m[0] for m in NUMBER.finditer(before) if m.start() <= start < m.end())


def test_what_was_derived_from_a_value_cannot_be_followed():
    """14 goes into 168, which nobody can work out anew here."""
    changed = Writing(Action("There are 41 crates. The clerk Maja Oster has 12 tiles in each."))
    with pytest.raises(InjectionError, match="was there before"):
        strike("FM-2.6", "response-corruption", 3, by=changed)
    derived = make_trace(
        "derived",
        [("A", "I count 14 crates."), ("B", "12 in each of the 14, so 168."), ("C", "168.")],
        outcome=Outcome("success", "168", by="test"),
        task=Task("How many tiles?"),
    )
    by = Writing(Action("I count 41 crates."))
    with pytest.raises(InjectionError, match="may have derived"):
        strike("FM-2.6", "response-corruption", 0, trace=derived, by=by)


def test_who_saw_nothing_derived_nothing():
    """B worked by itself; its own new number says nothing of A's."""
    steps = [
        Step(0, "A", content="I count 14 crates.", inputs=Inputs()),
        Step(0, "B", content="I count 9 boxes.", inputs=Inputs()),
        Step(0, "C", content="14 crates, 9 boxes.", inputs=Inputs((0, 1))),
    ]
    trace = make_trace("apart", steps, outcome=Outcome("success", by="test"), task=Task("Count."))
    found = strike(
        "FM-2.6", "response-corruption", 0, trace=trace, by=Writing(Action("I count 41 crates."))
    )
    assert found.trace.steps[2].content == "41 crates, 9 boxes."


@pytest.mark.parametrize(
    "by",
    [
        Writing(Action("Something else entirely.")),
        Writing(Action("So 14 times 12 makes 168."), Action("No, 170.")),
        Writing(Action("So 14 times 12 makes 169, and the total is 170.")),
        Writing(Action("x"), inputs=()),
    ],
)
def test_other_changes_take_a_replay(by):
    with pytest.raises(InjectionError):
        strike("FM-2.6", "response-corruption", 4, by=by)


def test_a_message_that_others_quote_cannot_be_dropped():
    with pytest.raises(InjectionError, match="quotes '168'"):
        strike("FM-2.4", "message-drop", 4)
    found = strike("FM-2.4", "message-drop", 5)
    assert [s.content for s in found.trace.steps] == [
        s.content for s in SOLVED.steps if s.index != 5
    ]
    assert found.trace.outcome == SOLVED.outcome
    assert found.faults[0].agent == "Checker"


def test_references_move_with_the_steps():
    sandbox = Sandbox("arithmetic", "blackboard", skill=1.0)
    trace = sandbox.run(next(sandbox.tasks()), 0)
    check = next(s.index for s in trace.steps if trace.agent(s.agent).role == "verifier")
    twice = strike("FM-1.3", "message-duplicate", check, trace=trace).trace
    assert twice.steps[check].content == twice.steps[check + 1].content
    assert twice.steps[-1].inputs.steps == tuple(
        n + (n > check) for n in trace.steps[-1].inputs.steps
    )
    once = strike("FM-2.4", "message-drop", check, trace=trace).trace
    assert once.steps[-1].inputs.steps == tuple(range(check))
    assert faults(twice) == faults(once) == []


def test_a_run_is_cut_off_before_its_answer():
    found = strike("FM-3.1", "premature-stop", 3)
    assert len(found.trace.steps) == 4
    assert found.trace.steps[3].kind == "final"
    assert found.trace.outcome.status == "failure"
    with pytest.raises(InjectionError, match="nothing is missing"):
        strike("FM-3.1", "premature-stop", 5)


def test_two_faults():
    wanted = [
        Fault(mode="FM-1.3", strategy="message-duplicate", step=3),
        Fault(mode="FM-2.6", strategy="response-corruption", step=4),
    ]
    found = inject_offline(SOLVED, wanted, RULES, 0)
    assert [fault.step for fault in found.faults] == [4, 5]  # the copy, not what was copied
    assert found.trace.steps[3].content == found.trace.steps[4].content
    assert found.trace.steps[5].agent == "Solver"
    assert found.trace.outcome.status == "failure"


def test_what_no_recording_can_show():
    failed = msgspec.structs.replace(SOLVED, outcome=Outcome("failure"))
    with pytest.raises(InjectionError, match="not known to have succeeded"):
        strike("FM-2.6", "response-corruption", 4, trace=failed)
    with pytest.raises(InjectionError, match="takes a replay"):
        strike("FM-1.4", "context-loss", 4)
    with pytest.raises(InjectionError, match="takes a replay"):
        strike("AT-2", "response-corruption", 4)
    every = Fault(mode="FM-2.6", strategy="response-corruption", every=True)
    with pytest.raises(InjectionError, match="single step"):
        inject_offline(SOLVED, [every], RULES, 0)
    with pytest.raises(UsageError, match="no fault"):
        inject_offline(SOLVED, [], RULES, 0)
    with pytest.raises(InjectionError, match="step 99"):
        strike("FM-2.6", "response-corruption", 99)


def test_the_same_seed_gives_the_same_bytes():
    for mode, strategy in PAIRS:
        made = []
        for _ in range(2):
            try:
                made.append(encode(strike(mode, strategy, seed=3).trace))
            except InjectionError as error:
                made.append(str(error))
        assert made[0] == made[1]
