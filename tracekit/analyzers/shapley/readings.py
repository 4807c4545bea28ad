"""Worth without replays or repeats: what a model makes of the one log there is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from tracekit import registry
from tracekit.analyzers.shapley.game import Game, NoGame, Player
from tracekit.context import Context
from tracekit.protocols import Analyzer, ValueFunction
from tracekit.signals.roles import candidates
from tracekit.trace import Inputs, Step, Trace


class ByPosterior:
    """The compact tracer's: a coalition is worth the chance that it holds the decisive step.

    That is additive, so the shares are the posterior itself: nothing is learned beyond it.
    """

    calls = 0

    def __init__(self, trace: Trace, context: Context, compact: Analyzer) -> None:
        found = compact.attribute(trace, msgspec.structs.replace(context, settings={}))
        if found.abstained is not None:
            raise NoGame(f"compact: {found.abstained}")
        self._trace, self._agents = trace, found.agents
        self._chances = np.zeros(len(trace.steps))
        for suspect in found.suspects:
            self._chances[suspect.step] = suspect.probability

    def game(self, between: str) -> Game:
        """Between all agents or steps that can be blamed."""
        players = members(self._trace, between)
        worth = [
            self._agents.get(player.agent, 0.0)
            if player.step is None
            else float(self._chances[player.step])
            for player in players
        ]
        return Game(
            value="compact",
            assumes="nothing was replayed: one step decided, and correcting it mends the run; "
            "the chances are those of compact",
            gain="compact sees the cause there in {} of 100 such runs",
            players=players,
            worth=lambda mask: np.array([sum(w for k, w in enumerate(worth) if mask >> k & 1)]),
            additive=True,
        )

    def suspicion(self) -> np.ndarray:
        """The posterior."""
        return self._chances

    def instead(self, step: int) -> str:
        """Nobody knows."""
        return ""


class ByMasking:
    """The process reward model's: the chance of success of the log without a coalition's steps.

    Whoever is left out took chances away if the rest looks better without them.
    """

    calls = 0

    def __init__(self, trace: Trace) -> None:
        self._prm: ValueFunction = registry.get("values", "prm")
        self._trace = trace

    def game(self, between: str) -> Game:
        """Between all agents or steps that can be blamed; steps of one agent belong together."""
        players = members(self._trace, between)
        places: dict[str, list[int]] = {}
        for k, player in enumerate(players):
            places.setdefault(player.agent, []).append(k)
        return Game(
            value="prm",
            assumes="nothing was replayed: a coalition is worth the chance of success that the "
            "process reward model gives the log without the coalition's steps",
            gain="without it, {} of 100 more runs look like successes",
            players=players,
            worth=lambda mask: np.array([self._worth(players, mask)]),
            groups=tuple(map(tuple, places.values())) if between == "steps" else None,
        )

    def _worth(self, players: tuple[Player, ...], mask: int) -> float:
        out = {player for k, player in enumerate(players) if mask >> k & 1}
        spared = without(
            self._trace,
            (
                step.index
                for step in self._trace.steps
                if Player(step.agent) in out or Player(step.agent, step.index) in out
            ),
        )
        values = self._prm.values(spared) if spared.steps else ()
        return float(values[-1] if len(values) else self._prm.begin(self._trace).value)

    def suspicion(self) -> np.ndarray:
        """How far the chance of success falls with each step."""
        before = self._prm.begin(self._trace).value
        return np.maximum(0.0, -np.diff(np.array([before, *self._prm.values(self._trace)])))

    def instead(self, step: int) -> str:
        """Nobody knows."""
        return ""


def members(trace: Trace, between: str) -> tuple[Player, ...]:
    """The agents, or the steps, that can be blamed (`signals.roles.candidates`), in order."""
    steps = [trace.steps[index] for index in candidates(trace)]
    if between == "steps":
        return tuple(Player(step.agent, step.index) for step in steps)
    return tuple(Player(agent) for agent in dict.fromkeys(step.agent for step in steps))


def without(trace: Trace, steps: Iterable[int]) -> Trace:
    """The trace as if steps had never been: what is left is numbered anew, and nobody heard them.

    >>> from tracekit.trace import Source
    >>> said = tuple(Step(index=i, agent="A", parent=i - 1 if i else None) for i in range(3))
    >>> short = without(Trace(id="t", source=Source(format="x"), steps=said), [1])
    >>> [(step.index, step.parent) for step in short.steps]
    [(0, None), (1, None)]
    """
    out = frozenset(steps)
    kept = [step for step in trace.steps if step.index not in out]
    places = {step.index: place for place, step in enumerate(kept)}
    return msgspec.structs.replace(
        trace, steps=tuple(_moved(step, places) for step in kept), labels=()
    )


def _moved(step: Step, places: dict[int, int]) -> Step:
    """The step at its new place, with its references."""
    inputs = step.inputs
    if inputs is not None:
        heard = tuple(places[index] for index in inputs.steps if index in places)
        inputs = Inputs(heard, inputs.messages)
    parent = None if step.parent is None else places.get(step.parent)
    return msgspec.structs.replace(step, index=places[step.index], inputs=inputs, parent=parent)
