"""Questions about a table that can only be asked through a tool."""

from __future__ import annotations

import random
import re
from typing import Any, ClassVar

from tracekit.replay.sandbox.problem import LINES, Item, Problem, digits_slip

REGIONS = ("Northfield", "Eastbrook", "Southmere", "Westhaven", "Midvale")
GOODS = ("tea", "salt", "rope", "paint", "honey", "glass")
LABELS = ("first lookup", "second lookup", "third lookup", "fourth lookup")
STEPS = ("requested figure", "interim figure", "carried figure")
MEASURES = {"total": "sum", "peak": "max", "tally": "count"}
ASK = {
    "total": "the total of {1} sold in {0}",
    "peak": "the largest single sale of {1} in {0}",
    "tally": "the number of sales of {1} in {0}",
}
JOIN = {"add": "plus", "sub": "minus", "mul": "times"}
_RESULT = re.compile(r"=\s*(-?\d+)")


class Tables:
    """Two to four lookups in a ledger, joined by arithmetic."""

    name: ClassVar = "tables"
    purpose: ClassVar = "answers questions about a ledger of sales"
    tool: ClassVar = "query_ledger"
    labels: ClassVar = (*LABELS, *STEPS)
    forms: ClassVar = {
        "total": ("sum the sales of {1} in {0}", "total {1} for {0}", "add up all {1} of {0}"),
        "peak": ("find the largest sale of {1} in {0}", "get the biggest {1} entry of {0}"),
        "tally": ("count the sales of {1} in {0}", "count how often {0} sold {1}"),
        "add": ("add {1} to {0}", "put {0} and {1} together"),
        "sub": ("subtract {1} from {0}", "take {1} away from {0}"),
        "mul": ("multiply {0} by {1}", "take {0} times {1}"),
    }
    lines: ClassVar = LINES
    links: ClassVar = ("is", "comes to", "reads", "equals", "works out at")
    literal: ClassVar = rf"(?:{'|'.join((*REGIONS, *GOODS))})\b|\d{{1,9}}\b"
    value: ClassVar = r"-?\d{1,12}\b"

    def make(self, rng: random.Random, difficulty: int) -> Problem:
        """A ledger of 8 rows and up, and a question over `difficulty` lookups, two at least."""
        rows: list[tuple[str, str, int]] = [
            (rng.choice(REGIONS), rng.choice(GOODS), rng.randint(3, 60))
            for _ in range(16 + 6 * difficulty)
        ]
        lookups = min(4, max(2, difficulty))
        pairs = rng.sample(sorted({(region, good) for region, good, _ in rows}), lookups)
        ops = [rng.choice(("total", "total", "peak", "tally")) for _ in pairs]
        items = [Item(LABELS[n], ops[n], pairs[n]) for n in range(lookups)]
        data = {"rows": rows}
        asked = [ASK[ops[0]].format(*pairs[0])]
        left = LABELS[0]
        names = [*STEPS[1:], STEPS[0]][-(lookups - 1) :]
        for n in range(1, lookups):
            op = rng.choice(("add", "sub", "add", "sub", "mul"))
            items.append(Item(names[n - 1], op, (left, LABELS[n])))
            left = names[n - 1]
            asked.append(f", {JOIN[op]} {ASK[ops[n]].format(*pairs[n])}")
        question = f"From the ledger of sales: what is {''.join(asked)}? Work from left to right."
        problem = Problem(self.name, question, tuple(items), "", data)
        values: dict[str, str] = {}
        for item in items:
            args = [values.get(arg, arg) for arg in item.args]
            values[item.label] = self.compute(item, args, problem) or "0"
        return Problem(self.name, question, tuple(items), values[STEPS[0]], data)

    def compute(self, item: Item, args: list[str], problem: Problem) -> str | None:
        """Of lookups what the ledger holds, of the rest the result."""
        if item.op in MEASURES:
            return str(_measure(MEASURES[item.op], args[0], args[1], problem))
        try:
            a, b = map(int, args)
        except ValueError:
            return None
        if max(abs(a), abs(b)) > 10**9:
            return None
        return str({"add": a + b, "sub": a - b, "mul": a * b}[item.op])

    def slip(
        self, item: Item, args: list[str], value: str, rng: random.Random, problem: Problem
    ) -> str:
        """The neighbouring row, or a slip of digits."""
        if item.op in MEASURES and rng.random() < 0.5:
            other = rng.choice([good for good in GOODS if good != args[1]])
            read = str(_measure(MEASURES[item.op], args[0], other, problem))
            if read != value:
                return read
        return digits_slip(value, rng)

    def misplan(self, item: Item, rng: random.Random, problem: Problem) -> Item:
        """Another region, product or measure; another way to join."""
        if item.op not in MEASURES:
            other = rng.choice([op for op in JOIN if op != item.op])
            return Item(item.label, other, item.args)
        region, good = item.args
        kind = rng.randrange(3)
        if kind == 0:
            return Item(
                item.label, item.op, (rng.choice([r for r in REGIONS if r != region]), good)
            )
        if kind == 1:
            return Item(item.label, item.op, (region, rng.choice([g for g in GOODS if g != good])))
        return Item(item.label, rng.choice([m for m in MEASURES if m != item.op]), item.args)

    def working(self, item: Item, args: list[str], value: str, rng: random.Random) -> str:
        """What was looked up, or the sum."""
        if item.op in MEASURES:
            seen = rng.choice(("the ledger gives", "the query returned", "I read off"))
            return f"for {args[1]} in {args[0]} {seen} {value}"
        return f"{args[0]} {JOIN[item.op]} {args[1]} {rng.choice(('gives', 'makes'))} {value}"

    def request(self, item: Item, args: list[str]) -> dict[str, Any] | None:
        """A query for lookups."""
        if item.op not in MEASURES:
            return None
        return {"measure": MEASURES[item.op], "region": args[0], "product": args[1]}

    def serve(self, arguments: Any, problem: Problem) -> tuple[str, bool]:
        """One figure with the number of rows behind it."""
        asked = arguments if isinstance(arguments, dict) else {}
        measure, region, good = (str(asked.get(key)) for key in ("measure", "region", "product"))
        if measure not in MEASURES.values() or region not in REGIONS or good not in GOODS:
            return "query failed: unknown measure, region or product", False
        count = _measure("count", region, good, problem)
        return f"{measure} = {_measure(measure, region, good, problem)} ({count} rows)", True

    def extract(self, item: Item, args: list[str], result: str) -> str | None:
        """The figure."""
        found = _RESULT.search(result)
        return found[1] if found else None

    def judge(self, answer: str, problem: Problem) -> bool:
        """Equal as text: figures are whole."""
        return answer.strip() == problem.expected


def _measure(measure: str, region: str, good: str, problem: Problem) -> int:
    amounts = [row[2] for row in problem.data["rows"] if row[0] == region and row[1] == good]
    if measure == "count":
        return len(amounts)
    return sum(amounts) if measure == "sum" else max(amounts, default=0)
