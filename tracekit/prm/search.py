"""Searching for a run that ends well, led by a value function.

Beam search by steps and tree search with values in place of rollouts are those of MASPRM (arXiv
2510.24803, section on inference); best-of-n and votes are what they must beat at the same cost.
Nothing here reads the expected answer: the outcome of the run that is found is checked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tracekit.errors import UnknownName, UsageError
from tracekit.prm.answers import final_answer
from tracekit.prm.meter import Budget, Meter
from tracekit.prm.rank import Candidate, Weight, ranking
from tracekit.prm.tree import Node, Rule, select
from tracekit.prm.tree import Settings as TreeSettings
from tracekit.prm.walk import State, Walk, walk
from tracekit.protocols import Replayable, RunningValue, ValueFunction
from tracekit.trace import Task, Trace


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to search. Raises `UsageError` for numbers that cannot be."""

    beams: int = 3
    """Beam search: runs that are kept after each action, B1."""
    tries: int = 5
    """Beam search: actions that are tried for each of them, B2."""
    runs: int = 8
    """Best-of-n and votes: runs, as far as the budget goes."""
    weight: Weight = "odds"
    """Votes: what a run's vote counts when there are values."""
    children: int = 3
    """Tree search: actions tried at a state."""
    simulations: int = 10
    """Tree search: states that are added before each action that is taken."""
    exploration: float = 2.0
    """Tree search: weight of what was seldom tried."""
    rule: Rule = "uct"
    """Tree search: uct or puct."""

    def __post_init__(self) -> None:
        if min(self.beams, self.tries, self.runs, self.children, self.simulations) < 1:
            raise UsageError("beams, tries, runs, children and simulations are at least 1")


