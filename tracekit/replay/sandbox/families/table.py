"""The families by name; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

from tracekit.errors import UnknownName

if TYPE_CHECKING:
    from tracekit.replay.sandbox.problem import Family

FAMILIES = {
    "arithmetic": "Arithmetic",
    "tables": "Tables",
    "programs": "Programs",
    "retrieval": "Retrieval",
    "scheduling": "Scheduling",
}
"""Module of this folder to class."""


@cache
def family(name: str) -> Family:
    """The family of that name; raises `UnknownName`."""
    if name not in FAMILIES:
        raise UnknownName("family", name, list(FAMILIES))
    module = importlib.import_module(f"tracekit.replay.sandbox.families.{name}")
    made: Family = getattr(module, FAMILIES[name])()
    return made
