"""How early and how wrongly an alarm on falling values warns of a run that will fail.

    python benchmarks/prm_alarm.py sandbox --model out/prm-all --out out/sandbox-values.jsonl
    python benchmarks/prm_alarm.py report out/sandbox-values.jsonl
    python benchmarks/prm_ag2.py --data $TRACEKIT_DATA --values out/ag2-values.jsonl
    python benchmarks/prm_alarm.py report out/ag2-values.jsonl

`sandbox` scores fresh single runs of the test tasks of prm_tasks.json whose questions the model was
not trained on. `report` reads such lines, `{"trace", "problem", "good", "values"}` with the value
before the first step in front, of any runs that the value function was not trained on, and chooses
the threshold of each rule on four fifths of the problems so that a wanted share of failures raises
an alarm before their last step; what it then does is counted on the rest. Rules: the value falls
below a threshold; it falls by some amount from its highest; the run gets longer than some number of
steps (which knows nothing of values); chance, an alarm after each step with equal odds. Lead is how
many steps were still to come. Brackets are 95 % intervals by bootstrap over problems.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from prm_search import TASKS, cells, values_of
from prm_seen import question, questions, unseen

from tracekit import stats

FOLDS = 5
RECALLS = (0.5, 0.8)

Row = dict[str, Any]
Rule = Callable[[Row], np.ndarray]
"""How alarming each step of a run is: an alarm is raised at the first one above a threshold."""


def low(row: Row) -> np.ndarray:
    """The value itself, turned around."""
    return 1 - np.array(row["values"][1:])


def fallen(row: Row) -> np.ndarray:
    """How far it is below its highest so far."""
    values = np.array(row["values"])
    return np.asarray(np.maximum.accumulate(values) - values)[1:]


def length(row: Row) -> np.ndarray:
    """Steps so far."""
    return np.arange(len(row["values"]) - 1, dtype=float)


def chance(row: Row) -> np.ndarray:
    """Noise."""
    seed = int.from_bytes(row["trace"].encode()[-8:], "big")
    return np.random.default_rng(seed).random(len(row["values"]) - 1)


RULES: dict[str, Rule] = {
    "value below": low,
    "value fallen by": fallen,
    "longer than": length,
    "chance": chance,
}


def sandbox(options: argparse.Namespace) -> None:
    """Score fresh single runs."""
    values, seen = values_of(options.model), questions(options.model)
    left_out = 0
    with options.out.open("w") as out:
        for _, _, team in cells():
            tasks = list(islice(team.tasks(TASKS["test_seed"]), options.n))
            kept = unseen(tasks, seen)
            left_out += len(tasks) - len(kept)
            for task in kept:
                trace = team.run(task, 3_000_000 + tasks.index(task))
                found = [values.begin(trace).value, *values.values(trace)]
                row = {"trace": trace.id, "problem": question(task), "good": not trace.failed}
                out.write(json.dumps({**row, "values": found}) + "\n")
    print(f"{left_out} runs left out: of questions trained on", file=sys.stderr)


def report(options: argparse.Namespace) -> None:
    """One row for each rule and recall."""
    rows = [json.loads(line) for line in options.file.read_text().splitlines()]
    rows = [row for row in rows if len(row["values"]) > 2]
    good = sum(row["good"] for row in rows)
    problems = sorted({row["problem"] for row in rows})
    print(f"{len(rows)} runs of {len(problems)} problems, {good} of them good\n")
    print(
        "| rule | wanted recall | recall % | false alarms per 100 good runs | lead, steps | lead, share of run |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for wanted in RECALLS:
        for name, rule in RULES.items():
            print(
                f"| {name} | {wanted:.0%} | "
                + " | ".join(measured(rows, problems, rule, wanted))
                + " |"
            )


def measured(rows: Sequence[Row], problems: Sequence[str], rule: Rule, wanted: float) -> list[str]:
    """Recall, false alarms, and lead in steps and as a share, out of fold."""
    order = np.random.default_rng(0).permutation(len(problems)).tolist()
    fold = {problems[k]: n % FOLDS for n, k in enumerate(order)}
    hits: list[tuple[str, float]] = []
    false: list[tuple[str, float]] = []
    leads: list[tuple[str, float, float]] = []
    for k in range(FOLDS):
        threshold = chosen([row for row in rows if fold[row["problem"]] != k], rule, wanted)
        for row in (row for row in rows if fold[row["problem"]] == k):
            above = np.flatnonzero(rule(row)[:-1] >= threshold)  # after the last step it is late
            (false if row["good"] else hits).append((row["problem"], float(len(above) > 0)))
            if len(above) and not row["good"]:
                steps = len(row["values"]) - 1
                left = steps - 1 - int(above[0])
                leads.append((row["problem"], left, left / steps))
    return [
        *(_interval([v for _, v in part], [p for p, _ in part], 100) for part in (hits, false)),
        _interval([steps for _, steps, _ in leads], [p for p, _, _ in leads], 1),
        _interval([share for _, _, share in leads], [p for p, _, _ in leads], 1),
    ]


def chosen(rows: Sequence[Row], rule: Rule, wanted: float) -> float:
    """The highest threshold that the wanted share of failures reaches before their last step."""
    highest = sorted(float(rule(row)[:-1].max()) for row in rows if not row["good"])
    return highest[int((1 - wanted) * len(highest))]


def _interval(values: Sequence[float], groups: Sequence[str], unit: float) -> str:
    if not values:
        return "-"
    found = stats.bootstrap(values, groups)
    digits = 1 if unit == 100 or found.value >= 1 else 2
    low, high = unit * found.low, unit * found.high
    return f"{unit * found.value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(required=True)
    made = parts.add_parser("sandbox", help="score fresh runs of the sandbox")
    made.add_argument("--model", default="shipped", help="a folder, or 'shipped'")
    made.add_argument("--n", type=int, default=24, help="tasks of each family and topology")
    made.add_argument("--out", type=Path, required=True)
    made.set_defaults(do=sandbox)
    told = parts.add_parser("report", help="print the table")
    told.add_argument("file", type=Path)
    told.set_defaults(do=report)
    options = parser.parse_args()
    options.do(options)


if __name__ == "__main__":
    main()
