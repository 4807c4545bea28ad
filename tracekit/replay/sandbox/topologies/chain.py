"""A chain: each hears the one before; the checker may send the work back twice."""

from __future__ import annotations

from typing import ClassVar

from tracekit.replay.sandbox.state import Board, Place, Turn

ROUNDS = 2
"""How often work is sent back at most."""


class Chain:
    """Planner, worker, verifier, reporter."""

    name: ClassVar = "chain"
    places: ClassVar = (
        Place("planner", "planner", "Split the task into parts, one line each.", task=True),
        Place("worker1", "worker", "Work out every part of the plan and show your working."),
        Place(
            "verifier", "verifier", "Check the work against the task before it goes on.", task=True
        ),
        Place("reporter", "reporter", "Give the final answer in one sentence."),
    )

    def start(self, roles: dict[str, str]) -> list[Turn]:
        """Down the line once."""
        worker, verifier = roles["worker1"], roles["verifier"]
        return [
            Turn(roles["planner"], "plan", worker),
            Turn(worker, "work", verifier),
            Turn(verifier, "check", roles["reporter"], back=worker),
            Turn(roles["reporter"], "report"),
        ]

    def after(
        self, turn: Turn, said: str | None, roles: dict[str, str], board: Board
    ) -> list[Turn]:
        """Back to the worker after a rejection."""
        if turn.duty != "check" or turn.back is None or not board.rejected(said):
            return []
        worker, round = roles["worker1"], turn.round + 1
        back = worker if round < ROUNDS else None
        return [
            Turn(worker, "work", turn.agent),
            Turn(turn.agent, "check", turn.to, back=back, round=round),
        ]
