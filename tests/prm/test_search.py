"""Searches with a value function that knows: they find what one pass does not, within a budget."""

import msgspec
import pytest

from tracekit.errors import UnknownName, UsageError
from tracekit.prm.meter import Budget
from tracekit.prm.search import WAYS, search
from tracekit.replay.sandbox.system import Sandbox

SYSTEM = Sandbox("arithmetic", skill=0.8, difficulty=3)


def tasks(n, seed=3):
    made = SYSTEM.tasks(seed)
    return [next(made) for _ in range(n)]


def rate(method, values, n=16, **settings):
    found = [
        search(SYSTEM, task, method, values=values, seed=number, **settings)
        for number, task in enumerate(tasks(n))
    ]
    return sum(each.trace.outcome.status == "success" for each in found) / n


def test_values_that_know_find_good_runs(gold):
    single = rate("single", gold)
    assert single < 0.6
    for method in ("beam", "mcts", "best-of-n"):
        assert rate(method, gold) > single + 0.3, method


@pytest.mark.parametrize("method", WAYS)
def test_equal_seeds_find_equal_runs(method, system, gold):
    made = system("arithmetic", skill=0.8, difficulty=3)
    one, other, third = (
        search(made, tasks(1)[0], method, values=gold, seed=seed, runs=3) for seed in (1, 1, 2)
    )
    assert msgspec.json.encode(one) == msgspec.json.encode(other)
    assert one.trace.steps != third.trace.steps
    assert one.trace.id in {each.id for each in one.candidates}
    assert one.value == next(each.value for each in one.candidates if each.id == one.trace.id)
    assert one.meter.scored > 0


def test_the_cost_of_a_beam_by_hand(gold):
    """Every beam that is not over tries B2 actions; the first action is tried B2 times."""
    found = search(SYSTEM, tasks(1)[0], "beam", values=gold, beams=1, tries=4)
    assert found.meter.calls == 4 * len(found.trace.steps)
    assert len(found.candidates) == 1
    single = search(SYSTEM, tasks(1)[0], "single", values=gold)
    assert single.meter.calls == len(single.trace.steps)


@pytest.mark.parametrize("method", ["beam", "mcts"])
def test_a_budget_is_kept_but_for_the_way_to_the_end(method, gold):
    full = search(SYSTEM, tasks(1)[0], method, values=gold)
    cut = search(SYSTEM, tasks(1)[0], method, values=gold, budget=Budget(calls=8))
    assert cut.stopped
    assert not full.stopped
    assert cut.meter.calls < 8 + 15 + len(cut.trace.steps) < full.meter.calls + 15
    assert cut.trace.outcome.answer is not None


def test_samples_stay_within_the_budget():
    budget = Budget(calls=21)
    found = search(SYSTEM, tasks(1)[0], "majority", budget=budget, runs=100)
    assert found.stopped
    assert 10 < found.meter.calls <= 24
    assert found.value is None


def test_votes_choose_the_answer_and_a_run_that_gives_it(gold):
    for number, task in enumerate(tasks(6)):
        found = search(SYSTEM, task, "majority", values=gold, runs=9, seed=number)
        chosen = next(each for each in found.candidates if each.id == found.trace.id)
        assert chosen.answer == found.answer
        weights = {}
        for each in found.candidates:
            weights[each.answer] = weights.get(each.answer, 0) + each.value / (1 - each.value)
        assert weights[found.answer] == max(weights.values())


def test_the_expected_answer_is_not_read(gold):
    task = tasks(1)[0]
    bare = msgspec.structs.replace(task, expected=None)
    seen = search(SYSTEM, task, "beam", values=gold)
    blind = search(SYSTEM, bare, "beam", values=gold)
    assert seen.trace.steps == blind.trace.steps


def test_what_cannot_be_searched_is_said(gold):
    task = tasks(1)[0]
    with pytest.raises(UnknownName):
        search(SYSTEM, task, "hope", values=gold)
    with pytest.raises(UsageError, match="needs a value function"):
        search(SYSTEM, task, "beam")
    with pytest.raises(UsageError, match="beem"):
        search(SYSTEM, task, "beam", values=gold, beem=3)
    with pytest.raises(UsageError):
        search(SYSTEM, task, "beam", values=gold, beams=0)
