"""Small programs built stage by stage, judged by running them on inputs."""

from __future__ import annotations

import random
import re
from typing import Any, ClassVar

from tracekit.replay.sandbox.jail import Result, evaluate
from tracekit.replay.sandbox.problem import LINES, Item, Problem

STAGES = ("first stage", "second stage", "third stage", "fourth stage", "last stage")
WHOLE = "whole program"
STEPS = {
    "over": ("keep the numbers above {0}", "xs = [x for x in xs if x > {0}]"),
    "multiples": ("keep the multiples of {0}", "xs = [x for x in xs if x % {0} == 0]"),
    "raise": ("add {0} to every number", "xs = [x + {0} for x in xs]"),
    "scale": ("multiply every number by {0}", "xs = [x * {0} for x in xs]"),
    "skip": ("leave out the first {0} numbers", "xs = xs[{0}:]"),
}
ENDINGS = {
    "total": ("return the sum", "return sum(xs)"),
    "largest": ("return the largest number, or 0 if none is left", "return max(xs, default=0)"),
    "size": ("return how many are left", "return len(xs)"),
}
_FAILED = re.compile(r"(\d+) of (\d+) sample tests passed")


class Programs:
    """A function of a list of numbers in three to five stages."""

    name: ClassVar = "programs"
    purpose: ClassVar = "writes small Python functions"
    tool: ClassVar = "run_tests"
    labels: ClassVar = (*STAGES, WHOLE)
    forms: ClassVar = {
        "over": ("keep only numbers above {0}", "drop everything up to {0}"),
        "multiples": ("keep only multiples of {0}", "drop what {0} does not divide"),
        "raise": ("add {0} to each number", "raise each number by {0}"),
        "scale": ("multiply each number by {0}", "scale each number by {0}"),
        "skip": ("skip the first {0} numbers", "drop the leading {0} numbers"),
        "total": ("return the sum", "hand back the total"),
        "largest": ("return the largest or 0", "hand back the maximum, 0 if empty"),
        "size": ("return how many there are", "hand back the count"),
        "build3": ("put {0}, {1} and {2} together and test", "join {0}, {1} and {2} up"),
        "build4": (
            "put {0}, {1}, {2} and {3} together and test",
            "join {0}, {1}, {2} and {3} up",
        ),
        "build5": (
            "put {0}, {1}, {2}, {3} and {4} together and test",
            "join {0}, {1}, {2}, {3} and {4} up",
        ),
    }
    lines: ClassVar = LINES
    links: ClassVar = ("is", "becomes", "reads", "comes out as")
    literal: ClassVar = r"\d{1,9}\b"
    value: ClassVar = r"`[^`\n]{1,400}`"

    def make(self, rng: random.Random, difficulty: int) -> Problem:
        """`difficulty + 1` stages before the ending, two to four, with inputs that tell them apart."""
        count = min(4, max(2, difficulty + 1))
        ops = rng.sample(list(STEPS), count)
        items = [Item(STAGES[n], op, (str(rng.randint(2, 5)),)) for n, op in enumerate(ops)]
        ending = rng.choice(list(ENDINGS))
        items.append(Item(STAGES[-1], ending, ()))
        items.append(Item(WHOLE, f"build{count + 1}", tuple(item.label for item in items)))
        told = [STEPS[item.op][0].format(*item.args) for item in items[:count]]
        question = (
            f"Write a Python function solve(xs) for a list of whole numbers: {', then '.join(told)}"
            f"; finally {ENDINGS[ending][0]}."
        )
        inputs = [[rng.randint(-6, 24) for _ in range(rng.randint(5, 9))] for _ in range(8)]
        problem = Problem(self.name, question, tuple(items), "")
        lines = [self.compute(item, list(item.args), problem) or "" for item in items[:-1]]
        source = _assembled(lines)
        wanted = [_expected(items, xs) for xs in inputs]
        data = {"inputs": inputs, "wanted": wanted, "samples": 3}
        return Problem(self.name, question, tuple(items), f"`{source}`", data)

    def compute(self, item: Item, args: list[str], problem: Problem) -> str | None:
        """A line of code in backticks, or the lines put together."""
        if item.op in STEPS:
            return f"`{STEPS[item.op][1].format(*args)}`" if _small(args) else None
        if item.op in ENDINGS:
            return f"`{ENDINGS[item.op][1]}`"
        return f"`{_assembled(args)}`"

    def slip(
        self, item: Item, args: list[str], value: str, rng: random.Random, problem: Problem
    ) -> str:
        """A bug: an index or a bound off by one, the wrong operator, a line left out."""
        if item.label == WHOLE:
            kept = list(args)
            if len(kept) > 2:
                kept.pop(rng.randrange(len(kept) - 1))
            return f"`{_assembled(kept)}`"
        bugs = [
            (" > ", " >= "), (" > ", " < "), ("== 0", "!= 0"), ("x + ", "x - "), ("x * ", "x ** "),
            ("[", "[:-1][", ) if value.startswith("`xs = xs[") else ("sum(xs)", "sum(xs[1:])"),
            ("max(xs, default=0)", "max(xs)"), ("max(", "min("), ("len(xs)", "len(xs) - 1"),
            ("len(xs)", "len(set(xs))"), ("in xs ", "in xs[1:] "), ("in xs]", "in xs[:-1]]"),
        ]  # fmt: skip
        number = re.search(r"\d+", value)
        if number and item.op in STEPS:
            bugs.append((number[0], str(int(number[0]) + 1)))
        fitting = [bug for bug in bugs if bug[0] in value]
        if not fitting:
            return "`return None`"
        old, new = rng.choice(fitting)
        return value.replace(old, new, 1)

    def misplan(self, item: Item, rng: random.Random, problem: Problem) -> Item:
        """Another number, operation or ending; a stage forgotten in the assembly."""
        if item.op in ENDINGS:
            return Item(item.label, rng.choice([op for op in ENDINGS if op != item.op]), ())
        if item.op not in STEPS:
            return item
        if rng.random() < 0.5:
            return Item(item.label, item.op, (str(int(item.args[0]) + rng.choice((-1, 1, 2))),))
        return Item(item.label, rng.choice([op for op in STEPS if op != item.op]), item.args)

    def working(self, item: Item, args: list[str], value: str, rng: random.Random) -> str:
        """A word about the line."""
        if item.label == WHOLE:
            return rng.choice(("all lines in order", "one function, lines in order"))
        return rng.choice(("in Python", "as one line", "written out"))

    def request(self, item: Item, args: list[str]) -> dict[str, Any] | None:
        """A run of the sample tests for the whole program."""
        return {"source": _assembled(args)} if item.label == WHOLE else None

    def serve(self, arguments: Any, problem: Problem) -> tuple[str, bool]:
        """The sample tests, really run; the first that fails is shown."""
        source = arguments.get("source") if isinstance(arguments, dict) else None
        if not isinstance(source, str):
            return "run_tests failed: no source was given", False
        count = problem.data["samples"]
        result = _run(source, problem)
        wanted = problem.data["wanted"][:count]
        passed = [
            got == want for got, want in zip(result.values[:count], wanted, strict=False)
        ].count(True)
        text = f"{passed} of {count} sample tests passed"
        if result.error:
            return f"{text}; {result.error}", True
        for xs, got, want in zip(problem.data["inputs"], result.values, wanted, strict=False):
            if got != want:
                return f"{text}; solve({xs}) gave {got}, expected {want}", True
        return text, True

    def extract(self, item: Item, args: list[str], result: str) -> str | None:
        """The program as it was put together: the tests only say how good it is."""
        return f"`{_assembled(args)}`"

    def judge(self, answer: str, problem: Problem) -> bool:
        """All tests pass, the hidden ones too."""
        result = _run(answer.strip("`"), problem)
        return not result.error and result.values == problem.data["wanted"]


def failing(text: str) -> bool:
    """Whether a report of tests says that some failed.

    >>> failing("2 of 3 sample tests passed"), failing("3 of 3 sample tests passed")
    (True, False)
    """
    found = _FAILED.search(text)
    return bool(found and found[1] != found[2])


def _run(source: str, problem: Problem) -> Result:
    return evaluate(source, "solve", tuple(tuple(xs) for xs in problem.data["inputs"]))


def _assembled(lines: list[str]) -> str:
    return f"def solve(xs): {'; '.join(line.strip('`') for line in lines)}"


def _small(args: list[str]) -> bool:
    return all(arg.isdecimal() and len(arg) < 6 for arg in args)


def _expected(items: list[Item], xs: list[int]) -> int:
    """What the right program returns, worked out without running it as a text."""
    for item in items[:-2]:
        n = int(item.args[0])
        match item.op:
            case "over":
                xs = [x for x in xs if x > n]
            case "multiples":
                xs = [x for x in xs if x % n == 0]
            case "raise":
                xs = [x + n for x in xs]
            case "scale":
                xs = [x * n for x in xs]
            case "skip":
                xs = xs[n:]
    return {"total": sum(xs), "largest": max(xs, default=0), "size": len(xs)}[items[-2].op]
