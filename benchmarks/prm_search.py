"""What a value function is worth to a search in the sandbox, at equal numbers of agents' actions.

    python benchmarks/prm_search.py data --out out/data
    python benchmarks/prm_search.py train --data out/data --out out/prm-all
    python benchmarks/prm_search.py train --data out/data --without tables,hierarchy --out out/prm-part
    python benchmarks/prm_search.py run --model out/prm-all --out out/all.jsonl
    python benchmarks/prm_search.py report out/all.jsonl

Tasks, teams and their skills stand in prm_tasks.json, which was committed before anything was
trained. `data` makes single runs and trees of replays of tasks with other numbers than those of
`run`; `train` fits a `prm` on them, without a family and a topology where that is asked for, and
writes down their questions. `run` solves every test task whose question is none of those by every
method; within a level all methods get the actions that the beam of that level spent on the task, so
that none is given more. `report` prints the tables of docs/benchmarks.md: exact match in per cent,
and points over a single pass, with 95 % intervals by bootstrap over tasks.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from prm_seen import note, questions, unseen

from tracekit import registry, stats
from tracekit.analyzers.models import load_values
from tracekit.prm.answers import canonical
from tracekit.prm.mcts import grow, paths
from tracekit.prm.meter import Budget
from tracekit.prm.model import Prm
from tracekit.prm.search import Found, search
from tracekit.prm.targets import Target, of_outcomes, read_targets, write_targets
from tracekit.prm.tree import Settings
from tracekit.protocols import ValueFunction
from tracekit.replay.sandbox.system import Sandbox
from tracekit.store import read_traces, write_traces
from tracekit.trace import Task, Trace

TASKS = json.loads(Path(__file__).with_name("prm_tasks.json").read_text())
LEVELS = {"small": {"beams": 1, "tries": 3}, "paper": {"beams": 3, "tries": 5}}
"""Beams whose cost is what every method gets; the second is MASPRM's."""
METHODS = ("beam", "mcts", "best-of-n", "weighted majority", "majority")
TREES = Settings(rollouts=24)
PATHS = 12
"""Runs of a tree that are trained on, spread over it."""
QUARTERS = (0.25, 0.5, 0.75, 1.0)


def cells(without: Sequence[str] = ()) -> Iterator[tuple[str, str, Sandbox]]:
    """Family, topology and the sandbox of every cell, but for those of names left out."""
    for family, row in TASKS["skill"].items():
        for topology, skill in row.items():
            if family not in without and topology not in without:
                difficulty = TASKS["difficulty"]
                yield (
                    family,
                    topology,
                    Sandbox(family, topology, difficulty=difficulty, skill=skill),
                )


def data(options: argparse.Namespace) -> None:
    """Runs and targets to train on: single runs with their outcomes, and trees of replays."""
    options.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.workers) as pool:
        jobs = [(family, topology, options.n, options.trees) for family, topology, _ in cells()]
        made = list(pool.map(cell_data, jobs))
    write_traces((trace for traces, _ in made for trace in traces), options.out / "traces.jsonl")
    rows = [row for _, rows in made for row in rows]
    write_targets(rows, options.out / "targets.jsonl")
    print(f"{sum(len(traces) for traces, _ in made)} runs, {len(rows)} targets")


