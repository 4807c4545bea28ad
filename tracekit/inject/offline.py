"""Faults made in a recording."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit.inject.types import Fault, Injected
from tracekit.protocols import Manipulator
from tracekit.trace import Trace


def inject_offline(
    trace: Trace, faults: Sequence[Fault], manipulator: Manipulator, seed: int
) -> Injected:
    """The recording with faults in it."""
