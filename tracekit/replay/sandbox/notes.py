"""What an agent knows: everything it was told, in order, later words over earlier ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tracekit.replay.sandbox.grammar import grammar, read
from tracekit.replay.sandbox.problem import Item
from tracekit.trace import Step


class Notes:
    """Items and values as read from messages."""

    def __init__(self, family: str, steps: Iterable[Step] = ()) -> None:
        self.family = family
        self.items: dict[str, Item] = {}
        self.values: dict[str, str] = {}
        self.results: dict[str, str] = {}
        """What tools answered, by label; gone when the label is open again."""
        self.by: dict[str, dict[str, str]] = {}
        """Values by who stated them."""
        self._asked: dict[str | None, str | None] = {}
        for step in steps:
            self.hear(step)

    def copy(self) -> Notes:
        """Notes that go on by themselves."""
        other = Notes(self.family)
        other.items, other.values = self.items.copy(), self.values.copy()
        other.results, other._asked = self.results.copy(), self._asked.copy()
        other.by = {by: said.copy() for by, said in self.by.items()}
        return other

    def hear(self, step: Step) -> None:
        """Take in one step."""
        if step.kind == "tool_result":
            call = step.tool
            if call is not None:
                label = self._asked.get(call.call_id) or self._first_open()
                if label is not None:
                    self.results[label] = call.result if call.result is not None else step.content
            return
        self.take(step.content, step.agent)
        if step.kind == "tool_call" and step.tool is not None:
            self._asked[step.tool.call_id] = grammar(self.family).label(step.content)

    def take(self, text: str, by: str = "") -> None:
        """Take in a text."""
        for what, label, item, value in read(self.family, text):
            if what == "value":
                self.values[label] = value
                self.by.setdefault(by, {})[label] = value
            elif what == "again":
                self.withdraw(label)
            elif item is not None and self.items.get(label) != item:
                if label in self.items:
                    self.withdraw(label)
                self.items[label] = item

    def withdraw(self, label: str) -> None:
        """Forget the value of a label and of all that follow from it."""
        for each in [label, *self.following(label)]:
            self.values.pop(each, None)
            self.results.pop(each, None)

    def following(self, label: str) -> tuple[str, ...]:
        """Labels of the items that depend on a label, directly or not."""
        return _following(tuple(self.items.values()), label)

    def args(self, item: Item, values: dict[str, str]) -> list[str] | None:
        """Arguments of an item with values for labels; None when one is not known."""
        labels = grammar(self.family).labels
        found = []
        for arg in item.args:
            value = values.get(arg) if arg in labels else arg
            if value is None:
                return None
            found.append(value)
        return found

    def ordered(self) -> tuple[Item, ...]:
        """Items in an order in which they can be worked out, as far as there is one."""
        return _ordered(self.family, tuple(self.items.values()))

    def _first_open(self) -> str | None:
        return next((item.label for item in self.ordered() if item.label not in self.values), None)


@lru_cache(maxsize=1 << 12)
def _following(items: tuple[Item, ...], label: str) -> tuple[str, ...]:
    found = {label}
    grown = True
    while grown:
        more = {item.label for item in items if found.intersection(item.args)} - found
        grown = bool(more)
        found |= more
    return tuple(item.label for item in items if item.label in found and item.label != label)


@lru_cache(maxsize=1 << 12)
def _ordered(family: str, items: tuple[Item, ...]) -> tuple[Item, ...]:
    labels = grammar(family).labels
    left = {item.label: item for item in items}
    done: dict[str, Item] = {}
    while left:
        ready = [
            label
            for label, item in left.items()
            if all(arg not in labels or arg in done or arg not in left for arg in item.args)
        ]
        for label in ready or list(left):
            done[label] = left.pop(label)
    return tuple(done.values())
