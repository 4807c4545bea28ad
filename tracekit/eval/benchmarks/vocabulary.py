"""Names of failure modes as sources write them, to one name each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tracekit.inject.modes import MODES

_FILLERS = frozenset({"error", "errors", "failure", "failures", "issue", "issues"})


class Names:
    """A vocabulary: one name for each mode, and what else it goes by.

    Case, punctuation and words such as `errors` do not matter.

    >>> names = Names({"timeout": ("Timeout Issues",), "loop": ()})
    >>> names.find("Time-out"), names.find("timeout errors"), names.find("LOOP")
    (None, 'timeout', 'loop')
    """

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        self.all = tuple(table)
        """The names, in order."""
        self._known = {
            _key(name): mode for mode, others in table.items() for name in (mode, *others)
        }

    def find(self, name: str) -> str | None:
        """The mode that goes by a name, None for an unknown one."""
        return self._known.get(_key(name))


def _key(name: str) -> str:
    words = re.findall(r"[a-z0-9.]+", name.casefold())
    return " ".join(word for word in words if word not in _FILLERS) or name


MAST: dict[str, tuple[str, ...]] = {
    code: (mode.name, code.removeprefix("FM-"))
    for code, mode in MODES.items()
    if code.startswith("FM-")
}
"""The 14 codes of MAST with their names (arXiv 2503.13657, table 1)."""
