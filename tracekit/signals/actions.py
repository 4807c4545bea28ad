"""What a step does, in general terms, so that steps of different runs can be counted together.

Spectrum methods need a step of one run to be the same as a step of another. Without a model to
merge synonyms, an action is who acts, how, with which tool, and a gist: the shape of the arguments
of a call, the cues of an outcome, or the last fact that a message states, which is what it hands on.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tracekit.signals.cues import ERRORS, cues
from tracekit.signals.dataflow import facts
from tracekit.trace import Step, Trace

_NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")


class Action(NamedTuple):
    """One kind of thing that an agent does."""

    agent: str
    """Id of the agent."""
    kind: str
    """Kind of step."""
    tool: str
    """Tools called, joined by `+`; empty without a call."""
    gist: str
    """What it comes to; empty when nothing stands out."""

    def __str__(self) -> str:
        """In a few words.

        >>> str(Action("Solver", "message", "", "says 42"))
        'Solver: message, says 42'
        """
        parts = (self.kind, f"calls {self.tool}" if self.tool else "", self.gist)
        return f"{self.agent}: {', '.join(part for part in parts if part)}"


def action(step: Step, *, coarse: bool = False) -> Action:
    """The action of a step; `coarse` leaves out the gist.

    >>> action(Step(index=0, agent="Solver", content="6 times 7 is 42"))
    Action(agent='Solver', kind='message', tool='', gist='says 42')
    >>> action(Step(index=0, agent="Solver", content="6 times 7 is 42"), coarse=True).gist
    ''
    """
    tool = "+".join(sorted({call.name for call in step.tools if call.name}))
    return Action(step.agent, step.kind, tool, "" if coarse else _gist(step))


def actions(trace: Trace, *, coarse: bool = False) -> tuple[Action, ...]:
    """The action of every step, in order."""
    return tuple(action(step, coarse=coarse) for step in trace.steps)


def _gist(step: Step) -> str:
    found = cues(step)
    if any(cue in found for cue in ERRORS) or any(call.error for call in step.tools):
        return "shows an error"
    if step.tools and step.kind == "tool_call":
        return _shape(step)
    numbers = _NUMBER.findall(step.content[-2000:])
    if numbers:
        return f"says {_plain(numbers[-1])}"
    stated = facts(step.content)
    return f"says {stated[-1]}" if stated else ""


def _shape(step: Step) -> str:
    """The names of the arguments, with values where they are short."""
    parts = []
    for call in step.tools:
        if isinstance(call.arguments, dict):
            for name in sorted(call.arguments):
                value = str(call.arguments[name])
                parts.append(f"{name}={value}" if len(value) <= 24 else name)
    return f"with {' '.join(parts)}" if parts else ""


def _plain(number: str) -> str:
    """One spelling per number."""
    plain = number.replace(",", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
