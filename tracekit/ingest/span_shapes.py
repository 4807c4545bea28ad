"""Which attributes a span has, worked out once for all spans that have the same ones.

A log of a million spans has a few dozen sets of attribute names. What follows from the names
alone, and would cost a scan of them for every span, is kept here by the set.
"""

from __future__ import annotations

from typing import Any

import msgspec

FAMILIES = (
    "gen_ai.prompt", "gen_ai.completion", "llm.input_messages", "llm.output_messages", "llm.tools",
    "llm.request.functions", "llm.prompts", "retrieval.documents", "crewai.crew.tasks",
)  # fmt: skip
"""Lists that conventions spread over numbered keys."""

_STARTS = tuple(f"{family}." for family in FAMILIES)
_MOST = 4096
"""Sets remembered; a log that has more of them pays for each span."""


class Shape(msgspec.Struct):
    """What follows from the names of a span's attributes."""

    families: frozenset[str]
    """Families of numbered keys of which there is one."""
    plain: dict[str, list[tuple[str, str]]]
    """Families that hold nothing but roles and texts: the two keys of every message, in order."""
    kept: dict[str, tuple[str, ...]]
    """For the roles asked about so far: the attributes that a step does not model."""


_SHAPES: dict[tuple[str, ...], Shape] = {}


def shape_of(attributes: dict[str, Any]) -> Shape:
    """The shape of a span with these attributes.

    >>> shape = shape_of({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hi", "x": 1})
    >>> shape.plain
    {'gen_ai.prompt': [('gen_ai.prompt.0.role', 'gen_ai.prompt.0.content')]}
    """
    names = tuple(attributes)
    shape = _SHAPES.get(names)
    if shape is None:
        if len(_SHAPES) >= _MOST:
            _SHAPES.clear()
        shape = _SHAPES[names] = _shape(names)
    return shape


def _shape(names: tuple[str, ...]) -> Shape:
    members: dict[str, set[str]] = {}
    for name in names:
        if name.startswith(_STARTS):
            family = next(
                f for f, start in zip(FAMILIES, _STARTS, strict=True) if name.startswith(start)
            )
            members.setdefault(family, set()).add(name)
    plain = {family: pairs for family, keys in members.items() if (pairs := _pairs(family, keys))}
    return Shape(frozenset(members), plain, {})


def _pairs(family: str, keys: set[str]) -> list[tuple[str, str]]:
    """The keys of role and text of every message, empty when there are any others."""
    inner = ".message" if family.startswith("llm.") else ""
    pairs = []
    for index in range(len(keys) // 2):
        place = f"{family}.{index}{inner}"
        pair = (f"{place}.role", f"{place}.content")
        if not keys.issuperset(pair):
            return []
        pairs.append(pair)
    return pairs if 2 * len(pairs) == len(keys) else []