def cell_data(job: tuple[str, str, int, int]) -> tuple[list[Trace], list[Target]]:
    """`n` single runs and the open ones of `trees` trees of one family and topology."""
    family, topology, n, trees = job
    skill, difficulty = TASKS["skill"][family][topology], TASKS["difficulty"]
    sandbox = Sandbox(family, topology, difficulty=difficulty, skill=skill)
    asked = sandbox.tasks(TASKS["train_seed"])
    traces = [sandbox.run(task, 100_000 + k) for k, task in enumerate(islice(asked, n))]
    rows = of_outcomes(traces)
    for k, task in enumerate(islice(asked, trees)):
        tree = grow(sandbox, task, TREES, 200_000 + k)
        if tree.open:
            found = list(paths(tree.root))
            for each in found[:: max(1, len(found) // PATHS)][:PATHS]:
                traces.append(each.trace)
                rows += each.targets("mcts", 200_000 + k)
    return traces, rows


def fit(options: argparse.Namespace) -> None:
    """Train and save."""
    from tracekit_models.prm.train import fit as fitted

    kept = {f"{family}-{topology}" for family, topology, _ in cells(options.without)}
    traces = [
        trace
        for trace in read_traces(options.data / "traces.jsonl")
        if "-".join(trace.id.split("-")[:2]) in kept
    ]
    ids = {trace.id for trace in traces}
    rows = [row for row in read_targets(options.data / "targets.jsonl") if row.trace in ids]
    say = lambda said: print(said, file=sys.stderr, flush=True)  # noqa: E731
    model = fitted(traces, targets=rows, seed=options.seed, progress=say)
    options.out.mkdir(parents=True, exist_ok=True)
    model.save(options.out)
    note(traces, options.out)
    print(f"{len(traces)} runs, {len(rows)} targets")


def solve(options: argparse.Namespace) -> None:
    """Every test task by every method, one line a task; tasks that have a line are left alone."""
    done = set()
    if options.out.exists():
        done = {tuple(json.loads(line)["key"]) for line in options.out.read_text().splitlines()}
    jobs = [
        (family, topology, number)
        for number in range(options.n)
        for family, topology, _ in cells()
        if not options.only or {family, topology} & set(options.only)
    ]
    seen = questions(options.model)
    new = [job for job in jobs if unseen([asked(job)[1]], seen)]
    print(f"{len(jobs) - len(new)} of {len(jobs)} cases left out: trained on", file=sys.stderr)
    left = [job for job in new if job not in done]
    with (
        ProcessPoolExecutor(options.workers, initializer=ready, initargs=(options.model,)) as pool,
        options.out.open("a") as out,
    ):
        for job, row in zip(left, pool.map(solved, left), strict=True):
            out.write(json.dumps({"key": job, **row}) + "\n")
            out.flush()


VALUES: list[ValueFunction] = []
"""The value function of a worker."""


def ready(model: str) -> None:
    """Load the weights once a process."""
    VALUES.append(values_of(model))


def asked(job: tuple[str, str, int]) -> tuple[Sandbox, Task]:
    """The team and the test task of a case."""
    family, topology, number = job
    skill, difficulty = TASKS["skill"][family][topology], TASKS["difficulty"]
    sandbox = Sandbox(family, topology, difficulty=difficulty, skill=skill)
    return sandbox, next(islice(sandbox.tasks(TASKS["test_seed"]), number, None))


def solved(job: tuple[str, str, int]) -> dict[str, Any]:
    """One task of one cell."""
    sandbox, task = asked(job)
    return {"task": task.id, **one(sandbox, task, VALUES[0], job[2])}


def values_of(model: str) -> ValueFunction:
    """A folder of weights, or those that ship."""
    if model == "shipped":
        found: ValueFunction = registry.get("values", "prm")
        return found
    folder = Path(model)
    if (folder / "config.json").exists():
        return load_values(folder)
    return Prm.load(folder)


def one(sandbox: Sandbox, task: Task, values: ValueFunction, number: int) -> dict[str, Any]:
    """What became of a task: for each level and method whether it was solved, and its cost."""
    seed = 7_000_000 + 1000 * number
    single = search(sandbox, task, "single", seed=seed)
    curve = values.values(single.trace)
    row: dict[str, Any] = {
        "single": _told(single),
        "values": [curve[max(0, round(len(curve) * share) - 1)] for share in QUARTERS],
    }
    for level, shape in LEVELS.items():
        beam = search(sandbox, task, "beam", values=values, seed=seed, **shape)
        budget = Budget(calls=beam.meter.calls)
        given: dict[str, Any] = {"budget": budget, "seed": seed}
        votes = search(sandbox, task, "majority", runs=1000, **given)
        found = {
            "beam": beam,
            "mcts": search(sandbox, task, "mcts", values=values, **given),
            "best-of-n": search(sandbox, task, "best-of-n", values=values, runs=1000, **given),
            "weighted majority": search(
                sandbox, task, "majority", values=values, runs=1000, **given
            ),
            "majority": votes,
        }
        row[level] = {name: _told(each) for name, each in found.items()}
        right = canonical(task.expected or "")
        row[level]["oracle"] = [int(any(c.answer == right for c in votes.candidates)), 0, 0]
    return row


def _told(found: Found) -> list[int]:
    right = found.trace.outcome.status == "success"
    return [int(right), found.meter.calls, found.meter.tokens]


def report(options: argparse.Namespace) -> None:
    """The tables."""
    rows = [json.loads(line) for line in options.file.read_text().splitlines()]
    parts = {"all": rows}
    for place in (0, 1):
        for name in dict.fromkeys(row["key"][place] for row in rows):
            parts[name] = [row for row in rows if row["key"][place] == name]
    if options.only:
        parts = {name: parts[name] for name in options.only}
    for level in LEVELS:
        spent = stats.mean([row[level]["beam"][1] for row in rows]).value
        alone = stats.mean([row["single"][1] for row in rows]).value
        print(f"\n{level}: {spent:.0f} actions a task; a single pass takes {alone:.1f}\n")
        print("| tasks | n | single | " + " | ".join((*METHODS, "any right")) + " |")
        print("| --- " * (len(METHODS) + 4) + "|")
        for name, part in parts.items():
            cells_ = [_share(part, lambda row: row["single"][0])]
            cells_ += [_cell(part, level, method) for method in METHODS]
            cells_ += [_share(part, lambda row, level=level: row[level]["oracle"][0])]
            print(f"| {name} | {len(part)} | " + " | ".join(cells_) + " |")
        _compared(rows, level)
    print("\n| tasks | " + " | ".join(f"AUROC at {share:.0%}" for share in QUARTERS) + " |")
    print("| --- " * (len(QUARTERS) + 1) + "|")
    for name, part in parts.items():
        ends = [row["single"][0] for row in part]
        areas = [area([row["values"][q] for row in part], ends) for q in range(len(QUARTERS))]
        print(f"| {name} | " + " | ".join(f"{each:.3f}" for each in areas) + " |")


def _cell(part: Sequence[Any], level: str, method: str) -> str:
    gain = [row[level][method][0] - row["single"][0] for row in part]
    found = stats.bootstrap(gain, [row["task"] for row in part])
    share = 100 * sum(row[level][method][0] for row in part) / len(part)
    return (
        f"{share:.1f} ({100 * found.value:+.1f}: {100 * found.low:+.1f} to {100 * found.high:+.1f})"
    )


def _share(part: Sequence[Any], right: Any) -> str:
    found = stats.bootstrap([right(row) for row in part], [row["task"] for row in part])
    return f"{100 * found.value:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _compared(rows: Sequence[Any], level: str) -> None:
    """Every method with values against the plain vote, pair by pair."""
    print()
    for method in METHODS[:-1]:
        gain = [row[level][method][0] - row[level]["majority"][0] for row in rows]
        found = stats.bootstrap(gain, [row["task"] for row in rows])
        low, high = 100 * found.low, 100 * found.high
        print(
            f"{method} over majority: {100 * found.value:+.1f} points ({low:+.1f} to {high:+.1f})"
        )


def area(scores: Sequence[float], ends: Sequence[int]) -> float:
    """Area under the ROC curve: the chance that a success scores above a failure.

    >>> area([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    good = [score for score, end in zip(scores, ends, strict=True) if end]
    bad = [score for score, end in zip(scores, ends, strict=True) if not end]
    wins = sum((g > b) + 0.5 * (g == b) for g in good for b in bad)
    return wins / (len(good) * len(bad)) if good and bad else float("nan")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(required=True)
    made = parts.add_parser("data", help="make runs to train on")
    made.add_argument("--n", type=int, default=30, help="runs of each family and topology")
    made.add_argument("--trees", type=int, default=8, help="trees of each")
    made.add_argument("--workers", type=int, default=2, help="processes")
    made.add_argument("--out", type=Path, required=True, help="folder of runs and targets")
    made.set_defaults(do=data)
    train = parts.add_parser("train", help="fit a prm")
    train.add_argument("--data", type=Path, required=True, help="folder that `data` wrote")
    train.add_argument("--without", type=lambda text: text.split(","), default=[], metavar="A,B")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--out", type=Path, required=True, help="folder of the weights")
    train.set_defaults(do=fit)
    run = parts.add_parser("run", help="solve the test tasks")
    run.add_argument("--model", default="shipped", help="a folder, or 'shipped'")
    run.add_argument("--n", type=int, default=8, help="tasks of each family and topology")
    run.add_argument("--only", type=lambda text: text.split(","), metavar="A,B")
    run.add_argument("--workers", type=int, default=2, help="processes")
    run.add_argument("--out", type=Path, required=True, help="JSONL; taken up where it ends")
    run.set_defaults(do=solve)
    told = parts.add_parser("report", help="print the tables")
    told.add_argument("file", type=Path)
    told.add_argument("--only", type=lambda text: text.split(","), metavar="A,B")
    told.set_defaults(do=report)
    options = parser.parse_args()
    options.do(options)


if __name__ == "__main__":
    main()
