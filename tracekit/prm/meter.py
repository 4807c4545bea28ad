"""What a search costs, in actions of agents and in tokens, and how much it may cost."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tracekit.errors import UsageError
from tracekit.trace import Step

TOKEN = 4
"""Characters that count as one token where nothing was logged."""
SILENT = ("tool_result", "system")
"""Kinds of steps that no agent is called for."""


class Meter(msgspec.Struct):
    """What was spent so far.

    >>> meter = Meter()
    >>> meter.add([Step(0, "Solver", content="It is 84."), Step(1, "calc", "tool_result", "84")])
    >>> meter
    Meter(calls=1, tokens=3, scored=0)
    """

    calls: int = 0
    """Actions of agents; answers of tools are free."""
    tokens: int = 0
    """Tokens as logged, both ways; where a step logs none, a quarter of the characters it says."""
    scored: int = 0
    """Steps that a value function read."""

    def add(self, steps: Iterable[Step]) -> None:
        """Count steps that were made."""
        for step in steps:
            if step.kind not in SILENT:
                self.calls += 1
                self.tokens += tokens(step)

    def plus(self, other: Meter) -> Meter:
        """Both together."""
        return Meter(
            self.calls + other.calls, self.tokens + other.tokens, self.scored + other.scored
        )


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The most that a search may spend. A run that is begun is brought to its end all the same.

    Raises `UsageError` for what is no cap.
    """

    calls: int | None = None
    """Actions of agents; None = no cap."""
    tokens: int | None = None
    """Tokens; None = no cap."""

    def __post_init__(self) -> None:
        if any(cap is not None and cap < 1 for cap in (self.calls, self.tokens)):
            raise UsageError("a budget is at least 1")

    def allows(self, meter: Meter, runs: float = 0.0) -> bool:
        """Whether `runs` times what was spent so far still fits on top of it.

        >>> Budget(calls=10).allows(Meter(calls=6)), Budget(calls=10).allows(Meter(calls=6), 1)
        (True, False)
        """
        pairs = ((self.calls, meter.calls), (self.tokens, meter.tokens))
        return all(
            cap is None or (spent * (1 + runs) <= cap and spent < cap) for cap, spent in pairs
        )


def tokens(step: Step) -> int:
    """Tokens of a step, as logged or by its length."""
    usage = step.usage
    logged = [] if usage is None else [usage.input_tokens, usage.output_tokens]
    known = [count for count in logged if count is not None]
    if known:
        return sum(known)
    said = len(step.content) + sum(len(str(call.arguments or "")) for call in step.tools)
    return -(-said // TOKEN)
