"""A debate: each solves the task alone, then answers the others; a judge decides."""

from __future__ import annotations

from typing import ClassVar

from tracekit.replay.sandbox.state import Board, Place, Turn

DEBATERS = ("debater1", "debater2", "debater3")
_BRIEF = "Solve the task by yourself, then compare with the others and defend or correct yourself."


class Debate:
    """Three debaters and a judge; everybody hears everything."""

    name: ClassVar = "debate"
    places: ClassVar = (
        *(Place(key, "debater", _BRIEF, task=True) for key in DEBATERS),
        Place("judge", "judge", "Weigh the positions and give the final answer.", task=True),
    )

    def start(self, roles: dict[str, str]) -> list[Turn]:
        """Own solutions, a round of answers, the verdict."""
        turns = []
        for key in DEBATERS:
            turns.append(Turn(roles[key], "plan"))
            turns.append(Turn(roles[key], "work", own=True))
        turns += [Turn(roles[key], "rebut") for key in DEBATERS]
        return [*turns, Turn(roles["judge"], "judge")]

    def after(
        self, turn: Turn, said: str | None, roles: dict[str, str], board: Board
    ) -> list[Turn]:
        """The order is fixed."""
        return []
