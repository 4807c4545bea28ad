"""What a run says of things, `the total is 40`, and whether it says so again or otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from tracekit.signals.text import window

EACH = 30
"""Claims that are looked at in one text."""
MOST = 300
"""Things that are remembered: the latest."""

_CLAIM = re.compile(
    r"\b[Tt]he (?P<what>[a-z][a-z-]{2,20}(?: [a-z][a-z-]{1,20}){0,3}?)"
    r" (?:is (?:given as|done by|over at)|is|are|makes?|equals?|amounts? to|works? out at|turns? out to be|must be"
    r"|reads|becomes?|comes? out as|(?:ends?|finish(?:es)?) (?:at|by)) (?:hour )?"
    r"(?P<value>`[^`\n]{1,200}`|[$-]?\d[\d,]*(?:\.\d+)?%?|[A-Z][\w'-]{1,30}(?: [A-Z][\w'-]{1,30}){0,3})"
)


class Heard(NamedTuple):
    """How the claims of a text stand to earlier ones."""

    new: int
    """About things of which nothing was said."""
    same: int
    """Say what was said before."""
    other: int
    """Say otherwise than what was said last."""


class Claims:
    """What was last said of each thing. What copies share is never changed in place."""

    def __init__(self) -> None:
        self._last: Mapping[str, str] = MappingProxyType({})

    def hear(self, text: str) -> Heard:
        """Compare a text with what was said before, and remember it.

        >>> claims = Claims()
        >>> claims.hear("The total is 40. The hill is Mor Tor.")
        Heard(new=2, same=0, other=0)
        >>> claims.hear("so the total must be 42, and the hill is Mor Tor")
        Heard(new=0, same=1, other=1)
        """
        counts = {"new": 0, "same": 0, "other": 0}
        found: dict[str, str] = {}
        for n, match in enumerate(_CLAIM.finditer(window(text))):
            if n == EACH:
                break
            what, value = match["what"], match["value"].rstrip("%").replace(",", "")
            before = self._last.get(what)
            counts["new" if before is None else "same" if before == value else "other"] += 1
            found[what] = value
        if found:
            kept = {what: value for what, value in self._last.items() if what not in found} | found
            self._last = MappingProxyType(dict(list(kept.items())[-MOST:]))
        return Heard(**counts)

    def copy(self) -> Claims:
        """An independent copy."""
        twin = Claims()
        twin._last = self._last
        return twin
