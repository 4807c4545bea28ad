"""Weaknesses planted in a team for good: policies of agents that now and then fail in one way.

A low skill of a role is one more weakness, and needs no policy (`Settings.skills`). With these the
sandbox has systems whose cause of failure is known, for measuring what diagnoses and repairs do.
"""

from __future__ import annotations

import msgspec

from tracekit.replay.sandbox.agents import act
from tracekit.replay.sandbox.mistakes import miscalled
from tracekit.replay.sandbox.repairs import CLOSES
from tracekit.replay.sandbox.state import draw
from tracekit.replay.sandbox.view import Policy, View
from tracekit.replay.types import Action


def hasty(share: float) -> Policy:
    """Ends the run with what it has in a share of its turns, 0 to 1, without being asked to."""

    def policy(view: View) -> Action:
        said = act(view)
        if view.duty in CLOSES or said.kind == "tool_call" or not _strikes(view, share):
            return said
        return msgspec.structs.replace(said, kind="final")

    return policy


def miscalling(share: float) -> Policy:
    """Calls its tool with arguments of something else in a share of its calls, 0 to 1."""

    def policy(view: View) -> Action:
        said = act(view)
        if said.kind != "tool_call" or not _strikes(view, share):
            return said
        rng = draw(view.seed, view.number, view.agent.id, "miscalls")
        (wrong,) = miscalled(view, said, rng) or (said,)
        return wrong

    return policy


def _strikes(view: View, share: float) -> bool:
    return draw(view.seed, view.number, view.agent.id, "weak").random() < share
