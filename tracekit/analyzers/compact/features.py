"""What each member of `compact` sees of a trace: a table of features per member.

`wide` sees every column of `signals.columns`, none of them selected by a label; `short` sees the
thirteen of `signals.features`. They err apart, which is what makes their average better than both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tracekit.signals import columns, features
from tracekit.signals.reading import Reading, read
from tracekit.trace import Trace

WIDE = columns.names()
SHORT = features.NAMES
NAMES: dict[str, tuple[str, ...]] = {"wide": WIDE, "short": SHORT}
"""Columns of each member, in order."""


class Tables(NamedTuple):
    """A trace as the members see it."""

    reading: Reading
    by_member: dict[str, np.ndarray]
    """Float64 (n_steps, n_features) for each name in `NAMES`."""

    @property
    def blamable(self) -> np.ndarray:
        """Steps that can be blamed, bool (n_steps,)."""
        return self.reading.blamable


def tables(trace: Trace) -> Tables:
    """All members' features; a few milliseconds for a run of ten steps.

    The trace must have a step.
    """
    reading = read(trace)
    return Tables(
        reading,
        {"wide": columns.matrix(trace, reading), "short": features.matrix(reading)},
    )
