"""Faults made in a system that runs: resumed from the struck step, so that what follows is real."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit.inject.types import Fault, Injected, Strategy
from tracekit.protocols import Manipulator, Replayable
from tracekit.trace import Trace


def inject_live(
    system: Replayable,
    clean: Trace,
    faults: Sequence[Fault],
    manipulator: Manipulator,
    seed: int,
) -> Injected:
    """The run with faults in it."""


def strikes(
    system: Replayable, clean: Trace, mode: str, strategy: Strategy, manipulator: Manipulator
) -> list[int]:
    """Steps that the manipulator can strike."""
