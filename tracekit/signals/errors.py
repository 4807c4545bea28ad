"""Signs that something went wrong, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tracekit.signals.cues import ERRORS, SHOWS, broken, cues
from tracekit.signals.repeats import repeats
from tracekit.signals.text import Span
from tracekit.trace import Step, Trace


class Sign(NamedTuple):
    """One sign of an error."""

    step: int
    span: Span
    """Where it stands in the step's content; empty (0, 0) for a tool's error status."""
    cue: str
    shows: str


def signs(step: Step) -> list[Sign]:
    """The signs in one step: error codes, exceptions, missing things, refusals, apologies.

    >>> [sign.cue for sign in signs(Step(index=0, agent="A", content="I'm sorry, I cannot."))]
    ['refusal', 'apology']
    """
    # A result that is the content itself is quoted from there.
    calls = [call for call in step.tools if call.error or call.result != step.content]
    found = [
        Sign(step.index, Span(0, 0), "tool-error", why)
        for why in map(broken, calls)
        if why is not None
    ]
    seen = cues(step)
    return found[:1] + [Sign(step.index, seen[c], c, SHOWS[c]) for c in ERRORS if c in seen]


def all_signs(trace: Trace) -> Iterator[Sign]:
    """The signs of all steps in order, repeated actions included."""
    again = repeats(trace)
    for step in trace.steps:
        yield from signs(step)
        if again[step.index] is not None:
            span = Span(0, min(len(step.content), 120))
            yield Sign(step.index, span, "repeat", f"repeats step {again[step.index]}")
