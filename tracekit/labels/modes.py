"""The vocabulary of failure modes that labels may use: the fourteen of MAST.

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
"""Name of each mode by its code."""

_BY_NAME = {name: code for code, name in MAST.items()}
_CODE = re.compile(r"(?:FM-?)?([123]\.[1-6])", re.IGNORECASE)


def mode_code(text: str) -> str | None:
    """The code of a mode that is given as code, number or name; None for no mode of MAST.

    >>> mode_code("FM-1.3"), mode_code("1.3"), mode_code("Step repetition"), mode_code("9.9")
    ('FM-1.3', 'FM-1.3', 'FM-1.3', None)
    """
    words = " ".join(text.split())
    number = _CODE.fullmatch(words)
    code = f"FM-{number[1]}" if number else _BY_NAME.get(words.lower())
    return code if code in MAST else None


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
    return tuple(code for code in MAST if code in found)
