"""Shares as `shap.Explanation`, for whoever draws with shap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracekit.analyzers.shapley.game import Played, Player
from tracekit.optional import require

if TYPE_CHECKING:
    import shap  # type: ignore[import-untyped]


def explanation(played: Played) -> shap.Explanation:
    """What `shap.plots.bar` and `shap.plots.waterfall` draw; needs the extra `analyze`.

    Values are the shares, the base value is the chance of success as it is, and the data of every
    player is what its correction gains alone. Raises `MissingExtra` without shap.
    """
    library = require("shap", extra="analyze")
    reach = np.array(played.shares.high) - np.array(played.shares.low)
    return library.Explanation(
        values=np.array(played.shares.values),
        base_values=played.nobody,
        data=np.array(played.alone),
        feature_names=[label(player) for player in played.players],
        error_std=reach / (2 * 1.96) if reach.any() else None,
    )


def label(player: Player) -> str:
    """A player in words.

    >>> label(Player("Solver")), label(Player("Solver", 3))
    ('Solver', 'Solver, step 3')
    """
    return player.agent if player.step is None else f"{player.agent}, step {player.step}"
