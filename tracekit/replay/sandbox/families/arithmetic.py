"""Arithmetic word problems: a quantity goes through a few hands, how much is left?"""

from __future__ import annotations

import random
from typing import ClassVar

from tracekit.replay.sandbox.problem import LINES, Item, Problem, Toolless, digits_slip

NOUNS = ("apples", "bricks", "tiles", "candles", "bottles", "seedlings", "postcards", "lanterns")
STAGES = {
    "mul": ("delivered", "expanded"),
    "add": ("gathered", "replenished"),
    "sub": ("kept", "leftover"),
    "div": ("shared", "portioned"),
}
PLACES = ("depot", "workshop", "market hall", "school", "harbour store", "nursery", "club house")
PACKS = ("crates", "pallets", "cartons", "sacks", "trays")
TELL = {
    "add": (
        "Then {n} more {noun} arrive.",
        "A neighbour brings another {n} {noun}.",
        "In a cupboard they find {n} {noun} that nobody had counted.",
    ),
    "sub": (
        "{n} {noun} are sold.",
        "During the night {n} {noun} go missing.",
        "They give {n} {noun} away.",
    ),
    "mul": (
        "By the end of the season there are {n} times as many {noun}.",
        "A sponsor makes it {n} times as many {noun}.",
    ),
    "div": (
        "The {noun} are split equally among {n} shops, and we look at one shop from here on.",
        "Each of {n} teams takes an equal part of the {noun}; we follow one team.",
    ),
}
WORDS = {"add": "plus", "sub": "minus", "mul": "times", "div": "divided by"}


class Arithmetic(Toolless):
    """Whole numbers through two to seven operations."""

    name: ClassVar = "arithmetic"
    purpose: ClassVar = "solves word problems"
    labels: ClassVar = tuple(
        f"{stage} {noun}" for stages in STAGES.values() for stage in stages for noun in NOUNS
    )
    forms: ClassVar = {
        "mul": ("multiply {0} by {1}", "take {0} times {1}", "work out {0} times {1}"),
        "add": ("add {1} to {0}", "put {0} and {1} together", "sum {0} and {1}"),
        "sub": ("subtract {1} from {0}", "take {1} away from {0}", "work out {0} minus {1}"),
        "div": ("divide {0} by {1}", "split {0} into {1} equal parts", "share {0} out {1} ways"),
    }
    lines: ClassVar = LINES
    links: ClassVar = ("come to", "are", "make", "amount to", "work out at")
    literal: ClassVar = r"\d{1,9}\b"
    value: ClassVar = r"-?\d{1,12}\b"

    def make(self, rng: random.Random, difficulty: int) -> Problem:
        """A story with `difficulty + 2` operations, all results whole and positive."""
        noun, place, pack = rng.choice(NOUNS), rng.choice(PLACES), rng.choice(PACKS)
        packs, each = rng.randint(4, 12), rng.randint(6, 15)
        story = [f"A {place} receives {packs} {pack} with {each} {noun} in each."]
        items = [Item(f"delivered {noun}", "mul", (str(packs), str(each)))]
        used = {"mul": 1, "add": 0, "sub": 0, "div": 0}
        amount = packs * each
        for _ in range(min(difficulty + 1, 6)):
            op, number = self._next(rng, amount, used)
            label = f"{STAGES[op][used[op]]} {noun}"
            used[op] += 1
            items.append(Item(label, op, (items[-1].label, str(number))))
            story.append(rng.choice(TELL[op]).format(n=number, noun=noun))
            amount = _result(op, amount, number) or 0
        question = f"{' '.join(story)} How many {noun} are there in the end?"
        return Problem(self.name, question, tuple(items), str(amount))

    def _next(self, rng: random.Random, amount: int, used: dict[str, int]) -> tuple[str, int]:
        """An operation that has a label left and gives a whole, positive result."""
        ops = [op for op in used if used[op] < 2 and not (op == "mul" and amount > 900)]
        divisors = [n for n in range(2, 10) if amount % n == 0 and amount // n > 3]
        if "div" in ops and not divisors:
            ops.remove("div")
        if amount < 12 and "sub" in ops and len(ops) > 1:
            ops.remove("sub")
        op = rng.choice(ops)
        if op == "div":
            return op, rng.choice(divisors)
        if op == "mul":
            return op, rng.randint(2, 5)
        return op, rng.randint(3, max(4, amount * 2 // 3) if op == "sub" else 80)

    def compute(self, item: Item, args: list[str], problem: Problem) -> str | None:
        """The result; None for what is no whole number or was not given."""
        try:
            result = _result(item.op, *map(int, args))
        except (TypeError, ValueError):
            return None
        return None if result is None else str(result)

    def slip(
        self, item: Item, args: list[str], value: str, rng: random.Random, problem: Problem
    ) -> str:
        """Digits swapped or dropped, or the wrong operation."""
        if rng.random() < 0.3 and len(args) == 2:
            other = rng.choice([op for op in WORDS if op != item.op])
            result = self.compute(Item(item.label, other, item.args), args, problem)
            if result not in (None, value):
                return str(result)
        return digits_slip(value, rng)

    def misplan(self, item: Item, rng: random.Random, problem: Problem) -> Item:
        """Another operation, or a number from elsewhere in the story."""
        first, second = item.args
        numbers = [arg for each in problem.items for arg in each.args if arg.isdecimal()]
        others = [number for number in numbers if number not in item.args]
        if others and rng.random() < 0.5:
            return Item(item.label, item.op, (first, rng.choice(others)))
        opposite = {"add": "sub", "sub": "add", "mul": "add", "div": "sub"}[item.op]
        return Item(item.label, opposite, (first, second))

    def working(self, item: Item, args: list[str], value: str, rng: random.Random) -> str:
        """One line of working."""
        left, right = args[0], args[-1]
        verb = rng.choice(("gives", "is", "makes", "comes out as"))
        return f"{left} {WORDS[item.op]} {right} {verb} {value}"

    def judge(self, answer: str, problem: Problem) -> bool:
        """Equal as numbers."""
        return answer.strip().lstrip("0") == problem.expected.lstrip("0")


def _result(op: str, a: int, b: int) -> int | None:
    if op == "div":
        return a // b if b and a % b == 0 else None
    if max(abs(a), abs(b)) > 10**9:  # hostile messages must not grow numbers without end
        return None
    return {"add": a + b, "sub": a - b, "mul": a * b}[op]
