"""A blackboard: everybody sees everything and adds the next part that is open."""

from __future__ import annotations

from typing import ClassVar

from tracekit.replay.sandbox.state import Board, Place, Turn

WORKERS = 3
ROUNDS = 2
"""How often the critic may wipe something out."""


class Blackboard:
    """A planner, three workers in turn, a critic, and one who closes."""

    name: ClassVar = "blackboard"
    places: ClassVar = (
        Place("planner", "planner", "Write the parts of the task on the board.", task=True),
        *(
            Place(f"worker{n}", "worker", "Fill in the next open part of the board.")
            for n in range(1, WORKERS + 1)
        ),
        Place("verifier", "verifier", "Criticise what is on the board.", task=True),
        Place("reporter", "reporter", "Close the board with the final answer."),
    )

    def start(self, roles: dict[str, str]) -> list[Turn]:
        """Plan, fill, criticise, close."""
        critic = roles["verifier"]
        return [
            Turn(roles["planner"], "plan"),
            Turn(critic, "check", back=critic),
            Turn(roles["reporter"], "report"),
        ]

    def after(
        self, turn: Turn, said: str | None, roles: dict[str, str], board: Board
    ) -> list[Turn]:
        """One worker after the other for what is open; the critic again after an objection."""
        missing = board.open(roles["planner"])
        if turn.duty == "plan":
            return _filling(len(missing), 0, roles)
        if turn.duty == "check" and turn.back is not None and board.rejected(said):
            critic, round = turn.agent, turn.round + 1
            back = critic if round < ROUNDS else None
            again = Turn(critic, "check", back=back, round=round)
            return [*_filling(len(missing), round, roles), again]
        return []


def _filling(count: int, first: int, roles: dict[str, str]) -> list[Turn]:
    workers = [roles[f"worker{1 + (first + n) % WORKERS}"] for n in range(count)]
    return [Turn(worker, "work", limit=1) for worker in workers]
