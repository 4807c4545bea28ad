"""Words of a text: cheap, bounded, the same on every machine."""

from __future__ import annotations

import re
from typing import NamedTuple

HEAD = 6000
"""Characters read from the start of a longer text."""
TAIL = 2000
"""Characters read from its end."""


class Span(NamedTuple):
    """Characters of a step's content."""

    start: int
    end: int


_WORD = re.compile(r"[^\W_]{3,}|\d+")
_STOP = frozenset(
    re.findall(
        r"\w+",
        """the and for that this with are was were will has have had not but you your our can from
        its all any into out let need should would could been being which what when who how where
        there their they them then than these those each using use used may also here one two
        please""",
    )
)


def window(text: str) -> str:
    """The part of a text that signals read: its first 6,000 and last 2,000 characters.

    What lies between is blanked out, so that positions stay those of the whole text.

    >>> window("short")
    'short'
    >>> len(window("x" * 10_000)), window("x" * 10_000).count("x")
    (10000, 8000)
    """
    if len(text) <= HEAD + TAIL:
        return text
    return text[:HEAD] + " " * (len(text) - HEAD - TAIL) + text[-TAIL:]


def ends(text: str) -> str:
    """The same with two blanks for what lies between, where places do not matter: it is faster.

    >>> len(ends("x" * 10_000))
    8002
    """
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}  {text[-TAIL:]}"


def words(text: str) -> frozenset[str]:
    """Its content words in lower case: three letters or more, or any number; no stop words.

    >>> sorted(words("The sum of 7 and 12 is in Table_3."))
    ['12', '3', '7', 'sum', 'table']
    """
    return frozenset(_WORD.findall(lowered(text))) - _STOP


def around(text: str, wanted: frozenset[str], reach: int = 60) -> Span:
    """The first of some words (as `words` makes them) with so many characters on either side.

    The whole text, cut to as much, when it holds none of them.

    >>> around("it says that the total is 12", frozenset({"12"}), reach=9)
    Span(start=17, end=28)
    """
    for match in _WORD.finditer(lowered(window(text))):
        if match.group() in wanted:
            return Span(max(0, match.start() - reach), min(len(text), match.end() + reach))
    return Span(0, min(len(text), 2 * reach))


def lowered(text: str) -> str:
    """Lower case of the same length: the few letters that grow are left as they are.

    >>> len(lowered("İx")) == 2
    True
    """
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(small if len(small := char.lower()) == 1 else char for char in text)


def share(part: frozenset[str], whole: frozenset[str]) -> float:
    """Share of `part` that is in `whole`, 0 to 1; 0 for an empty part.

    >>> share(frozenset("ab"), frozenset("bc"))
    0.5
    """
    return len(part & whole) / len(part) if part else 0.0


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Common words over all words of two sets, 0 to 1; 0 when both are empty.

    >>> jaccard(frozenset("abc"), frozenset("bcd"))
    0.5
    """
    union = len(one | other)
    return len(one & other) / union if union else 0.0
