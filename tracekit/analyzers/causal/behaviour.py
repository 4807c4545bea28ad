"""What is observed of every step: yes or no to a few questions about behaviour.

Every answer rests on the step and what came before it in the run; one compares with other runs of
the same task. None looks at an outcome, a label or the correct answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.corpus import by_task
from tracekit.folds import question_key
from tracekit.signals.actions import result, shows_error
from tracekit.signals.dataflow import facts
from tracekit.signals.repeats import repeats
from tracekit.signals.roles import candidates
from tracekit.trace import Step, Trace

FEWEST = 3
"""Other runs of a task that it takes to say what is usual there."""


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
)
"""The columns of `observe`, in order."""

NAMES = tuple(one.name for one in BEHAVIOURS)


class Usual:
    """What results runs of a task usually hold, learned from a corpus without its outcomes."""

    def __init__(self, corpus: Sequence[Trace]) -> None:
        self._runs = {
            task: [(run.id, frozenset(map(stated, run.steps))) for run in runs]
            for task, runs in by_task(corpus).items()
        }
        self._counts = {
            task: Counter(one for _, results in runs for one in results)
            for task, runs in self._runs.items()
        }

    def odd(self, trace: Trace) -> np.ndarray:
        """Whether fewer than half of the other runs of the task hold a step's result, (n_steps,).

        False throughout where the corpus has fewer than three other runs of it.
        """
        task = question_key(trace)
        own = [results for id, results in self._runs.get(task, ()) if id == trace.id]
        counts: Mapping[str | None, int] = self._counts.get(task, {})
        others = len(self._runs.get(task, ())) - len(own)
        mine = [stated(step) for step in trace.steps]
        if others < FEWEST:
            return np.zeros(len(mine), dtype=bool)
        elsewhere = [counts.get(one, 0) - sum(one in each for each in own) for one in mine]
        known = frozenset(facts(trace.task.question))
        return np.array(
            [
                one is not None and one not in known and 2 * times < others
                for one, times in zip(mine, elsewhere, strict=True)
            ],
            dtype=bool,
        )


def stated(step: Step) -> str | None:
    """What a step comes to: the last number in it, else the last name; None without either."""
    number = result(step)
    if number is not None:
        return number
    said = facts(step.content)
    return said[-1] if said else None


def observe(trace: Trace, usual: Usual) -> np.ndarray:
    """The answers for every step, bool (n_steps, n_behaviours); False for people and prompts."""
    odd = usual.odd(trace)
    again = repeats(trace)
    found = np.zeros((len(trace.steps), len(BEHAVIOURS)), dtype=bool)
    blamable = set(candidates(trace))
    last: str | None = None
    seen: set[str] = set()
    for step in trace.steps:
        now = stated(step)
        new = now is not None and now not in seen
        if step.index in blamable:
            found[step.index] = (
                True,
                shows_error(step),
                again[step.index] is not None,
                now is not None and last is not None and now != last,
                odd[step.index] and new,
                odd[step.index] and not new,
            )
        if now is not None:
            last = now
            seen.add(now)
    return found
