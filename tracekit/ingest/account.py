"""The account of one source: no record that was read may vanish.

A record's key is a line number (int), a JSON pointer (`/history/3`), a span id, or any other
string unique in its file. Keys are `see`n when handed out and `settle`d when they turn up in the
`raw` of a step or in a `Problem`. What stays open was lost, and the user is told.
"""

from __future__ import annotations

from tracekit.errors import Problem
from tracekit.trace import Trace

Key = int | str

_UNKNOWN, _OPEN, _SETTLED, _OPENED = range(4)


class Account:
    """Counts records of one source and remembers which are still open.

    >>> account = Account()
    >>> account.see(1), account.see("/history/0")
    (None, None)
    >>> account.settle(1)
    >>> account.records, account.open()
    (2, ['/history/0'])
    """

    def __init__(self) -> None:
        self._lines = bytearray()  # one byte a line: a set of a million ints is 60 times larger
        self._lists: dict[str, bytearray] = {}  # likewise for the items of lists, by list
        self._keys: dict[str, bool] = {}
        self.records = 0
        self.skipped = 0
        """Records that hold no step, with a reason given."""

    def see(self, key: Key) -> None:
        """A record was handed out; seeing it again changes nothing."""
        if isinstance(key, int):
            if key >= len(self._lines):
                self._lines.extend(bytes(max(key + 1 - len(self._lines), 1024)))
            state = self._lines[key]
            if state in (_UNKNOWN, _OPENED):
                self._lines[key] = _OPEN
                self.records += state == _UNKNOWN
        elif key not in self._keys and self._item(key) is None:
            self._keys[key] = True
            self.records += 1

    def see_item(self, pointer: str, index: int) -> None:
        """`see` for the record `POINTER/INDEX`, when the items of a list come in order."""
        states = self._lists.setdefault(pointer, bytearray())
        if index == len(states):
            states.append(_OPEN)
            self.records += 1

    def _item(self, key: str) -> tuple[bytearray, int] | None:
        """Where the state of a list's item is kept, None for other keys."""
        pointer, _, index = key.rpartition("/")
        states = self._lists.get(pointer)
        if states is None or not index.isdecimal() or len(index) > 9:
            return None
        return (states, int(index)) if int(index) < len(states) else None

    def unpack(self, line: int) -> None:
        """The line holds records; seen again, it is itself the only one."""
        if self._lines[line] == _OPEN:
            self._lines[line] = _OPENED

    def settle(self, key: Key) -> None:
        """The record is the source of a step, or was reported; unknown keys are ignored."""
        if isinstance(key, int):
            if 0 <= key < len(self._lines) and self._lines[key]:
                self._lines[key] = _SETTLED
            return
        if key in self._keys:
            self._keys[key] = False
        if (item := self._item(key)) is not None:  # two documents of one line may share a key
            states, index = item
            states[index] = _SETTLED

    def take(self, item: Trace | Problem, path: str) -> None:
        """Settle every record that a trace or problem accounts for."""
        if isinstance(item, Problem):
            key: Key | None = item.record if item.record is not None else item.line
            if key is not None:
                self.settle(key)
                self.skipped += item.severity == "skip"
            return
        for step in item.steps:
            for raw in step.raw:
                if raw.path is None or raw.path == path:
                    self.settle(raw.record)

    def open(self) -> list[Key]:
        """Keys seen and never settled: lines, items of lists, others, each in order."""
        lines = [number for number, state in enumerate(self._lines) if state == _OPEN]
        items = [
            f"{pointer}/{index}"
            for pointer, states in self._lists.items()
            if _OPEN in states
            for index, state in enumerate(states)
            if state == _OPEN
        ]
        return [*lines, *items, *(key for key, is_open in self._keys.items() if is_open)]
