"""Small changes to any text that keep its style: a number, a name, a verdict, a sentence.

Each takes a text and returns the changed one, or None where it has no such thing to change. New
numbers look like the old one and new names come from the run itself, so that no word is foreign.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

from tracekit.trace import Trace

NUMBER = re.compile(r"(?<![\w.,])-?\d{1,12}(?:\.\d{1,6})?(?![\w]|[.,]\d)")
"""A number that stands by itself."""
NAME = re.compile(r"(?<![.!?:\n] )(?<!^)(?<!\w)[A-Z][a-z]{2,20}(?: [A-Z][a-z]{2,20})?(?!\w)", re.M)
"""A name: capitals inside a sentence."""
PROPER = re.compile(r"[A-Z][a-z]{2,20}(?: [A-Z][a-z]{2,20})?")
"""A name by itself."""
TOKEN = re.compile(r"-?\d+(?:\.\d+)?|\w+|[^\w\s]")
"""Numbers, words and signs."""
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")

VERDICTS: tuple[tuple[str, str], ...] = (
    ("incorrect", "correct"), ("invalid", "valid"),
    ("cannot confirm", "can confirm"), ("cannot be right", "must be right"),
    ("found a problem", "found no problem"), ("found a deviation", "found no deviation"),
    ("some mistakes", "no mistakes"), ("disagree", "agree"), ("wrong", "right"),
    ("rejected", "approved"), ("reject", "approve"), ("failed", "passed"), ("fails", "passes"),
    ("unverified", "verified"), ("no", "yes"), ("false", "true"),
)  # fmt: skip
"""Verdicts against and for."""
_OTHER = {old: new for pair in VERDICTS for old, new in (pair, pair[::-1])}
_VERDICT = re.compile(rf"\b(?:{'|'.join(sorted(_OTHER, key=len, reverse=True))})\b", re.I)
VERDICT_WORDS = frozenset(word for pair in VERDICTS for side in pair for word in side.split())


def numbers(text: str) -> list[str]:
    """The numbers in a text, each once, in order.

    >>> numbers("3 plus 4 is 7, and 7 it stays.")
    ['3', '4', '7']
    """
    return list(dict.fromkeys(NUMBER.findall(text)))


def names(trace: Trace) -> list[str]:
    """Names that the run mentions, the most frequent first."""
    found: Counter[str] = Counter()
    for text in (trace.task.question, *(step.content for step in trace.steps)):
        found.update(NAME.findall(text[:20_000]))
    agents = {agent.name for agent in trace.agents} | {agent.id for agent in trace.agents}
    return [name for name, _ in found.most_common(200) if name not in agents]


def slipped(number: str, rng: Random) -> str:
    """Another number of the same kind: off by little, or two digits the wrong way round.

    >>> slipped("48", Random(0)) != "48"
    True
    """
    whole, point, rest = number.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    value = int(digits)
    turned = int(digits[::-1])
    near = [value + 1, value + 2, value + 10, abs(value - 1), abs(value - 10), turned, turned]
    other = rng.choice([each for each in near if each != value] or [value + 1])
    return f"{sign}{other}{point}{rest}"


def replaced(text: str, old: str, new: str, *, last: bool = False) -> str | None:
    """The text with every, or only the last, mention of a word or number replaced.

    >>> replaced("12 and 2 make 14; 12!", "12", "21")
    '21 and 2 make 14; 21!'
    """
    found = list(mention(old).finditer(text))
    if not found:
        return None
    for match in reversed(found[-1:] if last else found):
        text = text[: match.start()] + new + text[match.end() :]
    return text


def mention(word: str) -> re.Pattern[str]:
    """Finds a word or number where it stands by itself."""
    return re.compile(
        rf"(?<![\w.,-]){re.escape(word)}(?![\w]|[.,]\d)|(?<=\s[.,]){re.escape(word)}(?!\w)"
    )


def other_verdict(text: str) -> str | None:
    """The text with its last verdict turned round.

    >>> other_verdict("I went over it: the total is correct.")
    'I went over it: the total is incorrect.'
    """
    found = None
    for found in _VERDICT.finditer(text):  # noqa: B007 - the last one counts
        pass
    if found is None:
        return None
    return text[: found.start()] + _cased(_OTHER[found[0].lower()], found[0]) + text[found.end() :]


def sentences(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text begin and end."""
    cuts = [(0, 0), *(match.span() for match in SENTENCE.finditer(text)), (len(text), len(text))]
    spans = [(a[1], b[0]) for a, b in pairwise(cuts)]
    return [span for span in spans if text[slice(*span)].strip()]


def without(text: str, span: tuple[int, int]) -> str:
    """The text without one sentence and the space after it.

    >>> without("One. Two. Three.", (5, 9))
    'One. Three.'
    """
    after = re.match(r"\s*", text[span[1] :])
    return (text[: span[0]] + text[span[1] + (after.end() if after else 0) :]).rstrip()


def deep_replaced(value: Any, old: str, new: str) -> Any:
    """A JSON value with a word or number replaced in every text and number of it."""
    match value:
        case str():
            changed = replaced(value, old, new)
            return value if changed is None else changed
        case bool() | None:
            return value
        case int() | float() if str(value) == old:
            return float(new) if "." in new else int(new)
        case list() | tuple():
            return [deep_replaced(inner, old, new) for inner in value]
        case dict():
            return {key: deep_replaced(inner, old, new) for key, inner in value.items()}
    return value


def _cased(word: str, like: str) -> str:
    return word[0].upper() + word[1:] if like[0].isupper() else word
