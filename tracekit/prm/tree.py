"""A tree of tries with the mean reward of what came of each: selection and backup, no system."""

from __future__ import annotations

import math
from typing import Generic, Literal, TypeVar

import msgspec

from tracekit.errors import UsageError

Rule = Literal["uct", "puct"]
T = TypeVar("T")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a tree is grown; defaults are those of MASPRM (arXiv 2510.24803) for rollouts.

    Raises `UsageError` for numbers that cannot be.
    """

    children: int = 4
    """Actions tried at a state, at most."""
    rollouts: int = 64
    """Ways down from the root."""
    exploration: float = 2.0
    """Weight of what was seldom tried, `c` of UCT and PUCT."""
    rule: Rule = "uct"
    """`uct` (Kocsis and Szepesvari 2006), or `puct` with equal priors (Silver et al. 2017)."""
    parallel: int = 1
    """Ways down that are chosen before any of them is rewarded; they run side by side."""
    patience: int = 24
    """Rollouts in a row after which a settled root ends the growth."""
    stable: float = 0.01
    """Change of the root's mean reward that counts as none."""
    sure: float = 0.95
    """Mean reward, by amount, that counts as settled."""

    def __post_init__(self) -> None:
        if min(self.children, self.rollouts, self.parallel, self.patience) < 1:
            raise UsageError("children, rollouts, parallel and patience of a tree are at least 1")
        if self.rule not in ("uct", "puct"):
            raise UsageError(f"the rule of a tree is uct or puct, not {self.rule!r}")


class Node(Generic[T]):
    """A state that was reached, and what came of it."""

    __slots__ = ("children", "opening", "over", "parent", "pending", "state", "total", "visits")

    def __init__(self, state: T, parent: Node[T] | None = None, *, over: bool = False) -> None:
        self.state, self.parent, self.over = state, parent, over
        self.children: list[Node[T]] = []
        self.visits, self.total = 0, 0.0
        self.pending = self.opening = 0

    @property
    def mean(self) -> float:
        """Mean reward, -1 to 1; 0 before the first."""
        return self.total / self.visits if self.visits else 0.0

    def add(self, state: T, *, over: bool) -> Node[T]:
        """A new child."""
        child = Node(state, self, over=over)
        self.children.append(child)
        return child

    def reward(self, value: float) -> None:
        """Count a reward here and all the way up."""
        node: Node[T] | None = self
        while node is not None:
            node.visits += 1
            node.total += value
            node = node.parent

    def pend(self, count: int) -> None:
        """Count a way down that opens here and is not rewarded yet, all the way up; or uncount."""
        self.opening += count
        node: Node[T] | None = self
        while node is not None:
            node.pending += count
            node = node.parent


def select(root: Node[T], settings: Settings) -> Node[T]:
    """The way down by the rule, to the first state with room for another try, or to an end."""
    node = root
    while node.children and len(node.children) + node.opening >= settings.children:
        node = max(node.children, key=lambda child: score(child, settings))  # first among equals
    return node


def score(node: Node[T], settings: Settings) -> float:
    """What the rule makes of a child; a way that is still being walked counts as a loss.

    By hand: one reward of 1 in one visit, four visits of the parent, c = 2, UCT: 1 + 2 sqrt(ln 4).

    >>> root = Node("root"); root.visits = 4
    >>> child = root.add("child", over=False); child.visits, child.total = 1, 1.0
    >>> round(score(child, Settings()), 4), round(score(child, Settings(rule="puct")), 4)
    (3.3548, 3.0)
    """
    parent = node.parent
    assert parent is not None
    visits = node.visits + node.pending
    if not visits:
        return math.inf
    mean = (node.total - node.pending) / visits
    above = parent.visits + parent.pending
    if settings.rule == "puct":
        prior = 1 / len(parent.children)
        return mean + settings.exploration * prior * math.sqrt(above) / (1 + visits)
    return mean + settings.exploration * math.sqrt(math.log(max(above, 1)) / visits)


class Settled:
    """Says when a root has settled: its mean hardly moves, or is near an end, for long enough."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._last = 0.0
        self._row = 0

    def after(self, mean: float, rollouts: int = 1) -> bool:
        """Take in the mean after more rollouts; True = growth may end."""
        rule = self._settings
        still = abs(mean - self._last) <= rule.stable or abs(mean) >= rule.sure
        self._row = self._row + rollouts if still else 0
        self._last = mean
        return self._row >= rule.patience
