"""Selection and backup by hand."""

import math

import pytest

from tracekit.errors import UsageError
from tracekit.prm.tree import Node, Settings, Settled, score, select


def grown(*rewards):
    """A root with a child for each list of rewards."""
    root = Node("root")
    for number, its in enumerate(rewards):
        child = root.add(f"child {number}", over=False)
        for reward in its:
            child.reward(reward)
    return root


def test_rewards_go_all_the_way_up():
    root = grown([1, 1, -1], [-1])
    leaf = root.children[0].add("leaf", over=True)
    leaf.reward(1)
    assert (root.visits, root.total, root.mean) == (5, 1, 0.2)
    assert (root.children[0].visits, root.children[0].mean) == (4, 0.5)


def test_uct_by_hand():
    root = grown([1, 1, 1], [-1])
    first, second = root.children
    rule = Settings(exploration=0.5)
    assert score(first, rule) == pytest.approx(1 + 0.5 * math.sqrt(math.log(4) / 3))
    assert score(second, rule) == pytest.approx(-1 + 0.5 * math.sqrt(math.log(4)))
    assert select(root, Settings(children=2, exploration=0.5)) is first
    assert select(root, Settings(children=2, exploration=20.0)) is second


def test_puct_by_hand():
    root = grown([1, 1, 1], [-1])
    rule = Settings(rule="puct", exploration=2.0)
    assert score(root.children[0], rule) == pytest.approx(1 + 2 * 0.5 * 2 / 4)
    assert score(root.children[1], rule) == pytest.approx(-1 + 2 * 0.5 * 2 / 2)


def test_a_state_with_room_is_opened_before_any_is_chosen():
    root = grown([1], [1])
    assert select(root, Settings(children=3)) is root
    root.pend(1)
    assert select(root, Settings(children=3)) in root.children


def test_ways_that_are_walked_already_are_avoided():
    root = grown([1], [1])
    rule = Settings(children=2)
    assert select(root, rule) is root.children[0]
    root.children[0].pend(1)
    assert select(root, rule) is root.children[1]
    root.children[0].pend(-1)
    assert (root.pending, root.opening, root.children[0].pending) == (0, 0, 0)


def test_a_root_settles_when_it_is_still_or_sure():
    still, sure, restless = (Settled(Settings(patience=3)) for _ in range(3))
    assert [still.after(mean) for mean in (0.3, 0.3, 0.305, 0.3)] == [False, False, False, True]
    assert [sure.after(mean) for mean in (0.95, 0.99, 0.96)] == [False, False, True]
    assert not any(restless.after(mean) for mean in (0.3, 0.5, 0.3, 0.5, 0.3, 0.5))


@pytest.mark.parametrize("wrong", [{"children": 0}, {"parallel": 0}, {"rule": "best"}])
def test_settings_that_cannot_be(wrong):
    with pytest.raises(UsageError):
        Settings(**wrong)
