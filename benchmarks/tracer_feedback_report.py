"""Tables of what advice was worth, by setting: a part of benchmarks/tracer_feedback.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tracekit import stats
from tracekit.analyzers.intervene.feedback import Rules
from tracekit.stats import Estimate

ROUNDS = 3
"""Most retries of a case."""
ORDER = ("none", "random", "constant", "compact", "tracer", "rewind", "oracle")
OTHERS = ("none", "random", "constant", "compact")
"""Whom every method is compared with, case by case."""

Rows = dict[str, dict[str, Any]]
"""Task and repeat to what became of it."""


class Setting(msgspec.Struct, frozen=True, order=True):
    """One way to try again."""

    habit: float
    start: Any
    told: bool

    @property
    def rules(self) -> Rules:
        """The same for the library."""
        return Rules(rounds=ROUNDS, start=self.start, told=self.told)


def report(files: Sequence[Path], trained: frozenset[str], after: int) -> None:
    """A table for every setting, without cases whose questions were trained on."""
    found: dict[Setting, dict[str, Rows]] = {}
    for file in files:
        for line in file.read_text().splitlines():
            one = json.loads(line)
            if one["question"] in trained:
                continue
            setting = msgspec.convert(one["setting"], Setting)
            found.setdefault(setting, {}).setdefault(one["method"], {})[one["task"]] = one
    for setting, methods in sorted(found.items(), key=lambda each: (not each[0].told, each[0])):
        shared = set.intersection(*(set(rows) for rows in methods.values()))
        kept = {
            name: {task: rows[task] for task in sorted(shared)} for name, rows in methods.items()
        }
        table(setting, kept, after)


def table(setting: Setting, methods: dict[str, Rows], after: int) -> None:
    """A row for each method: solved after each round, over others, and what was named first."""
    where = "from the beginning" if setting.start == "beginning" else "from the step blamed"
    what = "failed tasks" if setting.told else "tasks, nobody knows which failed"
    tasks = {task.partition("#")[0] for rows in methods.values() for task in rows}
    print(f"\nHabit {setting.habit:g}, {where}; {len(tasks)} {what}\n")
    rounds = range(1 if setting.told else 0, ROUNDS + 1)
    heads = ["advice", *(f"solved after {number}, %" for number in rounds)]
    heads += [f"over {other}, points" for other in OTHERS]
    heads += ["first: agent, %", "step, %", "nobody, %"]
    print(f"| {' | '.join(heads)} |\n{'| --- ' * len(heads)}|")
    known = [name for name in ORDER if name in methods]
    for name in [*known, *sorted(methods.keys() - set(known))]:
        rows, truth = methods[name], methods.get("oracle")
        cells = [name, *(share(rows, number) for number in rounds)]
        cells += [
            "" if name == other else gain(rows, methods.get(other), after) for other in OTHERS
        ]
        cells += [hits(rows, truth, part) for part in (0, 1)]
        cells.append(f"{100 * _mean(rows, lambda one: one['said'][0] is None).value:.1f}")
        print(f"| {' | '.join(cells)} |")
    for name, rows in methods.items():
        lost = [each for one in rows.values() for each in one.get("failed", ())]
        if any(lost):
            print(f"\n{name}: {sum(lost)} of {len(lost)} judgements failed, advice there was none")


def share(rows: Rows, number: int) -> str:
    """Solved after a round, with its interval by bootstrap over questions."""
    return percent(_mean(rows, lambda one: one["solved"][number]))


def gain(rows: Rows, others: Rows | None, after: int) -> str:
    """Solved after a round, less the same of others, case by case."""
    if others is None:
        return "-"
    found = _mean(rows, lambda one: one["solved"][after] - others[one["task"]]["solved"][after])
    return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def hits(rows: Rows, truth: Rows | None, part: int) -> str:
    """How often the first advice names the oracle's agent (part 0), or its step (part 1)."""
    if truth is None or all(one["said"][0] is None for one in rows.values()):
        return "-"

    def right(one: dict[str, Any]) -> bool:
        said, true = one["said"][0], truth[one["task"]]["said"][0]
        return said is not None and bool(said[part] == true[part])

    return percent(_mean(rows, right))


def _mean(rows: Rows, of: Callable[[dict[str, Any]], float]) -> Estimate:
    values = [float(of(one)) for one in rows.values()]
    return stats.bootstrap(values, [one["question"] for one in rows.values()])


def percent(found: Estimate) -> str:
    """A share with its interval, in per cent."""
    return f"{100 * found.value:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"
