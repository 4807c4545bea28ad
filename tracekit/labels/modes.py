"""The vocabulary of failure modes that labels may use: the fourteen of MAST, and three attacks.

Source: Cemri et al., "Why Do Multi-Agent LLM Systems Fail?" (arXiv 2503.13657).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MAST: dict[str, str] = {
    "FM-1.1": "disobey task specification",
    "FM-1.2": "disobey role specification",
    "FM-1.3": "step repetition",
    "FM-1.4": "loss of conversation history",
    "FM-1.5": "unaware of termination conditions",
    "FM-2.1": "conversation reset",
    "FM-2.2": "fail to ask for clarification",
    "FM-2.3": "task derailment",
    "FM-2.4": "information withholding",
    "FM-2.5": "ignored other agent's input",
    "FM-2.6": "reasoning-action mismatch",
    "FM-3.1": "premature termination",
    "FM-3.2": "no or incomplete verification",
    "FM-3.3": "incorrect verification",
}
"""Name of each mode of MAST by its code."""
ATTACKS: dict[str, str] = {
    "AT-1": "tool-result prompt injection",
    "AT-2": "collusion",
    "AT-3": "poisoned memory",
}
"""Name of each attack by its code."""
MODES: dict[str, str] = MAST | ATTACKS
"""All of them. `tracekit.inject.modes` says how each is brought about."""

_BY_NAME = {name: code for code, name in MODES.items()}
_NUMBER = re.compile(r"[123]\.[1-6]")


def mode_code(text: str) -> str | None:
    """The code of a mode that is given as code, number or name; None for an unknown one.

    >>> mode_code("fm-1.3"), mode_code("1.3"), mode_code("Step repetition"), mode_code("9.9")
    ('FM-1.3', 'FM-1.3', 'FM-1.3', None)
    """
    words = " ".join(text.split())
    code = f"FM-{words}" if _NUMBER.fullmatch(words) else words.upper()
    return code if code in MODES else _BY_NAME.get(words.lower())


def mode_codes(texts: Iterable[str]) -> tuple[str, ...]:
    """Codes in the order of the vocabulary, each once; raises `ValueError` with the first unknown.

    >>> mode_codes(["3.1", "FM-1.1", "3.1"])
    ('FM-1.1', 'FM-3.1')
    """
    found = set()
    for text in texts:
        code = mode_code(text)
        if code is None:
            raise ValueError(text)
        found.add(code)
    return tuple(code for code in MODES if code in found)
