"""Jobs that wait for each other and share machines: when is the last one done?"""

from __future__ import annotations

import random
from typing import ClassVar

from tracekit.replay.sandbox.problem import Item, Problem, Toolless, digits_slip

JOBS = (
    "sorting", "washing", "drying", "cutting", "mixing", "pressing", "baking", "cooling",
    "glazing", "painting", "packing", "labelling", "loading", "testing",
)  # fmt: skip
MACHINES = ("the long bench", "the kiln", "the crane")


class Scheduling(Toolless):
    """Four to eight jobs, each after at most two others."""

    name: ClassVar = "scheduling"
    purpose: ClassVar = "plans the work of a small factory"
    labels: ClassVar = JOBS
    forms: ClassVar = {
        "start": ("takes {0} hours and can start at once", "runs for {0} hours from hour 0"),
        "after": (
            "takes {0} hours once {1} is done",
            "runs for {0} hours as soon as {1} is over",
            "needs {0} hours, right after {1}",
        ),
        "join": (
            "takes {0} hours once {1} and {2} are both done",
            "runs for {0} hours when {1} and {2} are over",
        ),
    }
    lines: ClassVar = (
        "{Label}: {how}",
        "the {label} {how}",
        "the {label} — {how}",
        "{Label} {how}",
    )
    links: ClassVar = ("is done by hour", "ends at hour", "finishes at hour", "is over at hour")
    literal: ClassVar = r"\d{1,9}\b"
    value: ClassVar = r"\d{1,9}\b"

    def make(self, rng: random.Random, difficulty: int) -> Problem:
        """`difficulty + 3` jobs; a job waits for what it needs and for its machine."""
        names = rng.sample(JOBS, min(difficulty + 3, 8))
        lines: list[str] = []
        items: list[Item] = []
        busy: dict[str, str] = {}
        for n, name in enumerate(names):
            hours, machine = rng.randint(2, 9), rng.choice(MACHINES)
            open_ends = [job for job in names[:n] if not any(job in item.args for item in items)]
            last = n == len(names) - 1
            needs = (
                [open_ends[0]]
                if last and open_ends
                else rng.sample(names[:n], rng.randint(0, min(1, n)))
            )
            waits = list(dict.fromkeys([*needs, *([busy[machine]] if machine in busy else [])]))
            busy[machine] = name
            op = ("start", "after", "join")[len(waits)]
            items.append(Item(name, op, (str(hours), *waits)))
            after = f" after {needs[0]}" if needs else ""
            lines.append(f"{name} ({hours} h on {machine}{after})")
        question = (
            f"Jobs in the order in which machines take them: {'; '.join(lines)}. Machines do one "
            f"job at a time and all are free at hour 0. At which hour is {names[-1]} done?"
        )
        problem = Problem(self.name, question, tuple(items), "")
        ends: dict[str, str] = {}
        for item in items:
            ends[item.label] = (
                self.compute(item, [ends.get(a, a) for a in item.args], problem) or ""
            )
        return Problem(self.name, question, tuple(items), ends[names[-1]])

    def compute(self, item: Item, args: list[str], problem: Problem) -> str | None:
        """The hour at which the job ends."""
        try:
            hours, *ends = map(int, args)
        except ValueError:
            return None
        return str(hours + max(ends, default=0)) if max(hours, *ends, 0) < 10**9 else None

    def slip(
        self, item: Item, args: list[str], value: str, rng: random.Random, problem: Problem
    ) -> str:
        """The wrong job waited for, or hours miscounted."""
        if item.op == "join" and rng.random() < 0.5:
            early = str(int(args[0]) + min(int(args[1]), int(args[2])))
            if early != value:
                return early
        if rng.random() < 0.5:
            return str(max(0, int(value) + rng.choice((-2, -1, 1, 2)))) if value != "0" else "1"
        return digits_slip(value, rng)

    def misplan(self, item: Item, rng: random.Random, problem: Problem) -> Item:
        """A job or machine overlooked, or the hours of another job."""
        hours, *waits = item.args
        if waits and rng.random() < 0.6:
            waits.pop(rng.randrange(len(waits)))
            return Item(item.label, ("start", "after", "join")[len(waits)], (hours, *waits))
        wrong = [str(n) for n in range(1, 10) if str(n) != hours]
        return Item(item.label, item.op, (rng.choice(wrong), *waits))

    def working(self, item: Item, args: list[str], value: str, rng: random.Random) -> str:
        """The start and the length."""
        start = max(map(int, args[1:]), default=0)
        begin = rng.choice(("it begins at", "earliest start", "can go from"))
        return f"{begin} {start}, then {args[0]} hours of work"

    def judge(self, answer: str, problem: Problem) -> bool:
        """The hour, to the hour."""
        return answer.strip() == problem.expected
