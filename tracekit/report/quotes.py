"""A step's text cut into spans: plain text, quoted evidence, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tracekit.attribution import Evidence
from tracekit.report.visible import visible

AROUND = 300
"""Characters kept on both sides of a quote when a long text is shortened."""


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stretch of a text as the report shows it."""

    text: str = ""
    """Already `visible`."""
    evidence: bool = False
    """True for words that a suspect's evidence quotes."""
    cut: int = 0
    """Characters of the log that stand here and are not shown; such a span has no text."""


def gathered(evidence: Iterable[Evidence]) -> list[tuple[Evidence, ...]]:
    """Evidence that quotes the same words, together: one quote, several reasons, in given order.

    >>> same = [Evidence(step=1, quote="a", end=1, shows=shows) for shows in ("late", "wrong")]
    >>> [[item.shows for item in items] for items in gathered([*same, Evidence(step=2)])]
    [['late', 'wrong'], ['']]
    """
    found: dict[object, list[Evidence]] = {}
    for number, item in enumerate(evidence):
        place = (item.step, item.start, item.end, item.quote) if item.quote.strip() else number
        found.setdefault(place, []).append(item)
    return [tuple(items) for items in found.values()]


def spans(content: str, evidence: Iterable[Evidence] = (), limit: int = 8_000) -> tuple[Span, ...]:
    """The content as spans, at most about `limit` characters of it besides the quotes.

    A shortened text keeps three quarters of the limit at its head, one quarter at its tail, and
    the surroundings of each quote. Overlapping quotes share their words.

    >>> [(s.text, s.evidence) for s in spans("2 + 2 = 5", [Evidence(step=0, start=6, end=9)])]
    [('2 + 2 ', False), ('= 5', True)]
    >>> [s.text or s.cut for s in spans("a" * 8 + "b" * 90 + "c" * 2, limit=8)]
    ['aaaaaa', 92, 'cc']
    """
    quotes = _merge(place for item in evidence if (place := locate(content, item)))
    kept = _kept(len(content), quotes, limit)
    found: list[Span] = []
    position = 0
    for start, end in kept:
        if start > position:
            found.append(Span(cut=start - position))
        found.extend(_marked(content, start, end, quotes))
        position = end
    if position < len(content):
        found.append(Span(cut=len(content) - position))
    return tuple(found)


def locate(content: str, evidence: Evidence) -> tuple[int, int] | None:
    """Where the quote stands: its offsets when they fit, else where its words are first found.

    >>> locate("a wrong sum", Evidence(step=0, quote="wrong")), locate("a", Evidence(step=0))
    ((2, 7), None)
    """
    if 0 <= evidence.start < evidence.end <= len(content):
        return evidence.start, evidence.end
    quote = evidence.quote.strip()
    at = content.find(quote) if quote else -1
    return (at, at + len(quote)) if at >= 0 else None


def _kept(length: int, quotes: Sequence[tuple[int, int]], limit: int) -> Sequence[tuple[int, int]]:
    """The ranges of a text of that length that are shown."""
    if length <= limit:
        return [(0, length)] if length else []
    tail = limit // 4
    ranges = [(0, limit - tail), (length - tail, length)]
    ranges += [(max(0, start - AROUND), min(length, end + AROUND)) for start, end in quotes]
    return _merge(ranges)


def _merge(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges in order; those that overlap or touch become one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged


def _marked(
    content: str, start: int, end: int, quotes: Sequence[tuple[int, int]]
) -> Iterable[Span]:
    """The spans of one shown range."""
    position = start
    for left, right in quotes:
        left, right = max(left, start), min(right, end)
        if left >= right:
            continue
        if left > position:
            yield Span(visible(content[position:left]))
        yield Span(visible(content[left:right]), evidence=True)
        position = right
    if position < end:
        yield Span(visible(content[position:end]))
