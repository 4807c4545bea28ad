"""An orchestrator in the middle: everything passes through it, parts go out one by one."""

from __future__ import annotations

from typing import ClassVar

from tracekit.replay.sandbox.state import Board, Place, Turn


class Star:
    """One orchestrator, two workers, a verifier."""

    name: ClassVar = "star"
    places: ClassVar = (
        Place(
            "hub",
            "orchestrator",
            "Plan, hand out the parts one at a time, have the work checked, and answer.",
            task=True,
        ),
        Place("worker1", "worker", "Do the part you are given and report back.", parent="hub"),
        Place("worker2", "worker", "Do the part you are given and report back.", parent="hub"),
        Place("verifier", "verifier", "Check what you are shown.", task=True, parent="hub"),
    )

    def start(self, roles: dict[str, str]) -> list[Turn]:
        """The plan, for oneself and whoever reads along."""
        hub = roles["hub"]
        return [Turn(hub, "plan", hub), *_checked(roles, 0), Turn(hub, "report")]

    def after(
        self, turn: Turn, said: str | None, roles: dict[str, str], board: Board
    ) -> list[Turn]:
        """Parts go out after the plan, and again after a rejection."""
        hub = roles["hub"]
        if turn.duty == "plan":
            return _handed_out(board.planned(hub), roles, again=False)
        if turn.duty == "check" and turn.round == 0 and (labels := board.rejected(said)):
            order = [label for label in board.planned(hub) if label in labels]
            return [*_handed_out(order, roles, again=True), *_checked(roles, 1)]
        return []


def _checked(roles: dict[str, str], round: int) -> list[Turn]:
    hub, verifier = roles["hub"], roles["verifier"]
    back = hub if round == 0 else None
    return [Turn(hub, "review", verifier), Turn(verifier, "check", hub, back=back, round=round)]


def _handed_out(labels: list[str], roles: dict[str, str], *, again: bool) -> list[Turn]:
    hub, turns = roles["hub"], []
    for number, label in enumerate(labels):
        worker = roles[f"worker{1 + number % 2}"]
        turns.append(Turn(hub, "delegate", worker, labels=(label,), again=again))
        turns.append(Turn(worker, "work", hub, labels=(label,)))
    return turns
