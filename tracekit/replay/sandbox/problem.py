"""What a task is made of: items to work out, one from another, and the rules of a family.

Every family reduces its tasks to a list of items: a label, an operation and its arguments, which
are literals or labels of earlier items. The last item is the goal. Agents never see this list:
they read the question, and each other's messages.
"""

from __future__ import annotations

import random
import re
from typing import Any, ClassVar, Protocol

import msgspec


class Item(msgspec.Struct, frozen=True, gc=False):
    """One thing to work out."""

    label: str
    op: str
    args: tuple[str, ...]


class Problem(msgspec.Struct, frozen=True):
    """One task with its solution."""

    family: str
    question: str
    items: tuple[Item, ...]
    """The right plan, in an order in which it can be worked out."""
    expected: str
    """The right answer."""
    data: dict[str, Any] = {}
    """What the tools of the family look into."""

    @property
    def goal(self) -> str:
        """Label of the item that is asked for."""
        return self.items[-1].label


LINES = (
    "{Label}: {how}", "for the {label}, {how}", "to get the {label}, {how}", "the {label} — {how}",
)  # fmt: skip
"""Lines of a plan for what somebody has to do."""


class Family(Protocol):
    """A family of tasks: how they are made, worked out, put in words and got wrong."""

    name: ClassVar[str]
    purpose: ClassVar[str]
    """What the team does, after "a team that"."""
    tool: ClassVar[str]
    """Name of its tool; empty when it has none."""
    labels: ClassVar[tuple[str, ...]]
    """Every label that its items may have, in lower case."""
    forms: ClassVar[dict[str, tuple[str, ...]]]
    """Ways to ask for each operation, arguments as `{0}`, `{1}`, ...; read back as written."""
    lines: ClassVar[tuple[str, ...]]
    """Ways to put a label and what is to be done for it, as `{label}` and `{how}`."""
    links: ClassVar[tuple[str, ...]]
    """Words between a label and its value."""
    literal: ClassVar[str]
    """Regular expression of a literal argument, without groups."""
    value: ClassVar[str]
    """Regular expression of a value, without groups."""

    def make(self, rng: random.Random, difficulty: int) -> Problem:
        """A new task; difficulty from 1."""
        ...

    def compute(self, item: Item, args: list[str], problem: Problem) -> str | None:
        """The right value given the values of the arguments; None when it has none."""
        ...

    def slip(
        self, item: Item, args: list[str], value: str, rng: random.Random, problem: Problem
    ) -> str:
        """A wrong value of the kind that people write."""
        ...

    def misplan(self, item: Item, rng: random.Random, problem: Problem) -> Item:
        """The item misunderstood."""
        ...

    def working(self, item: Item, args: list[str], value: str, rng: random.Random) -> str:
        """The working in words, without labels."""
        ...

    def request(self, item: Item, args: list[str]) -> dict[str, Any] | None:
        """Arguments of the call of the tool that the item needs; None when it needs none."""
        ...

    def serve(self, arguments: Any, problem: Problem) -> tuple[str, bool]:
        """What the tool answers to any arguments, and whether that is a result, not an error."""
        ...

    def extract(self, item: Item, args: list[str], result: str) -> str | None:
        """The value of the item in an answer of the tool; None when it is not there."""
        ...

    def judge(self, answer: str, problem: Problem) -> bool:
        """Whether an answer is right."""
        ...


class Toolless:
    """The part of a family that has no tool."""

    tool: ClassVar[str] = ""

    def request(self, item: Item, args: list[str]) -> dict[str, Any] | None:
        """Nothing is looked up."""
        return None

    def serve(self, arguments: Any, problem: Problem) -> tuple[str, bool]:
        """A call all the same is an error."""
        return "there is no such tool", False

    def extract(self, item: Item, args: list[str], result: str) -> str | None:
        """No answer holds a value."""
        return None


def understood(problem: Problem, question: str) -> list[Item]:
    """The right plan for the question as it was given, which may not be the one of the task.

    Numbers, and a few words, that were changed in place are taken over; an item whose other
    literals are gone is left out.

    >>> item = Item("sum", "add", ("3", "4"))
    >>> problem = Problem("f", "What are 3 and 4?", (item,), "7")
    >>> understood(problem, "What are 3 and 5?")[0].args
    ('3', '5')
    """
    if question == problem.question:
        return list(problem.items)
    changed = _changed(problem.question, question)
    found: list[Item] = []
    for item in problem.items:
        args = tuple(_WORD.sub(lambda m: changed.get(m[0], m[0]), arg) for arg in item.args)
        literals = [
            new for old, new in zip(item.args, args, strict=True) if old in problem.question
        ]
        if all(literal in question for literal in literals):
            found.append(Item(item.label, item.op, args))
    return found


def _changed(old: str, new: str) -> dict[str, str]:
    """Words of one text to those that stand in their place in the other, where they differ."""
    for pattern, most in ((_WORD, FEW), (_NUMBER, None)):
        pairs = list(zip(pattern.findall(old), pattern.findall(new), strict=False))
        aligned = len(pairs) == len(pattern.findall(old)) == len(pattern.findall(new))
        found = {before: after for before, after in pairs if before != after}
        if aligned and (most is None or len(found) <= most):
            return found
    return {}


FEW = 4
"""Words that may differ for a question to count as the same with something changed."""
_WORD, _NUMBER = re.compile(r"\w+"), re.compile(r"\d+")


def digits_slip(value: str, rng: random.Random) -> str:
    """A whole number as it comes out of a moment of inattention; never the same number."""
    number = int(value)
    turned = int(value.lstrip("-")[::-1])
    choices = [number + 1, number - 1, number + 10, number - 10, number + 2]
    if turned != abs(number):
        choices += [turned, turned]
    return str(rng.choice([choice for choice in choices if choice >= 0] or [number + 1]))
