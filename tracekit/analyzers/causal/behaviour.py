"""What is observed of every step: yes or no to a few questions about behaviour.

Every answer rests on the step and what came before it in the run; one compares with other runs of
the same task. None looks at an outcome, a label or the correct answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.corpus import by_task, seats
from tracekit.folds import question_key
from tracekit.signals.actions import plain, result, shows_error
from tracekit.signals.dataflow import facts
from tracekit.signals.repeats import repeats
from tracekit.signals.roles import candidates
from tracekit.signals.text import window, words
from tracekit.trace import Step, Trace

FEWEST = 3
"""Other runs of a task that it takes to say what is usual there."""
USUAL = 0.7
"""Share of other runs in which an agent says something in its n-th turn for that to be missed."""
MOST = 200
"""Details of one step that are followed up."""

_NUMBER = re.compile(r"\d[\d,]*\.?\d*")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w'-]{2,}")


class Behaviour(NamedTuple):
    """A question about a step."""

    name: str
    shows: str
    """A yes in words, after the name of the agent."""
    lacks: str
    """A no in words."""
    mode: str = ""
    """The failure mode (MAST) that a yes points to; empty = none."""


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("acts", "has a turn", "has no turn"),
    Behaviour("errs", "shows an error", "shows no error"),
    Behaviour("repeats", "repeats an earlier turn of its own", "repeats nothing", "FM-1.3"),
    Behaviour("differs", "states another result than the one before it", "states no other result"),
    Behaviour(
        "strays", "brings in a result that few runs of the task have", "brings in no odd result"
    ),
    Behaviour(
        "passes",
        "passes on an odd result that an earlier step brought in",
        "passes on no odd result",
        "FM-3.2",
    ),
    Behaviour(
        "departs",
        "brings in numbers, names or words that runs of the task do not have",
        "says nothing odd",
        "FM-2.6",
    ),
    Behaviour(
        "omits", "leaves out a detail that it usually gives", "gives its usual details", "FM-2.4"
    ),
)
"""The columns of `observe`, in order."""

NAMES = tuple(one.name for one in BEHAVIOURS)


Turn = tuple[str, int]
"""A seat, and its how-manieth turn."""


class _Counts(NamedTuple):
    """What the runs of a task say."""

    runs: dict[str, dict[Turn, frozenset[str]]]
    """Details in each turn, by run id."""
    anywhere: Counter[str]
    """Runs that hold a detail, a result or a word anywhere."""
    turns: Counter[Turn]
    """Runs that have the turn."""
    by_turn: dict[Turn, Counter[str]]
    """Runs that hold a detail in that turn."""


class Compared(NamedTuple):
    """A run beside other runs of its task, by step."""

    results: list[bool]
    """Whether the result that the step states is odd."""
    odd: list[frozenset[str]]
    """Odd details and words."""
    omits: list[bool]
    """Whether usual details are missing."""


class Usual:
    """What runs of a task usually say, learned from a corpus without its outcomes.

    A result, a number or a name is odd where fewer than half of the other runs of the task hold it
    and the question does not. A word is odd where none of them hold it although, at the rate of
    other tasks, that many runs would, but for one time in twenty over all words of the step: it
    is at home in the system and out of place in the task. Style is neither. A detail is usual
    where an agent gives it in its n-th turn in seven tenths of the other runs.
    """

    def __init__(self, corpus: Sequence[Trace], *, by_role: bool) -> None:
        self._by_role = by_role
        self._tasks = {task: self._counted(runs) for task, runs in by_task(corpus).items()}
        self._all: Counter[str] = Counter()
        for counts in self._tasks.values():
            self._all.update(counts.anywhere)
        self._total = len(corpus)

    def compared(self, trace: Trace) -> Compared:
        """A run against the others; nothing is odd where there are fewer than three."""
        task = question_key(trace)
        counts = self._tasks.get(task)
        own = counts.runs.get(trace.id) if counts else None
        others = len(counts.runs) - (own is not None) if counts else 0
        if counts is None or others < FEWEST:
            nothing = [False] * len(trace.steps)
            return Compared(nothing, [frozenset()] * len(nothing), nothing)
        mine = frozenset() if own is None else _anywhere(trace)
        known = (
            _details(trace.task.question)
            | words(trace.task.question)
            | set(facts(trace.task.question))
        )

        def rare(one: str) -> bool:
            return one not in known and 2 * (counts.anywhere[one] - (one in mine)) < others

        results = [(one := stated(step)) is not None and rare(one) for step in trace.steps]
        odd = []
        for step in trace.steps:
            said = words(window(step.content)) - known
            strange = (w for w in said if self._strange(w, counts, w in mine, others, len(said)))
            odd.append(frozenset(filter(rare, details(step))) | frozenset(strange))
        return Compared(results, odd, self._omits(trace, counts, own or {}))

    def _strange(self, word: str, counts: _Counts, own: bool, others: int, of: int) -> bool:
        """Whether a word of the system is out of place in the task."""
        if counts.anywhere[word] - own > 0:
            return False
        rate = (self._all[word] - counts.anywhere[word]) / max(1, self._total - others - 1)
        return rate > 0 and (1 - min(rate, 1.0)) ** others < 0.05 / of

    def _omits(
        self, trace: Trace, counts: _Counts, own: Mapping[Turn, frozenset[str]]
    ) -> list[bool]:
        found = []
        turns = _turns(trace, by_role=self._by_role)
        for turn, step in zip(turns, trace.steps, strict=True):
            times = counts.turns[turn] - (turn in own)
            mine, held = own.get(turn, frozenset()), details(step)
            usual = counts.by_turn.get(turn, Counter()).items() if times >= FEWEST else ()
            found.append(
                any(n - (one in mine) >= USUAL * times and one not in held for one, n in usual)
            )
        return found

    def _counted(self, runs: Sequence[Trace]) -> _Counts:
        found = _Counts({}, Counter(), Counter(), {})
        for run in runs:
            turns = _turns(run, by_role=self._by_role)
            by_turn = dict(zip(turns, map(details, run.steps), strict=True))
            found.runs[run.id] = by_turn
            found.anywhere.update(_anywhere(run))
            found.turns.update(by_turn.keys())
            for turn, each in by_turn.items():
                found.by_turn.setdefault(turn, Counter()).update(each)
        return found


def details(step: Step) -> frozenset[str]:
    """Numbers and names that a step states, and short arguments that it calls tools with.

    A capital at the start of a sentence is style, not a name.

    >>> sorted(details(Step(index=0, agent="A", content="Ask Mara: then Ben has 1,250.50 or 3.")))
    ['1250.5', '3', 'Ben', 'Mara']
    """
    found = _details(window(step.content))
    for call in step.tools:
        if isinstance(call.arguments, dict):
            values = (str(value) for value in call.arguments.values())
            found |= {value for value in values if len(value) <= 40}
    return frozenset(sorted(found)[:MOST])


def _anywhere(trace: Trace) -> frozenset[str]:
    """Details, results and words of a run, each once."""
    found: set[str] = set()
    for step in trace.steps:
        found |= details(step) | words(window(step.content))
        if (result := stated(step)) is not None:
            found.add(result)
    return frozenset(found)


def _details(text: str) -> frozenset[str]:
    return frozenset(map(plain, _NUMBER.findall(text))) | frozenset(_NAME.findall(text))


def _turns(trace: Trace, *, by_role: bool) -> list[Turn]:
    """Whose n-th turn each step is."""
    seat = seats(trace, by_role=by_role)
    count: Counter[str] = Counter()
    found = []
    for step in trace.steps:
        owner = seat[step.agent]
        count[owner] += 1
        found.append((owner, count[owner]))
    return found


def stated(step: Step) -> str | None:
    """What a step comes to: the last number in it, else the last name; None without either."""
    number = result(step)
    if number is not None:
        return number
    said = facts(step.content)
    return said[-1] if said else None


def observe(trace: Trace, usual: Usual) -> np.ndarray:
    """The answers for every step, bool (n_steps, n_behaviours); False for people and prompts."""
    beside = usual.compared(trace)
    again = repeats(trace)
    found = np.zeros((len(trace.steps), len(BEHAVIOURS)), dtype=bool)
    blamable = set(candidates(trace))
    last: str | None = None
    results: set[str | None] = set()
    seen: frozenset[str] = frozenset()
    for step in trace.steps:
        k, now = step.index, stated(step)
        if k in blamable:
            found[k] = (
                True,
                shows_error(step),
                again[k] is not None,
                now is not None and last is not None and now != last,
                beside.results[k] and now not in results,
                beside.results[k] and now in results,
                bool(beside.odd[k] - seen),
                beside.omits[k],
            )
        last = last if now is None else now
        results.add(now)
        seen |= beside.odd[k]
    return found
