"""The figures of models/cards/compact.md, from predictions out of fold.

    python -m tracekit_models.compact.check --data $TRACEKIT_DATA --out rows.jsonl
    python benchmarks/compact_card.py rows.jsonl --data $TRACEKIT_DATA --plot abstention.svg

With `check --leave-out` the rows are those of the transfer, and `--leave-out` is given here, too. A
share has Wilson's interval for as many runs as there are, whatever the number of seeds; a mean or a
difference has a bootstrap over questions, of the mean over seeds of each run.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from tracekit import stats
from tracekit.analyzers.compact.weights import levelled
from tracekit.folds import fingerprint
from tracekit_models.compact.check import Row, jobs, transfers
from tracekit_models.compact.data import labelled

LEAST = 1e-9
"""Probability below which a loss is not counted any higher."""
SHARES = (1.0, 0.75, 0.5, 0.25)
"""Parts of the runs that are answered, the surest first."""
COLOURS = {"algorithm-generated": "#1b6ca8", "hand-crafted": "#b8500f", "all sets": "#555555"}


class Case(NamedTuple):
    """A prediction and the run that it is of."""

    row: Row
    run: str
    question: str
    steps: list[int]
    """Numbers of the steps that can be blamed."""


def cases(path: Path, folder: Path, leave_out: bool) -> list[Case]:
    """The rows with the runs that they are of: jobs are dealt out the same way every time."""
    rows = [msgspec.json.decode(line, type=Row) for line in path.read_bytes().splitlines()]
    seeds = 1 + max(row.seed for row in rows)
    work = transfers(folder) if leave_out else jobs(folder, seeds)
    runs = [one for job in work for _, one in job.test]
    for row, one in zip(rows, runs, strict=True):
        if len(row.chances) != int(one.tables.blamable.sum()):
            raise SystemExit(f"{path}: not made from this data")
    return [
        Case(row, one.print, one.group, np.flatnonzero(one.tables.blamable).tolist())
        for row, one in zip(rows, runs, strict=True)
    ]


def ranked(row: Row) -> list[int]:
    """Steps as the verdict ranks them: the one that is named, then by probability."""
    by_chance = np.argsort(-np.array(row.chances), kind="stable").tolist()
    return [row.first, *(i for i in by_chance if i != row.first)]


def stated(row: Row) -> list[float]:
    """The probabilities that the verdict states, which fall along its ranking."""
    return [float(p) for p in levelled(np.array(row.chances), ranked(row))]


def sure(row: Row) -> float:
    """What the verdict states of its first suspect."""
    return stated(row)[row.first]


def top3(row: Row) -> bool:
    """Whether the labelled step is among the first three suspects."""
    return row.right in ranked(row)[:3]


def loss(chances: list[float], right: int) -> float:
    """Log loss, nats."""
    return -float(np.log(max(chances[right], LEAST)))


def brier(chances: list[float], right: int) -> float:
    """Squared distance to the truth, over all steps, 0 to 2."""
    wanted = np.zeros(len(chances))
    wanted[right] = 1.0
    return float(((np.array(chances) - wanted) ** 2).sum())


def share(found: list[Case], value: Callable[[Row], float]) -> str:
    """Percentage with Wilson's interval for the number of runs."""
    n = len({case.run for case in found})
    right = float(np.mean([value(case.row) for case in found]))
    e = stats.wilson(min(n, max(0.0, right * n)), n)
    return f"{100 * e.value:.1f} ({100 * e.low:.0f}-{100 * e.high:.0f})"


def mean(found: list[Case], value: Callable[[Row], float], sign: str = "") -> str:
    """Mean over seeds and runs with a bootstrap over questions."""
    by_run: dict[str, list[float]] = defaultdict(list)
    question = {case.run: case.question for case in found}
    for case in found:
        by_run[case.run].append(value(case.row))
    values = [float(np.mean(each)) for each in by_run.values()]
    e = stats.bootstrap(values, [question[run] for run in by_run])
    return f"{e.value:{sign}.3f} ({e.low:{sign}.3f} to {e.high:{sign}.3f})"