class Found(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a search came to."""

    method: str
    """How it was searched, a name of `WAYS`."""
    trace: Trace
    """The run that was chosen, with its outcome as the system checks it."""
    answer: str | None
    """The answer of the search; by votes it may be that of another run than the best."""
    value: float | None
    """Value of the chosen run at its end, 0 to 1; None without a value function."""
    candidates: tuple[Candidate, ...]
    """Whole runs among which it was chosen."""
    meter: Meter
    """What it cost."""
    stopped: bool = False
    """Whether the budget ended it early."""


class _Held(msgspec.Struct, frozen=True):
    """A state and what the value function makes of it."""

    state: State
    running: RunningValue | None
    value: float


class _Search:
    """One search of one task."""

    def __init__(
        self, path: Walk, values: ValueFunction | None, settings: Settings, budget: Budget
    ) -> None:
        self.walk, self.values, self.settings, self.budget = path, values, settings, budget
        self.stopped = False

    def root(self) -> _Held:
        state = self.walk.root()
        running = self.values.begin(state.trace) if self.values else None
        return self._taken(state, running, 0)

    def tries(self, held: _Held, n: int, first: int = 0) -> list[_Held]:
        """Ways on from a state, each scored by what is new in it."""
        at = len(held.state.trace.steps)
        found = []
        for state in self.walk.tries(held.state, n, first):
            running = held.running.fork() if held.running else None
            found.append(self._taken(state, running, at))
        return found

    def _taken(self, state: State, running: RunningValue | None, at: int) -> _Held:
        if running is None:
            return _Held(state, None, 0.5)
        new = state.trace.steps[at:]
        for step in new:
            running.push(step)
        self.walk.meter.scored += len(new)
        return _Held(state, running, running.value)

    def spent(self) -> bool:
        """Whether the budget is used up; it is remembered that it was."""
        self.stopped = self.stopped or not self.budget.allows(self.walk.meter)
        return self.stopped

    def finish(self, held: _Held) -> _Held:
        """To the end by one try after the other."""
        while not held.state.over:
            held = self.tries(held, 1)[0]
        return held

    def beam(self) -> list[_Held]:
        """Step by step the best few of all tries; a run that is over keeps its place and value."""
        beams = [self.root()]
        while not all(held.state.over for held in beams):
            if self.spent():
                return [self.finish(max(beams, key=_value))]
            found = []
            for held in beams:
                found += [held] if held.state.over else self.tries(held, self.settings.tries)
            beams = sorted(found, key=lambda held: -held.value)[: self.settings.beams]
        return beams

    def mcts(self) -> list[_Held]:
        """Action by action: grow a tree from here by values, take the child of the best mean.

        The part of the tree below the action that is taken is kept.
        """
        rule = TreeSettings(
            children=self.settings.children,
            exploration=self.settings.exploration,
            rule=self.settings.rule,
        )
        first = self.root()
        node = Node(first, over=first.state.over)
        node.reward(2 * first.value - 1)
        while not node.over:
            for _ in range(self.settings.simulations):
                if self.spent():
                    break
                self._grow(node, rule)
            if not node.children:
                return [self.finish(node.state)]
            node = max(node.children, key=lambda child: child.mean)
            node.parent = None
        return [node.state]

    def _grow(self, root: Node[_Held], rule: TreeSettings) -> None:
        """One more state, worth what the value function says; an end is worth its value again."""
        node = select(root, rule)
        if not node.over:
            held = self.tries(node.state, 1, first=len(node.children))[0]
            node = node.add(held, over=held.state.over)
        node.reward(2 * node.state.value - 1)

    def sample(self, n: int) -> list[_Held]:
        """Whole runs; one is begun only while the budget has room for another of average cost."""
        root, found = self.root(), []
        for number in range(n):
            if number and not self.budget.allows(self.walk.meter, 1 / number):
                self.stopped = True
                break
            found.append(self.finish(self.tries(root, 1, first=number)[0]))
        return found


def _value(held: _Held) -> float:
    return held.value


WAYS: dict[str, Callable[[_Search], list[_Held]]] = {
    "beam": _Search.beam,
    "mcts": _Search.mcts,
    "best-of-n": lambda search: search.sample(search.settings.runs),
    "majority": lambda search: search.sample(search.settings.runs),
    "single": lambda search: search.sample(1),
}
"""Every way to search; each returns whole runs, of which one is chosen by value or by votes."""

NEED_VALUES = ("beam", "mcts", "best-of-n")


def search(
    system: Replayable,
    task: Task,
    method: str = "beam",
    *,
    values: ValueFunction | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    **settings: Any,
) -> Found:
    """Search for a run of `task` that ends well. Equal arguments give the same run.

    `settings` are those of `Settings`. `majority` without values is a plain vote, with values a
    weighted one. Raises `UnknownName` for a method that there is not, and `UsageError` for one
    that needs values where none are given, or an unknown setting.
    """
    if method not in WAYS:
        raise UnknownName("search method", method, list(WAYS))
    if method in NEED_VALUES and values is None:
        raise UsageError(f"{method} needs a value function")
    try:
        how = msgspec.convert(settings, Settings)
    except msgspec.ValidationError as error:
        raise UsageError(f"settings of the search: {error}") from None
    path = walk(system, task, seed)
    run = _Search(path, values, how, budget or Budget())
    ends = WAYS[method](run)
    return _found(method, run, ends)


def _found(method: str, run: _Search, ends: list[_Held]) -> Found:
    traces = {trace.id: trace for trace in (run.walk.done(held.state) for held in ends)}
    candidates = [
        Candidate(trace.id, final_answer(trace), held.value)
        for trace, held in zip(traces.values(), ends, strict=True)
    ]
    weight = run.settings.weight if run.values else "one"
    ranked = ranking(candidates, weight)
    answer, best = ranked.best.answer, ranked.best.id
    if method == "majority" and ranked.votes:
        answer = ranked.answer
        best = next(each.id for each in ranked.runs if each.answer == answer)
    return Found(
        method=method,
        trace=traces[best],
        answer=answer,
        value=next(each.value for each in candidates if each.id == best) if run.values else None,
        candidates=ranked.runs,
        meter=run.walk.meter,
        stopped=run.stopped,
    )
