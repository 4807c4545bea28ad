"""One action at a time: the same actions as whole replays give, at the price that is due."""

import pytest

from tracekit.errors import UsageError
from tracekit.prm.meter import Budget, Meter, tokens
from tracekit.prm.walk import drawn, walk
from tracekit.replay.sandbox.system import Sandbox
from tracekit.trace import Step, ToolCall, Usage

PAIRS = [
    ("arithmetic", "chain"),
    ("tables", "star"),
    ("retrieval", "debate"),
    ("programs", "chain"),
]


@pytest.mark.parametrize(("family", "topology"), PAIRS)
def test_steps_of_the_sandbox_are_those_of_a_run(family, topology):
    sandbox = Sandbox(family, topology, skill=0.7)
    task = next(sandbox.tasks(4))
    whole = sandbox.run(task, 9)
    trace, checkpoint = sandbox.begin(task, 9)
    assert (trace.id, trace.agents, trace.steps) == (whole.id, whole.agents, ())
    assert trace.outcome.status == "unknown"
    steps = ()
    while checkpoint is not None:
        assert checkpoint in sandbox.checkpoints(whole)
        new, checkpoint = sandbox.advance(checkpoint, 9)
        assert new
        assert all(step.kind == "tool_result" for step in new[1:])
        steps += new
    assert steps == whole.steps


def test_an_action_is_that_of_a_resume():
    sandbox = Sandbox("tables", "star", skill=0.5)
    trace = sandbox.run(next(sandbox.tasks(4)), 1)
    for point in sandbox.checkpoints(trace)[:8]:
        new, _ = sandbox.advance(point, 77)
        assert sandbox.resume(point, None, 77).steps[point.step :][: len(new)] == new


def test_walks_end_in_whole_runs(system):
    made = system("tables", "chain", skill=0.6)
    path = walk(made, next(Sandbox("tables").tasks(2)), seed=5)
    state = path.root()
    assert state.trace.steps == ()
    while not state.over:
        one, other = path.tries(state, 2)
        at = len(state.trace.steps)
        assert one.trace.steps[:at] == other.trace.steps[:at] == state.trace.steps
        assert len(one.trace.steps) > at
        state = other
    trace = path.done(state)
    assert trace.outcome.status in ("success", "failure")
    assert [step.index for step in trace.steps] == list(range(len(trace.steps)))
    assert made.checkpoints(trace)[-1].step == len(trace.steps) - 1


def test_who_can_go_by_steps_pays_for_steps(plain):
    task = next(Sandbox("arithmetic").tasks(2))
    cheap, dear = (walk(kind("arithmetic"), task, 3) for kind in (Sandbox, plain))
    ways = [path.tries(path.root(), 4) for path in (cheap, dear)]
    assert cheap.meter.calls == 4
    runs = [state.ahead.trace.steps for state in ways[1]]
    assert dear.meter.calls == sum(map(len, runs)) >= 12
    assert len({steps[0].content for steps in runs}) > 1


def test_seeds_differ_from_path_to_path():
    paths = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (10,)]
    assert len({drawn(0, path) for path in paths} | {drawn(1, path) for path in paths}) == 14


def test_tokens_are_as_logged_or_by_length():
    call = ToolCall("calc", {"expression": "1 + 1"})
    assert tokens(Step(0, "A", content="abcde")) == 2
    assert tokens(Step(0, "A", content="abcd", tools=(call,))) == 1 + -(
        -len(str(call.arguments)) // 4
    )
    assert (
        tokens(Step(0, "A", content="abcd", usage=Usage(input_tokens=100, output_tokens=7))) == 107
    )


def test_a_budget_ends():
    budget = Budget(calls=10, tokens=100)
    assert budget.allows(Meter(calls=9, tokens=99))
    assert not budget.allows(Meter(calls=10, tokens=1))
    assert not budget.allows(Meter(calls=1, tokens=100))
    assert not budget.allows(Meter(calls=6), runs=1.0)
    assert Budget().allows(Meter(calls=10**9), runs=5)
    with pytest.raises(UsageError):
        Budget(calls=0)
