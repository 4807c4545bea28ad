"""What a step does, in general terms, so that steps of different runs can be counted together.

Spectrum methods need a step of one run to be the same as a step of another. Without a model to
merge synonyms, an action is who acts, how, with which tool, and a gist: the shape of the arguments
of a call, the cues of an outcome, or the last fact that a message states, which is what it hands on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
        return f"{self.agent}: {self.words}"

    @property
    def words(self) -> str:
        """What is done, without who does it."""
        parts = (self.kind, f"calls {self.tool}" if self.tool else "", self.gist)
        return ", ".join(part for part in parts if part)


def action(step: Step, *, coarse: bool = False) -> Action:
    """The action of a step; `coarse` leaves out the gist.

    >>> action(Step(index=0, agent="Solver", content="6 times 7 is 42"))
    Action(agent='Solver', kind='message', tool='', gist='says 42')
    >>> action(Step(index=0, agent="Solver", content="6 times 7 is 42"), coarse=True).gist
    ''
    """
    return Action(step.agent, step.kind, _tool(step), "" if coarse else _gist(step))


def actions(trace: Trace, *, coarse: bool = False) -> tuple[Action, ...]:
    """The action of every step, in order."""
    return tuple(action(step, coarse=coarse) for step in trace.steps)


def general(trace: Trace) -> tuple[Action, ...]:
    """The action of every step in words that fit any task, so that tasks can be counted together.

    What is said becomes whether it is new, arguments become what sort of thing they are.

    >>> from tracekit.trace import Source
    >>> said = ("6 times 7 is 42", "So 42.", "No: 43.")
    >>> steps = tuple(Step(index=i, agent="A", content=text) for i, text in enumerate(said))
    >>> [each.gist for each in general(Trace(id="t", source=Source(format="x"), steps=steps))]
    ['first to state a result', 'states the result before it again', 'states another result']
    """
    found = []
    last: str | None = None
    for step in trace.steps:
        stated = result(step)
        if shows_error(step):
            gist = "shows an error"
        elif asks(step):
            gist = _sorts(step)
        elif stated is None:
            gist = "states no result"
        elif last is None:
            gist = "first to state a result"
        else:
            again = stated == last
            gist = "states the result before it again" if again else "states another result"
        last = last if stated is None else stated
        found.append(Action(step.agent, step.kind, _tool(step), gist))
    return tuple(found)


def result(step: Step) -> str | None:
    """The last number that a step states, in one spelling; None without any.

    >>> result(Step(index=0, agent="A", content="In all 1,250.50 EUR"))
    '1250.5'
    """
    numbers = _NUMBER.findall(step.content[-2000:])
    return plain(numbers[-1]) if numbers else None


def shows_error(step: Step) -> bool:
    """Whether a step reports an error, or a call in it has one."""
    found = cues(step)
    return any(cue in found for cue in ERRORS) or any(call.error for call in step.tools)


def asks(step: Step) -> bool:
    """Whether a step calls a tool."""
    return bool(step.tools) and step.kind == "tool_call"


def _tool(step: Step) -> str:
    return "+".join(sorted({call.name for call in step.tools if call.name}))


def _gist(step: Step) -> str:
    if shows_error(step):
        return "shows an error"
    if asks(step):
        return _shape(step)
    if (number := result(step)) is not None:
        return f"says {number}"
    stated = facts(step.content)
    return f"says {stated[-1]}" if stated else ""


def _shape(step: Step) -> str:
    """The names of the arguments, with values where they are short."""
    parts = [f"{name}={value}" if len(value) <= 24 else name for name, value in _arguments(step)]
    return f"with {' '.join(parts)}" if parts else ""


def _sorts(step: Step) -> str:
    """The names of the arguments, with the sort of thing that each is."""
    parts = [f"{name}={_sort(value)}" for name, value in _arguments(step)]
    return f"with {' '.join(parts)}" if parts else ""


def _arguments(step: Step) -> Iterator[tuple[str, str]]:
    for call in step.tools:
        if isinstance(call.arguments, dict):
            for name in sorted(call.arguments):
                yield name, " ".join(str(call.arguments[name]).split())


def _sort(value: str) -> str:
    """What sort of thing an argument is.

    >>> [_sort(v) for v in ("", "12", "row_7", "a.csv", "total of all rows")]
    ['nothing', 'number', 'word', 'word', 'text']
    """
    if not value:
        return "nothing"
    if _NUMBER.fullmatch(value):
        return "number"
    return "text" if " " in value else "word"


def plain(number: str) -> str:
    """One spelling per number.

    >>> plain("1,250.50")
    '1250.5'
    """
    bare = number.replace(",", "")
    return bare.rstrip("0").rstrip(".") if "." in bare else bare
