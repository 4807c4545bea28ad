"""Worth by replay: the run again, with the mistakes of a coalition taken out.

A replay follows the log until the first mistake that the coalition takes out; from there on the
system plays, with fresh draws that are the same for all coalitions (common random numbers). Members
are corrected wherever they err, also where they did not in the log; the others act by themselves.
Replays that agree so far are one replay: a branch is played only where coalitions part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import numpy as np

from tracekit.analyzers.shapley.game import Game, Player
from tracekit.analyzers.shapley.reference import Reference, Turn, turns
from tracekit.protocols import Replayable
from tracekit.replay.effect import outcome
from tracekit.replay.types import Intervention
from tracekit.trace import Trace

Corrects = Callable[[Turn], bool]
"""Whether a turn is corrected if something is wrong in it."""


class Futures:
    """All replays of one run."""

    def __init__(
        self, system: Replayable, trace: Trace, reference: Reference, draws: int, seed: int
    ) -> None:
        digest = hashlib.sha256(f"{seed}/{trace.id}".encode("utf-8", "replace")).digest()
        first = int.from_bytes(digest[:4], "big")
        self.system, self.reference = system, reference
        self.seeds = range(first, first + draws)
        self.played = 0
        """Replays so far."""
        self._kept: dict[tuple[str, int], float] = {}
        self._log = _Branch(self, trace, 0)
        wrong = [self._log.right(place) is not None for place in range(len(self._log.turns))]
        pairs = zip(self._log.turns, wrong, strict=True)
        self.mistakes = tuple(turn for turn, is_wrong in pairs if is_wrong)
        """Turns of the log in which something was wrong, in order."""

    def worth(self, corrects: Corrects) -> np.ndarray:
        """Whether the run succeeds, 0 or 1, under each seed: (draws,)."""
        return np.array([self._end(corrects, seed) for seed in self.seeds], dtype=float)

    def kept(self, mistake: Turn) -> float:
        """Chance of success when a mistake stays as it is in the log and the rest is drawn anew."""
        if mistake.key not in self._kept:
            before = mistake.before
            same = Intervention(step=before.step, actions=mistake.said, by="recording")
            self.played += len(self.seeds)
            ends = [outcome(self.system, before, same, seed).status for seed in self.seeds]
            self._kept[mistake.key] = ends.count("success") / len(ends)
        return self._kept[mistake.key]

    def correction(self, mistake: Turn) -> Intervention:
        """What would have been right in a turn of `mistakes`."""
        found = self._log.right(self._log.turns.index(mistake))
        assert found is not None
        return found

    def between_agents(self, agents: Iterable[str]) -> Game:
        """The game in which agents are corrected in all that they do."""
        names = tuple(agents)
        first = {turn.agent: turn for turn in reversed(self.mistakes)}

        def worth(mask: int) -> np.ndarray:
            inside = {name for k, name in enumerate(names) if mask >> k & 1}
            return self.worth(lambda turn: turn.agent in inside)

        def kept(place: int) -> float:
            turn = first.get(names[place])
            return self.kept(turn) if turn is not None else float(worth(0).mean())

        return self._game(tuple(Player(name) for name in names), worth, kept)

    def between_steps(self, mistakes: Iterable[Turn]) -> Game:
        """The game in which single turns are corrected; steps of one agent belong together."""
        chosen = tuple(mistakes)

        def worth(mask: int) -> np.ndarray:
            inside = {turn.key for k, turn in enumerate(chosen) if mask >> k & 1}
            return self.worth(lambda turn: turn.key in inside)

        places: dict[str, list[int]] = {}
        for k, turn in enumerate(chosen):
            places.setdefault(turn.agent, []).append(k)
        players = tuple(Player(turn.agent, turn.before.step) for turn in chosen)
        groups = tuple(map(tuple, places.values()))
        return self._game(players, worth, lambda place: self.kept(chosen[place]), groups)

    def _game(
        self,
        players: tuple[Player, ...],
        worth: Callable[[int], np.ndarray],
        kept: Callable[[int], float],
        groups: tuple[tuple[int, ...], ...] | None = None,
    ) -> Game:
        assumes = (
            f"{len(self.seeds)} replays of each coalition, all that follows drawn anew; "
            f"{self.reference.assumes}; success is the system's own check"
        )
        return Game(
            value="replay",
            assumes=assumes,
            gain="corrected, {} of 100 more runs succeed",
            players=players,
            worth=worth,
            kept=kept,
            groups=groups,
        )

    def _end(self, corrects: Corrects, seed: int) -> bool:
        branch = self._log
        while (place := branch.next(corrects)) is not None:
            branch = branch.follow(place, seed)
        return branch.success


class _Branch:
    """One way that the run can go, and the ways that part from it."""

    def __init__(self, futures: Futures, trace: Trace, start: int) -> None:
        self._futures, self._trace, self._start = futures, trace, start
        self.turns = turns(futures.system, trace)
        self._right: dict[int, Intervention | None] = {}
        self._ways: dict[tuple[int, int], _Branch] = {}
        self._success: bool | None = None

    @property
    def success(self) -> bool:
        """Whether the run ends well, by the system's own check."""
        if self._success is None:
            self._success = self._futures.system.check(self._trace).status == "success"
        return self._success

    def right(self, place: int) -> Intervention | None:
        """What would have been right in a turn, None where it was."""
        if place not in self._right:
            self._right[place] = self._futures.reference.right(self.turns[place])
        return self._right[place]

    def next(self, corrects: Corrects) -> int | None:
        """Place of the first turn still open in which something is to be put right."""
        for place in range(self._start, len(self.turns)):
            if corrects(self.turns[place]) and self.right(place) is not None:
                return place
        return None

    def follow(self, place: int, seed: int) -> _Branch:
        """The way on from a turn that is put right."""
        if (place, seed) not in self._ways:
            self._futures.played += 1
            before = self.turns[place].before
            trace = self._futures.system.resume(before, self.right(place), seed)
            self._ways[place, seed] = _Branch(self._futures, trace, place + 1)
        return self._ways[place, seed]
