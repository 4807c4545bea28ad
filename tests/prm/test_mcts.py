"""Targets from replays: rewards, means and costs of the tree, the same for the same seed."""

import msgspec
import pytest

from tracekit.errors import UsageError
from tracekit.prm.mcts import Settings, continuations, grow, paths
from tracekit.prm.targets import read_targets, write_targets
from tracekit.replay.effect import checkpoint_at
from tracekit.replay.sandbox.system import Sandbox
from tracekit.trace import Outcome

SMALL = Settings(rollouts=12)


def task(family="arithmetic", number=0):
    made = Sandbox(family, difficulty=3).tasks(7)
    return [next(made) for _ in range(number + 1)][-1]


def nodes(node):
    yield node
    for child in node.children:
        yield from nodes(child)


def shape(root):
    return [(node.visits, node.total, node.state.run.trace.id) for node in nodes(root)]


def test_a_tree_adds_up(system):
    tree = grow(system("arithmetic", skill=0.8), task(), SMALL, seed=1)
    for node in nodes(tree.root):
        assert -1 <= node.mean <= 1
        if node.children:
            assert node.visits == sum(child.visits for child in node.children)
            assert node.total == pytest.approx(sum(child.total for child in node.children))
            assert len(node.children) <= SMALL.children
        else:
            assert node.over
            reward = 1 if node.state.run.trace.outcome.status == "success" else -1
            assert node.mean == reward
    assert tree.rollouts <= SMALL.rollouts <= tree.root.visits


def test_the_last_action_is_tried_as_often_as_a_state_has_children():
    tree = grow(Sandbox("arithmetic", skill=0.8), task(), SMALL, seed=1)
    before_ends = {id(node.parent): node.parent for node in nodes(tree.root) if node.over}
    assert all(len(node.children) == SMALL.children for node in before_ends.values())


@pytest.mark.parametrize("parallel", [1, 4])
def test_equal_seeds_grow_equal_trees(parallel):
    rule = msgspec.structs.replace(SMALL, parallel=parallel)
    one, other, third = (
        grow(Sandbox("tables", skill=0.8), task("tables"), rule, seed=seed) for seed in (1, 1, 2)
    )
    assert shape(one.root) == shape(other.root) != shape(third.root)
    assert all(node.pending == node.opening == 0 for node in nodes(one.root))


def test_what_was_run_is_what_is_charged(plain):
    system, resumed = plain("arithmetic", skill=0.8), []
    resume = system.resume

    def counted(checkpoint, change, seed):
        trace = resume(checkpoint, change, seed)
        resumed.append(len(trace.steps) - checkpoint.step)
        return trace

    system.resume = counted
    tree = grow(system, task(), SMALL, seed=1)
    first = system.run(task(), 1)
    assert tree.meter.calls == sum(resumed) + len(first.steps)


def test_growth_ends_when_nothing_changes_any_more():
    easy = grow(Sandbox("arithmetic", skill=1.0), task(), Settings(rollouts=64), seed=1)
    assert easy.root.mean == 1
    assert easy.rollouts <= 26
    assert not easy.open


def test_runs_of_a_tree_with_their_values():
    tree = grow(Sandbox("tables", "star", skill=0.85), task("tables"), SMALL, seed=3)
    found = list(paths(tree.root))
    assert len({tuple(step.content for step in each.trace.steps) for each in found}) == len(found)
    assert {each.trace.outcome.status for each in found} == {"success", "failure"}
    for each in found:
        assert len(each.values) == len(each.visits) - 1 == len(each.trace.steps)
        assert (each.begin, each.visits[0]) == ((tree.root.mean + 1) / 2, tree.root.visits)
        assert each.values[-1] == float(each.trace.outcome.status == "success")
        assert sorted(each.visits, reverse=True) == list(each.visits)
        for step in each.trace.steps:
            if step.kind == "tool_result":  # worth what the call is worth
                assert each.values[step.index] == each.values[step.index - 1]
    assert found[0].visits[0] > found[0].visits[-1]


def test_continuations_are_shares_of_replays():
    system = Sandbox("arithmetic", skill=0.8, difficulty=3)
    trace = system.run(task(), 4)
    found = continuations(system, trace, 200, seed=9)
    assert found.values[-1] == float(not trace.failed)
    point = checkpoint_at(system, trace, 2)
    ends = [system.check(system.resume(point, None, 5000 + n)).status for n in range(400)]
    assert found.values[1] == pytest.approx(ends.count("success") / 400, abs=0.1)
    assert found.visits == (*[200] * len(trace.steps), 1)
    starts = [
        system.check(system.resume(checkpoint_at(system, trace, 0), None, 900 + n)).status
        for n in range(400)
    ]
    assert found.begin == pytest.approx(starts.count("success") / 400, abs=0.1)
    with pytest.raises(UsageError):
        continuations(system, trace, 0)


def test_a_system_that_cannot_judge_is_of_no_use(plain):
    system = plain("arithmetic")
    system.check = lambda trace: Outcome(by="nobody")
    with pytest.raises(UsageError, match="does not say how it ended"):
        grow(system, task(), SMALL)


def test_rows_of_a_file_of_targets(tmp_path):
    tree = grow(Sandbox("tables", "star", skill=0.85), task("tables"), SMALL, seed=3)
    found = next(paths(tree.root))
    rows = list(found.targets("mcts", 3))
    assert [row.step for row in rows] == list(range(-1, len(found.trace.steps)))
    assert [row.value for row in rows] == [found.begin, *found.values]
    assert {(row.trace, row.source, row.seed) for row in rows} == {(found.trace.id, "mcts", 3)}
    assert len({row.problem for row in rows}) == 1
    assert rows[0].problem
    write_targets(rows, tmp_path / "targets.jsonl")
    assert list(read_targets(tmp_path / "targets.jsonl")) == rows
