"""Where the worth of a coalition comes from: replays, recorded repeats, or a reading of the log."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

from tracekit.analyzers.shapley.futures import Futures
from tracekit.analyzers.shapley.game import Game, NoGame
from tracekit.analyzers.shapley.readings import ByMasking, ByPosterior
from tracekit.analyzers.shapley.reference import reference
from tracekit.analyzers.shapley.repeats import ByRepeats
from tracekit.context import Context
from tracekit.protocols import Analyzer, Replayable
from tracekit.trace import Trace

Value = Literal["auto", "replay", "recorded", "prm", "compact"]
"""What coalitions are worth; `auto` goes by what the context has."""
Between = Literal["agents", "steps"]
"""Who plays."""

LEAST = 0.01
"""What a mistake counts whose correction alone gains nothing, in units of the chance of success."""


class Source(Protocol):
    """One value function for one run."""

    @property
    def calls(self) -> int:
        """Replays so far."""
        ...

    def game(self, between: Between) -> Game:
        """The game; raises `NoGame` where there is none."""
        ...

    def suspicion(self) -> np.ndarray:
        """How suspicious each step is among those of its agent, (n_steps,), at least 0."""
        ...

    def instead(self, step: int) -> str:
        """What would have been right at a step, in words; empty where nobody knows."""
        ...


def source(trace: Trace, context: Context, value: Value, draws: int, compact: Analyzer) -> Source:
    """The value function asked for, or with `auto` replay where there is a system, else compact.

    Recorded repeats and the process reward model are taken only when asked for: both were worse
    than compact where that could be measured (docs/benchmarks.md). Raises `NoGame` when the one
    asked for is not to be had.
    """
    if value == "replay" or (value == "auto" and context.system is not None):
        if context.system is None:
            raise NoGame("replay needs the system that made the run")
        return ByReplay(trace, context.system, context, draws)
    if value == "recorded":
        return ByRepeats(trace, context.corpus, context.rng(trace.id, "repeats"))
    return ByMasking(trace) if value == "prm" else ByPosterior(trace, context, compact)


class ByReplay:
    """The run is played again (`futures.Futures`)."""

    def __init__(self, trace: Trace, system: Replayable, context: Context, draws: int) -> None:
        known = reference(trace, system, context.corpus)
        self._length = len(trace.steps)
        self._futures = Futures(system, trace, known, draws, context.seed)
        if not self._futures.mistakes:
            raise NoGame("every step is right as far as can be told: there is nothing to take out")

    @property
    def calls(self) -> int:
        """Replays so far."""
        return self._futures.played

    def game(self, between: Between) -> Game:
        """Between the agents who did something wrong, or the turns in which something was wrong."""
        mistakes = self._futures.mistakes
        if between == "steps":
            return self._futures.between_steps(mistakes)
        return self._futures.between_agents(dict.fromkeys(turn.agent for turn in mistakes))

    def suspicion(self) -> np.ndarray:
        """What correcting a step alone gains; at least a little for whatever was wrong."""
        found = np.zeros(self._length)
        steps = self._futures.between_steps(self._futures.mistakes)
        for k, turn in enumerate(self._futures.mistakes):
            gain = steps.worth(1 << k).mean() - self._futures.kept(turn)
            found[turn.before.step] = max(gain, 0.0) + LEAST
        return found

    def instead(self, step: int) -> str:
        """The correction that was played."""
        for turn in self._futures.mistakes:
            if turn.before.step == step:
                actions = self._futures.correction(turn).actions or ()
                return " ".join(action.content for action in actions)
        return ""
