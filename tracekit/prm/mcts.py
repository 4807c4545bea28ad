"""Values of unfinished runs from many ways to finish them: tree search and plain continuations.

Monte-Carlo tree search over a `Replayable`, as MASPRM (arXiv 2510.24803) makes its targets: a
state of the tree is the run up to an action, a rollout resumes the run there with another seed and
is rewarded by the system's own check, +1 or -1. Every rollout joins the tree whole, so that later
ones branch off from it. The last action of a rollout is tried again at once, as often as states
have children, since that costs one action each. The value of a state is the mean reward of all
rollouts through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import NamedTuple

from tracekit.errors import UsageError
from tracekit.folds import question_key
from tracekit.prm.meter import Meter
from tracekit.prm.targets import Origin, Target, system_of
from tracekit.prm.tree import Node, Settings, Settled, select
from tracekit.prm.walk import Recorded, drawn
from tracekit.protocols import Replayable
from tracekit.replay.effect import outcome
from tracekit.replay.types import Checkpoint
from tracekit.trace import Task, Trace

OPEN = 0.7
"""Mean reward of a root, by amount, above which a task is too easy or too hard to learn from."""


class Place(NamedTuple):
    """A state of the tree: a recorded run up to its `choice`th choice; behind its last, its end."""

    run: Recorded
    choice: int

    @property
    def checkpoint(self) -> Checkpoint | None:
        """None at the end of the run."""
        choices = self.run.choices
        return choices[self.choice] if self.choice < len(choices) else None


Tree = Node[Place]


class Grown(NamedTuple):
    """A tree of one task, and what it cost."""

    root: Tree
    meter: Meter
    rollouts: int

    @property
    def open(self) -> bool:
        """Whether its task is sometimes solved and sometimes not."""
        return abs(self.root.mean) <= OPEN


class Values(NamedTuple):
    """A whole run and what the states on its way were worth."""

    trace: Trace
    begin: float
    """Probability of success before the first step, 0 to 1."""
    values: tuple[float, ...]
    """Probability of success after each step."""
    visits: tuple[int, ...]
    """Rollouts that each rests on, that before the first step first."""

    def targets(self, source: Origin, seed: int) -> Iterator[Target]:
        """Rows of a file of targets (`tracekit.prm.targets`), one for each prefix."""
        trace = self.trace
        for step, value in enumerate((self.begin, *self.values), -1):
            yield Target(
                trace=trace.id,
                step=step,
                value=value,
                weight=float(self.visits[step + 1]),
                source=source,
                problem=question_key(trace),
                system=system_of(trace),
                seed=seed,
            )


def grow(system: Replayable, task: Task, settings: Settings | None = None, seed: int = 0) -> Grown:
    """The tree of a task; the same for equal seed and settings, whatever ran side by side.

    Raises `UsageError` for a system that cannot say how a run ended.
    """
    rule = settings or Settings()
    growth = _Growth(system, rule, seed)
    root = growth.start(system.run(task, seed))
    settled, made = Settled(rule), 1
    pool = ThreadPoolExecutor(rule.parallel) if rule.parallel > 1 else None
    with pool or nullcontext():
        side_by_side = pool.map if pool else map
        while made < rule.rollouts:
            several = min(rule.parallel, rule.rollouts - made)
            nodes = [_chosen(root, rule) for _ in range(several)]
            seeds = [drawn(seed, (made + n,)) for n in range(several)]
            runs = list(side_by_side(growth.rollout, nodes, seeds))
            for n, (node, run) in enumerate(zip(nodes, runs, strict=True)):
                node.pend(-1)
                growth.take(node, run, made + n)
            made += several
            if settled.after(root.mean, several):
                break
    return Grown(root, growth.meter, made)


def _chosen(root: Tree, rule: Settings) -> Tree:
    node = select(root, rule)
    node.pend(1)
    return node


class _Growth:
    """One tree while it grows."""

    def __init__(self, system: Replayable, rule: Settings, seed: int) -> None:
        self.system, self.rule, self.seed = system, rule, seed
        self.meter = Meter()

    def start(self, trace: Trace) -> Tree:
        """The root, with the first run below it."""
        run = Recorded.of(self.system, trace)
        if not run.choices:
            raise UsageError(f"run {trace.id}: there is no step to resume from")
        root: Tree = Node(Place(run, 0))
        self.take(root, run, 0)
        return root

    def rollout(self, node: Tree, seed: int) -> Recorded | None:
        """The run resumed at a node; None at an end, where nothing is left to run."""
        point = node.state.checkpoint
        if point is None:
            return None
        return Recorded.of(self.system, self.system.resume(point, None, seed))

    def take(self, node: Tree, run: Recorded | None, number: int) -> None:
        """Let a run join the tree below a node, and try its last action as often as the rest."""
        if run is None:
            node.reward(1.0 if node.mean > 0 else -1.0)
            return
        last = self._join(node, run).parent
        assert last is not None
        for n in range(self.rule.children - len(last.children)):
            sibling = self.rollout(last, drawn(self.seed, (number, n)))
            assert sibling is not None
            self._join(last, sibling)

    def _join(self, node: Tree, run: Recorded) -> Tree:
        """The end of the run, rewarded, with all states on the way there below the node."""
        point = node.state.checkpoint
        assert point is not None
        self.meter.add(run.trace.steps[point.step :])
        for n, choice in enumerate(run.choices):
            if choice.step > point.step:
                node = node.add(Place(run, n), over=False)
        end = node.add(Place(run, len(run.choices)), over=True)
        status = self.system.check(run.trace).status
        if status == "unknown":
            raise UsageError(f"run {run.trace.id}: the system does not say how it ended")
        end.reward(1.0 if status == "success" else -1.0)
        return end


def paths(root: Tree) -> Iterator[Values]:
    """Every run of a tree with the values of its states, each run once, in order of the tree.

    An answer of a tool is worth what the action that asked for it is.
    """
    ends = [root]
    seen: set[tuple[str, ...]] = set()
    while ends:
        node = ends.pop()
        ends += reversed(node.children)
        if not node.over:
            continue
        trace = node.state.run.trace
        said = tuple(step.content for step in trace.steps)
        if said not in seen:
            seen.add(said)
            yield _valued(node)


def _valued(end: Tree) -> Values:
    trace = end.state.run.trace
    values, visits = [0.0] * len(trace.steps), [0] * len(trace.steps)
    node, until = end, len(trace.steps)
    while node.parent is not None:
        above = node.parent.state.checkpoint
        assert above is not None
        for step in range(above.step, until):
            values[step], visits[step] = _share(node), node.visits
        node, until = node.parent, above.step
    return Values(trace, _share(node), tuple(values), (node.visits, *visits))


def _share(node: Tree) -> float:
    """The mean reward as a probability."""
    return (node.mean + 1) / 2


def continuations(system: Replayable, trace: Trace, n: int, seed: int = 0) -> Values:
    """Values of one run by plain Monte Carlo: of each state the share of `n` replays that succeed.

    The last step has the outcome of the run itself.
    """
    if n < 1:
        raise UsageError("a value needs at least one continuation")
    run = Recorded.of(system, trace)
    begin, count = 0.0, len(trace.steps)
    values = [float(system.check(trace).status == "success")] * count
    visits = [n] * (count + 1)
    for number, point in enumerate(run.choices):
        ends = (outcome(system, point, None, drawn(seed, (point.step, k))) for k in range(n))
        rate = sum(end.status == "success" for end in ends) / n
        if number == 0:
            begin = rate
            continue
        for step in range(run.choices[number - 1].step, point.step):
            values[step] = rate
    for step in range(run.choices[-1].step if run.choices else 0, count):
        visits[step + 1] = 1
    return Values(trace, begin, tuple(values), tuple(visits))
