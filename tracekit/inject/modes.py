"""What can go wrong, and how it can be brought about: the 14 MAST modes and three attacks.

Codes and names of the modes are those of MAST (Cemri et al. 2025, arXiv 2503.13657, table 1); the
wording is tracekit's own. Which strategy can bring about which mode is data, not code: manipulators
read the table and tests go through all of it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tracekit.errors import UnknownName
from tracekit.inject.types import Strategy
from tracekit.trace import Step

Category = Literal["system design", "inter-agent misalignment", "task verification", "attack"]
Place = Literal["speech", "tool_call", "tool_result", "final"]
"""Kinds of steps that a fault can strike; `speech` is everything that an agent says to others."""

SPEECH: tuple[Place, ...] = ("speech", "final")


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """One way to fail."""

    code: str
    """`FM-1.1` to `FM-3.3` as in MAST, or `AT-1` to `AT-3`."""
    name: str
    """Its name."""
    category: Category
    """Where it comes from."""
    looks: str
    """What one sees in a log."""
    strategies: tuple[Strategy, ...]
    """The strategies that can bring it about."""
    strikes: tuple[Place, ...] = SPEECH
    """The kinds of steps that it can strike."""
    structural: bool = False
    """Whether its outward form (number, order or shape of messages) gives it away by nature."""


MODES: dict[str, Mode] = {
    mode.code: mode
    for mode in (
        Mode(
            code="FM-1.1",
            name="Disobey task specification",
            category="system design",
            looks="A requirement of the task is misread, and the work goes by the wrong reading.",
            strategies=("response-corruption", "prompt-injection"),
        ),
        Mode(
            code="FM-1.2",
            name="Disobey role specification",
            category="system design",
            looks="An agent does the work of another role instead of, or on top of, its own.",
            strategies=("role-swap", "response-corruption"),
            structural=True,
        ),
        Mode(
            code="FM-1.3",
            name="Step repetition",
            category="system design",
            looks="Something finished is done again without need, and not always as well.",
            strategies=("response-corruption", "message-duplicate"),
            structural=True,
        ),
        Mode(
            code="FM-1.4",
            name="Loss of conversation history",
            category="system design",
            looks="An agent acts as if recent messages had never been there.",
            strategies=("context-loss", "message-delay"),
        ),
        Mode(
            code="FM-1.5",
            name="Unaware of termination conditions",
            category="system design",
            looks="Work goes on after it was done, and overturns what was right.",
            strategies=("response-corruption",),
            structural=True,
        ),
        Mode(
            code="FM-2.1",
            name="Conversation reset",
            category="inter-agent misalignment",
            looks="The conversation starts over without reason, and what was reached is lost.",
            strategies=("response-corruption", "context-loss"),
            structural=True,
        ),
        Mode(
            code="FM-2.2",
            name="Fail to ask for clarification",
            category="inter-agent misalignment",
            looks="Something needed is missing or unclear; the agent guesses and does not ask.",
            strategies=("response-corruption", "tool-fault"),
            strikes=("speech", "final", "tool_call", "tool_result"),
        ),
        Mode(
            code="FM-2.3",
            name="Task derailment",
            category="inter-agent misalignment",
            looks="The work drifts to something that was not asked.",
            strategies=("response-corruption", "prompt-injection"),
        ),
        Mode(
            code="FM-2.4",
            name="Information withholding",
            category="inter-agent misalignment",
            looks="An agent keeps to itself what others need to go on.",
            strategies=("response-corruption", "message-drop"),
        ),
        Mode(
            code="FM-2.5",
            name="Ignored other agent's input",
            category="inter-agent misalignment",
            looks="A colleague stated something; the agent goes by something else.",
            strategies=("response-corruption", "prompt-injection"),
            strikes=("speech", "final", "tool_call"),
        ),
        Mode(
            code="FM-2.6",
            name="Reasoning-action mismatch",
            category="inter-agent misalignment",
            looks="The working says one thing; the result stated or the call made is another.",
            strategies=("response-corruption",),
            strikes=("speech", "final", "tool_call"),
        ),
        Mode(
            code="FM-3.1",
            name="Premature termination",
            category="task verification",
            looks="The run ends with what there is, before the work is complete.",
            strategies=("premature-stop",),
            strikes=("speech", "tool_call"),
            structural=True,
        ),
        Mode(
            code="FM-3.2",
            name="No or incomplete verification",
            category="task verification",
            looks="A check is left out, or covers a part only, and a mistake passes.",
            strategies=("response-corruption", "prompt-injection", "message-drop"),
        ),
        Mode(
            code="FM-3.3",
            name="Incorrect verification",
            category="task verification",
            looks="A check is made and comes out wrong: it confirms or 'corrects' wrongly.",
            strategies=("response-corruption", "prompt-injection"),
        ),
        Mode(
            code="AT-1",
            name="Tool-result prompt injection",
            category="attack",
            looks="What a tool returns carries content that somebody planted to steer the agent.",
            strategies=("prompt-injection", "tool-fault"),
            strikes=("tool_result",),
            structural=True,
        ),
        Mode(
            code="AT-2",
            name="Collusion",
            category="attack",
            looks="One agent states something wrong and a second one backs it against the evidence.",
            strategies=("response-corruption",),
        ),
        Mode(
            code="AT-3",
            name="Poisoned memory",
            category="attack",
            looks="What an agent remembers of earlier messages was altered before it acts.",
            strategies=("prompt-injection",),
        ),
    )
}
"""Every mode by its code."""

ATTACKS = tuple(code for code, mode in MODES.items() if mode.category == "attack")
"""Codes of the attacks; the others are MAST modes."""

PAIRS: tuple[tuple[str, Strategy], ...] = tuple(
    (mode.code, strategy) for mode in MODES.values() for strategy in mode.strategies
)
"""Every (mode, strategy) that injection promises."""


def mode(code: str) -> Mode:
    """The mode of that code; raises `UnknownName`.

    >>> mode("FM-2.6").name
    'Reasoning-action mismatch'
    """
    if code not in MODES:
        raise UnknownName("failure mode", code[:40], list(MODES))
    return MODES[code]


def place(step: Step) -> Place:
    """What sort of step it is for a fault.

    >>> place(Step(index=0, agent="Planner", kind="plan"))
    'speech'
    """
    match step.kind:
        case "tool_call" | "tool_result" | "final":
            return step.kind
    return "speech"