def spread(found: list[Case], value: Callable[[Row], float]) -> str:
    """Standard deviation over the seeds, points."""
    by_seed: dict[int, list[float]] = defaultdict(list)
    for case in found:
        by_seed[case.row.seed].append(value(case.row))
    means = [100 * np.mean(each) for each in by_seed.values()]
    return f"{np.std(means, ddof=1):.1f}" if len(means) > 1 else "-"


def step(row: Row) -> bool:
    """Whether the step that is named is the labelled one."""
    return row.first == row.right


def table(
    title: str, head: str, parts: dict[str, list[Case]], *columns: Callable[..., str]
) -> None:
    """Print one table, a row for each set."""
    print(f"\n{title}\n\n| set | runs | {head} |\n|---|---:|{'---:|' * len(columns)}")
    for name, found in parts.items():
        cells = [column(found) for column in columns]
        print(f"| {name} | {len({case.run for case in found})} | {' | '.join(cells)} |", flush=True)


def gap(found: list[Case], said: Callable[[Row], float], right: Callable[[Row], float]) -> str:
    """Calibration error, mean over seeds, beside that of a perfectly calibrated model."""
    by_seed: dict[int, list[Row]] = defaultdict(list)
    for case in found:
        by_seed[case.row.seed].append(case.row)
    seen = [
        stats.calibration([said(r) for r in rows], [float(right(r)) for r in rows])
        for rows in by_seed.values()
    ]
    error, expected, high = (
        float(np.mean([getattr(each, name) for each in seen]))
        for name in ("error", "expected", "high")
    )
    return f"{error:.3f}; perfect {expected:.3f}, below {high:.3f} in 95 %"


