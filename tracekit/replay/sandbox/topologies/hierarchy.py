"""A hierarchy: a manager, two leads, a worker under each; results climb back up."""

from __future__ import annotations

from typing import ClassVar

from tracekit.replay.sandbox.state import Board, Place, Turn


class Hierarchy:
    """The first half of the plan goes to one lead, the second to the other."""

    name: ClassVar = "hierarchy"
    places: ClassVar = (
        Place("head", "manager", "Plan, give each lead a half, answer in the end.", task=True),
        Place("lead1", "lead", "Pass your half on to your worker and report up.", parent="head"),
        Place("worker1", "worker", "Do what your lead asks.", parent="lead1"),
        Place("lead2", "lead", "Pass your half on to your worker and report up.", parent="head"),
        Place("worker2", "worker", "Do what your lead asks.", parent="lead2"),
        Place(
            "verifier", "verifier", "Audit the results for the manager.", task=True, parent="head"
        ),
    )

    def start(self, roles: dict[str, str]) -> list[Turn]:
        """The plan, then an audit, then the answer; halves come in between."""
        head = roles["head"]
        return [Turn(head, "plan", head), *_audit(roles, 0), Turn(head, "report")]

    def after(
        self, turn: Turn, said: str | None, roles: dict[str, str], board: Board
    ) -> list[Turn]:
        """Halves go down after the plan; what an audit rejects goes to the second lead."""
        head = roles["head"]
        if turn.duty == "plan":
            labels = board.planned(head)
            half = (len(labels) + 1) // 2
            down = _down(labels[:half], 1, roles, again=False)
            return [*down, *_down(labels[half:], 2, roles, again=False)]
        if turn.duty == "check" and turn.round == 0 and (labels := board.rejected(said)):
            order = [label for label in board.planned(head) if label in labels]
            return [*_down(order, 2, roles, again=True), *_audit(roles, 1)]
        return []


def _audit(roles: dict[str, str], round: int) -> list[Turn]:
    head, verifier = roles["head"], roles["verifier"]
    back = head if round == 0 else None
    return [Turn(head, "review", verifier), Turn(verifier, "check", head, back=back, round=round)]


def _down(labels: list[str], side: int, roles: dict[str, str], *, again: bool) -> list[Turn]:
    """Down to a worker and up again."""
    if not labels:
        return []
    part = tuple(labels)
    head, lead, worker = roles["head"], roles[f"lead{side}"], roles[f"worker{side}"]
    return [
        Turn(head, "delegate", lead, labels=part, again=again),
        Turn(lead, "delegate", worker, labels=part, again=again),
        Turn(worker, "work", lead, labels=part),
        Turn(lead, "collect", head, labels=part),
    ]
