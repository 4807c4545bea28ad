"""Agents that err on demand, in their own voice: the same policy, with one thing about it changed.

A fault is not a text put in an agent's mouth. The agent acts as always, from the same generator of
words; only a decision, a memory or a working is another one than it would have been.
"""

from __future__ import annotations

import random
from collections import Counter
from functools import cached_property
from typing import Any, NamedTuple, cast

import msgspec

from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.language import Pen, Voice
from tracekit.replay.sandbox.problem import Family, Item, Problem
from tracekit.replay.sandbox.state import draw
from tracekit.replay.sandbox.view import View

ALWAYS, NEVER = -1, -2


class Erring(View, dict=True):
    """A view of an agent that errs as told; by itself it acts as it always would."""

    forced: dict[str, int] = msgspec.field(default_factory=dict)
    """By kind of mistake: which of its occasions is one, or `ALWAYS` or `NEVER`."""
    hushed: str = ""
    """Label of the value that is not told."""
    instead: str = ""
    """Label of the value, known already, that is told in its place."""
    added: tuple[str, str] | None = None
    """A label and a value told on top."""
    words: str = "words"
    """Names the generator of the words: another name, other words for the same."""
    twist: Twist | None = None
    """What is worked out otherwise than it is told."""

    @classmethod
    def of(cls, view: View, **changes: Any) -> Erring:
        """The view again, from the beginning, with a memory of its own."""
        same = {name: getattr(view, name) for name in View.__struct_fields__}
        return cls(**{**same, "memory": view.memory.copy(), **changes})

    @cached_property
    def occasions(self) -> Counter[str]:
        """How often each kind of mistake could have been made so far."""
        return Counter()

    def errs(self, kind: str) -> bool:
        """As told, and by itself where nothing is told."""
        number = self.occasions[kind]
        self.occasions[kind] += 1
        natural = super().errs(kind)
        match self.forced.get(kind):
            case None:
                return natural
            case int() as wanted if wanted >= 0:
                return natural or number == wanted
            case wanted:
                return wanted == ALWAYS

    @cached_property
    def pen(self) -> Pen:
        """Writes in the agent's voice, whatever there is to write."""
        words = draw(self.seed, self.number, self.agent.id, self.words)
        kind = family(self.problem.family)
        notes = self.notes
        item = notes.items.get(self.instead)
        args = notes.args(item, notes.values) if item is not None else None
        value = notes.values.get(self.instead, "")
        stock = _Stock(self.instead, value, item, args) if self.instead else None
        return _Pen(self.twist or kind, self.member.voice, words, self.hushed, stock, self.added)


class _Stock(NamedTuple):
    """A value that everybody knows, with its working as far as it is known."""

    label: str
    value: str
    item: Item | None
    args: list[str] | None


class _Pen(Pen):
    """Leaves one value out, or adds one."""

    def __init__(
        self,
        family: Family | Twist,
        voice: Voice,
        words: random.Random,
        hushed: str,
        stock: _Stock | None,
        added: tuple[str, str] | None,
    ) -> None:
        super().__init__(cast("Family", family), voice, words)
        self._hushed, self._stock, self._added = hushed, stock, added

    def line(self, item: Item) -> Pen:
        if item.label == self._hushed and self._stock is not None and self._stock.item is not None:
            item = self._stock.item
        return super().line(item)

    def state(self, label: str, value: str) -> Pen:
        if label != self._hushed:
            return super().state(label, value)
        return self if self._stock is None else super().state(self._stock.label, self._stock.value)

    def derive(self, item: Item, working: str, value: str) -> Pen:
        if item.label != self._hushed:
            return super().derive(item, working, value)
        stock = self._stock
        if stock is None or stock.item is None or stock.args is None:
            return self if stock is None else super().state(stock.label, stock.value)
        told = self.family.working(stock.item, stock.args, stock.value, self.words)
        return super().derive(stock.item, told, stock.value)

    def text(self, *, hedge: bool = True) -> str:
        if self._added is not None:
            self.state(*self._added)
        return super().text(hedge=hedge)


class Twist:
    """A family in which one item is worked out otherwise than it is told.

    `items` says what is worked out instead of an item, and from which arguments. With `honest` the
    working shown is the right one even where the value stated is not.
    """

    def __init__(
        self,
        kind: Family,
        items: dict[str, tuple[Item, list[str]]] | None = None,
        *,
        honest: bool = False,
    ) -> None:
        self._kind, self._items, self._honest = kind, items or {}, honest
        self._right: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kind, name)

    def compute(self, item: Item, args: list[str], problem: Problem) -> str | None:
        """The value of what is worked out instead."""
        return self._kind.compute(*self._instead(item, args), problem)

    def request(self, item: Item, args: list[str]) -> dict[str, Any] | None:
        """The call for what is worked out instead."""
        return self._kind.request(*self._instead(item, args))

    def extract(self, item: Item, args: list[str], result: str) -> str | None:
        """The value of what is worked out instead, in an answer of the tool."""
        return self._kind.extract(*self._instead(item, args), result)

    def slip(
        self, item: Item, args: list[str], value: str, rng: random.Random, problem: Problem
    ) -> str:
        """A wrong value; the right one is kept for the working."""
        self._right[item.label] = value
        return self._kind.slip(item, args, value, rng, problem)

    def working(self, item: Item, args: list[str], value: str, rng: random.Random) -> str:
        """The working that was really done."""
        if self._honest:
            value = self._right.get(item.label, value)
        return self._kind.working(*self._instead(item, args), value, rng)

    def _instead(self, item: Item, args: list[str]) -> tuple[Item, list[str]]:
        return self._items.get(item.label, (item, args))
