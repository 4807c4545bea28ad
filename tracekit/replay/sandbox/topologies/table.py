"""The topologies by name; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

from tracekit.errors import UnknownName

if TYPE_CHECKING:
    from tracekit.replay.sandbox.state import Topology

TOPOLOGIES = {
    "chain": "Chain",
    "star": "Star",
    "debate": "Debate",
    "hierarchy": "Hierarchy",
    "blackboard": "Blackboard",
}
"""Module of this folder to class."""


@cache
def topology(name: str) -> Topology:
    """The topology of that name; raises `UnknownName`."""
    if name not in TOPOLOGIES:
        raise UnknownName("topology", name, list(TOPOLOGIES))
    module = importlib.import_module(f"tracekit.replay.sandbox.topologies.{name}")
    made: Topology = getattr(module, TOPOLOGIES[name])()
    return made
