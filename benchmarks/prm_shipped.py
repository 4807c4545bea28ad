"""The shipped process reward model on runs that it was not fitted on: sandbox, and strangers.

    OMP_NUM_THREADS=1 python benchmarks/prm_shipped.py --data $TRACEKIT_DATA

Sandbox runs are of tasks whose questions were not trained on, by family: AUROC of final success on the way, calibration at the end,
and how many are called unlike the training runs though they are like them. Then how many runs of
other people's systems are. (Its figures on AG2 out of fold are those of `prm_ag2.py`.)
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from prm_seen import questions, unseen

from tracekit.ingest.pipeline import load
from tracekit.prm.model import Prm
from tracekit.replay.sandbox.families.table import FAMILIES
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES
from tracekit.stats import auroc, bootstrap, calibration, wilson
from tracekit.trace import Trace
from tracekit_models.prm.crossfit import at_share
from tracekit_models.prm.evaluation import SHARES, interval

STRANGERS = (
    "who-and-when",
    "trail",
    "agenterrorbench-gaia",
    "agentrx",
    "mast-masft",
    "tracertraj-code-test",
)
"""Folders of labelled runs of other systems."""


def main() -> None:
    """Print two tables, in Markdown."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--tasks", type=int, default=8, help="new tasks a family and topology")
    parser.add_argument("--runs", type=int, default=3, help="runs of each task")
    given = parser.parse_args()
    prm, seen = Prm(), questions("shipped")
    head = " | ".join(f"{share:.0%}" for share in SHARES)
    print(
        f"| family | runs | succeeded | AUROC after {head} | calibration error | Brier | called unlike |"
    )
    print("|---|---:|---:|" + "---:|" * (len(SHARES) + 3))
    runs = {name: list(fresh(name, given.tasks, given.runs, seen)) for name in FAMILIES}
    for family, part in runs.items():
        print(row(prm, family, part))
    print(row(prm, "all", [run for part in runs.values() for run in part]))
    print("\n| runs of others | runs | called unlike |\n|---|---:|---:|")
    for name in STRANGERS:
        traces = [
            t for t in load(given.data / "labeled" / name) if isinstance(t, Trace) and t.steps
        ]
        print(f"| {name} | {len(traces)} | {unlike(prm, traces)} |")


def fresh(family: str, tasks: int, runs: int, seen: frozenset[str]) -> Iterator[Trace]:
    """Runs of tasks that ask what no training run was asked."""
    for topology in TOPOLOGIES:
        sandbox = Sandbox(family, topology)
        made = list(islice(sandbox.tasks(seed=7), tasks))
        kept = unseen(made, seen)
        if len(kept) < len(made):
            said = f"{family}, {topology}: {len(made) - len(kept)} of {len(made)} tasks left out"
            print(f"{said}: trained on", file=sys.stderr)
        for task in kept:
            for seed in range(runs):
                yield sandbox.run(task, seed=1000 * made.index(task) + seed)


def row(prm: Prm, family: str, runs: list[Trace]) -> str:
    """One line of the first table."""
    good = np.array([not run.failed for run in runs])
    values = [np.array([prm.begin(run).value, *prm.values(run)]) for run in runs]
    problems: dict[str, list[int]] = {}
    for n, run in enumerate(runs):
        problems.setdefault(run.task.id or "", []).append(n)
    groups = [np.array(each) for each in problems.values()]
    cells = []
    for share in SHARES:
        found = np.array([at_share(each, share) for each in values])
        said = interval(found, good, groups)
        cells.append(f"{auroc(found, good):.3f} ({said.low:.3f} to {said.high:.3f})")
    last = np.array([each[-1] for each in values])
    ends = calibration(last.tolist(), good.astype(float).tolist(), repeats=500)
    error = f"{ends.error:.3f}; perfect {ends.expected:.3f}"
    brier = bootstrap(((last - good) ** 2).tolist(), [run.task.id or "" for run in runs])
    return (
        f"| {family} | {len(runs)} | {good.mean():.1%} | {' | '.join(cells)} | {error} "
        f"| {brier.value:.3f} ({brier.low:.3f} to {brier.high:.3f}) | {unlike(prm, runs)} |"
    )


def unlike(prm: Prm, runs: list[Trace]) -> str:
    """Share of runs that the detector calls unlike the training runs."""
    found = wilson(sum(prm.drift(run).drifted for run in runs), len(runs))
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


if __name__ == "__main__":
    main()