def curve(found: list[Case]) -> list[tuple[float, float]]:
    """Share of runs answered and share of those that are right, the surest first."""
    rows = sorted((case.row for case in found), key=lambda row: -sure(row))
    right = np.cumsum([step(row) for row in rows])
    seeds = len({row.seed for row in rows})
    least = max(seeds * 5, len(rows) // 20)  # a share of fewer than five runs says nothing
    return [(n / len(rows), float(right[n - 1] / n)) for n in range(least, len(rows) + 1)]


def abstaining(found: list[Case]) -> Iterable[str]:
    """Accuracy of the surest runs, with the probability that they have at least."""
    surest = sorted(found, key=lambda case: -sure(case.row))
    runs = len({case.run for case in found})
    for part in SHARES:
        some = surest[: round(part * len(surest))]
        n = round(part * runs)
        e = stats.wilson(n * float(np.mean([step(case.row) for case in some])), n)
        least = sure(some[-1].row)
        yield f"{100 * e.value:.0f} ({100 * e.low:.0f}-{100 * e.high:.0f}); {least:.2f}"


def located(found: list[Case], folder: Path) -> None:
    """Print how well steps are found where a run has several labelled ones."""
    labels = {fingerprint(t): {label.step for label in t.labels} for t in labelled(folder, "trail")}
    print(
        "\nTRAIL, against every annotated step\n\n| named | precision % | recall % |\n|---|---:|---:|"
    )
    for name, count in {"first suspect": 1, "first three": 3, "set of 90 %": 0}.items():
        hits = told = wanted = 0
        for case in found:
            size = count or round(case.row.size * len(case.steps))
            named = {case.steps[k] for k in ranked(case.row)[:size]}
            hits += len(named & labels[case.run])
            told += len(named)
            wanted += len(labels[case.run] & set(case.steps))
        print(f"| {name} | {100 * hits / told:.1f} | {100 * hits / wanted:.1f} |")


def svg(lines: dict[str, list[tuple[float, float]]]) -> str:
    """A plot of accuracy over the share that is answered."""
    x0, y0, width, height = 52, 20, 420, 260
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 620 330" font-family="sans-serif">',
        "<title>compact: right first suspects against share of runs answered</title>",
        '<rect width="620" height="330" fill="#fff"/><g font-size="12">',
    ]
    for percent in range(0, 101, 20):
        x, y = x0 + width * percent / 100, y0 + height * (1 - percent / 100)
        out.append(f'<path d="M{x0} {y:.0f}h{width}" stroke="#ddd"/>')
        out.append(f'<text x="{x0 - 6}" y="{y + 4:.0f}" text-anchor="end">{percent}</text>')
        out.append(
            f'<text x="{x:.0f}" y="{y0 + height + 18}" text-anchor="middle">{percent}</text>'
        )
    out.append(f'<text x="{x0 + width / 2}" y="320" text-anchor="middle">runs answered, %</text>')
    out.append(
        '<text transform="translate(16 150) rotate(-90)" text-anchor="middle">right step, %</text>'
    )
    for name, points in lines.items():
        some = points[:: max(1, len(points) // 80)] + points[-1:]
        path = " ".join(f"{x0 + width * x:.1f},{y0 + height * (1 - y):.1f}" for x, y in some)
        colour, end = COLOURS[name], y0 + height * (1 - points[-1][1])
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{x0 + width + 8}" y="{end + 4:.0f}" fill="{colour}">{name}</text>')
    return "\n".join([*out, "</g></svg>\n"])


def main() -> int:
    """Print the tables and write the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path, help="what check wrote")
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--leave-out", action="store_true", help="rows of check --leave-out")
    parser.add_argument("--plot", type=Path, help="write accuracy over coverage here, as SVG")
    given = parser.parse_args()
    found = cases(given.rows, given.data / "labeled", given.leave_out)
    parts: dict[str, list[Case]] = defaultdict(list)
    for case in found:
        parts[case.row.part].append(case)
    parts = {**parts, "all sets": found}
    report(parts)
    located(parts["trail"], given.data / "labeled")
    if given.plot is not None:
        given.plot.write_text(svg({name: curve(parts[name]) for name in COLOURS}), encoding="utf-8")
    return 0


def report(parts: dict[str, list[Case]]) -> None:
    """All tables."""
    table(
        "Accuracy", "step % | sd | top 3 % | agent % | sd | chance, step %", parts,
        lambda f: share(f, step), lambda f: spread(f, step), lambda f: share(f, top3),
        lambda f: share(f, lambda r: r.agent), lambda f: spread(f, lambda r: r.agent),
        lambda f: f"{100 * np.mean([1 / len(case.row.chances) for case in f]):.1f}",
    )  # fmt: skip
    table(
        "Calibration", "log loss | more than before | as stated | Brier | more than before", parts,
        lambda f: mean(f, lambda r: loss(r.chances, r.right)),
        lambda f: mean(f, lambda r: loss(r.chances, r.right) - loss(r.raw, r.right), "+"),
        lambda f: mean(f, lambda r: loss(stated(r), r.right)),
        lambda f: mean(f, lambda r: brier(r.chances, r.right)),
        lambda f: mean(f, lambda r: brier(r.chances, r.right) - brier(r.raw, r.right), "+"),
    )  # fmt: skip
    table(
        "Calibration error, ten bins", "first suspect | agent | stated, %", parts,
        lambda f: gap(f, sure, step),
        lambda f: gap(f, lambda r: min(1.0, max(r.agents)), lambda r: r.agent),
        lambda f: f"{100 * np.mean([sure(case.row) for case in f]):.1f}",
    )  # fmt: skip
    table(
        "Sets of 90 %", "steps: covered % | size % | agents: covered % | size %", parts,
        lambda f: share(f, lambda r: r.inside),
        lambda f: f"{100 * np.mean([case.row.size for case in f]):.1f}",
        lambda f: share(f, lambda r: r.agent_inside),
        lambda f: f"{100 * np.mean([case.row.agent_size for case in f]):.1f}",
    )  # fmt: skip
    print("\nAbstention: right steps % of the surest, and the least probability\n")
    print(f"| set | {' | '.join(f'{100 * part:.0f} %' for part in SHARES)} |")
    print(f"|---|{'---:|' * len(SHARES)}")
    for name, found in parts.items():
        print(f"| {name} | {' | '.join(abstaining(found))} |")


if __name__ == "__main__":
    sys.exit(main())
