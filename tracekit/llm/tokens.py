"""How many tokens a text is, roughly, without a tokenizer."""

from __future__ import annotations

BYTES = 4
"""UTF-8 bytes that one token stands for, on average over English prose and code."""


def estimate(text: str) -> int:
    """Tokens of a text: a quarter of its UTF-8 bytes, rounded up. For comparisons, not for bills.

    >>> estimate("How many legs have three spiders?"), estimate("")
    (9, 0)
    """
    return -(-len(text.encode("utf-8", "replace")) // BYTES)
