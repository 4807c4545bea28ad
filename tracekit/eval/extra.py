"""What a benchmark may offer beyond the protocol: its vocabulary of modes, scores of its own.

All of it is optional; a benchmark without is scored by steps and agents alone.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from tracekit.attribution import Attribution
from tracekit.trace import Trace


@runtime_checkable
class Vocabulary(Protocol):
    """Benchmarks whose labels name failure modes."""

    modes: ClassVar[tuple[str, ...]]
    """Every mode that the labels may name, in the order of the source."""

    def mode(self, name: str) -> str | None:
        """The mode of `modes` that a label or a method means by `name`; None = none of them."""
        ...


@runtime_checkable
class Extra(Protocol):
    """Benchmarks with scores of their own, each beside the strict ones."""

    columns: ClassVar[dict[str, str]]
    """Title of each score, by key."""

    def also(self, trace: Trace, attribution: Attribution) -> dict[str, float]:
        """The scores of one verdict by key, each 0 to 1."""
        ...


@runtime_checkable
class Noted(Protocol):
    """Benchmarks with something to be said below every table."""

    notes: ClassVar[tuple[str, ...]]
    """Sentences: flaws of the labels, what the official scorer does."""
