"""What follows from the names of a span's attributes, worked out once for all spans that share them.

A log of a million spans has a few dozen sets of attribute names. Which spellings of a thing a span
uses, whether it holds numbered messages, which attributes no step models: all that is a question
about the names alone. A `Shape` is one set of names, and remembers every answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Question = Callable[[tuple[str, ...]], Any]
"""Anything that the names of a span's attributes decide; asked once a shape."""

_MOST = 4096
"""Shapes remembered; a log that has more of them pays for each span."""


class Shape(dict[Question, Any]):
    """One set of attribute names: `shape[question]` is what the question answers to them.

    >>> model = Spellings("gen_ai.response.model", "llm.model_name")
    >>> shape_of({"llm.model_name": "m", "session.id": "s"})[model]
    ('llm.model_name',)
    """

    __slots__ = ("names",)

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def __missing__(self, question: Question) -> Any:
        answer = self[question] = question(self.names)
        return answer


class Spellings:
    """The names under which conventions keep one thing, the surest first."""

    __slots__ = ("names",)

    def __init__(self, *names: str) -> None:
        self.names = names

    def __call__(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(name for name in self.names if name in names)


_SHAPES: dict[tuple[str, ...], Shape] = {}


def shape_of(attributes: dict[str, Any]) -> Shape:
    """The shape of a span with these attributes."""
    names = tuple(attributes)
    shape = _SHAPES.get(names)
    if shape is None:
        if len(_SHAPES) >= _MOST:
            _SHAPES.clear()
        shape = _SHAPES[names] = Shape(names)
    return shape


FAMILIES = (
    "gen_ai.prompt", "gen_ai.completion", "llm.input_messages", "llm.output_messages", "llm.tools",
    "llm.request.functions", "llm.prompts", "retrieval.documents", "crewai.crew.tasks",
)  # fmt: skip
"""Lists that conventions spread over numbered names."""

_STARTS = tuple(f"{family}." for family in FAMILIES)


def families(names: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    """The families of numbered names that there are.

    Each with the names of role and text of every message, if it holds nothing but these.

    >>> families(("gen_ai.prompt.0.role", "gen_ai.prompt.0.content", "x", "llm.tools.0.name"))
    {'gen_ai.prompt': [('gen_ai.prompt.0.role', 'gen_ai.prompt.0.content')], 'llm.tools': []}
    """
    members: dict[str, set[str]] = {}
    for name in names:
        if name.startswith(_STARTS):
            family = next(
                f for f, start in zip(FAMILIES, _STARTS, strict=True) if name.startswith(start)
            )
            members.setdefault(family, set()).add(name)
    return {family: _pairs(family, held) for family, held in members.items()}


def _pairs(family: str, names: set[str]) -> list[tuple[str, str]]:
    """The names of role and text of every message, none when there are any others."""
    inner = ".message" if family.startswith("llm.") else ""
    pairs = []
    for index in range(len(names) // 2):
        place = f"{family}.{index}{inner}"
        pair = (f"{place}.role", f"{place}.content")
        if not names.issuperset(pair):
            return []
        pairs.append(pair)
    return pairs if 2 * len(pairs) == len(names) else []
