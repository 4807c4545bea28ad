"""What an agent knows: everything it was told, in order, later words over earlier ones."""

from __future__ import annotations

from collections.abc import Iterable

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
        self._order: tuple[Item, ...] | None = None
        for step in steps:
            self.hear(step)

    def copy(self) -> Notes:
        """Notes that go on by themselves."""
        other = Notes(self.family)
        other.items, other.values = self.items.copy(), self.values.copy()
        other.results, other._asked = self.results.copy(), self._asked.copy()
        other._order = self._order
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
            elif item is not None:
                self._plan(item)

    def _plan(self, item: Item) -> None:
        known = self.items.get(item.label)
        if known == item:
            return
        if known is not None:
            self.withdraw(item.label)
        self.items[item.label] = item
        self._order = None

    def withdraw(self, label: str) -> None:
        """Forget the value of a label and of all that follow from it."""
        for each in [label, *self.following(label)]:
            self.values.pop(each, None)
            self.results.pop(each, None)

    def following(self, label: str) -> list[str]:
        """Labels of the items that depend on a label, directly or not."""
        found = {label}
        grown = True
        while grown:
            more = {i.label for i in self.items.values() if found.intersection(i.args)} - found
            grown = bool(more)
            found |= more
        return [each for each in self.items if each in found and each != label]

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
        if self._order is None:
            self._order = self._ordered()
        return self._order

    def _ordered(self) -> tuple[Item, ...]:
        labels = grammar(self.family).labels
        left = dict(self.items)
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

    def _first_open(self) -> str | None:
        return next((item.label for item in self.ordered() if item.label not in self.values), None)
