"""Fits the model `prm` that ships.

    OMP_NUM_THREADS=1 python -m tracekit_models.prm.ship --data $TRACEKIT_DATA

Half of its runs are real ones of AG2 on GSM-Plus problems, half are made by the sandbox.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tracekit.ingest.pipeline import load
from tracekit.prm import model as prm
from tracekit.prm.model import FILE, save
from tracekit.replay.sandbox.families.table import FAMILIES
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES
from tracekit.trace import Task, Trace
from tracekit_models.prm.data import examples
from tracekit_models.prm.train import Recipe, fit_model

SHIPPED = Path(prm.__file__).parent / "weights"
"""The weights in the source tree."""
AG2 = "corpora/ag2-gsmplus/runs.tar.xz"
"""Where the real runs lie."""
ORDER = ("arithmetic", "retrieval", "programs", "tables", "scheduling",
         "chain", "debate", "star", "hierarchy", "blackboard")  # fmt: skip
"""Families and topologies in the order of their runs, which the skills drawn depend on."""

RECIPE = Recipe(bag=2, folds=8)


def sandbox_runs(each: int = 60) -> Iterator[tuple[Trace, str]]:
    """Runs of all sandbox teams, of several difficulties and skills, and the system of each."""
    for team, task, seed in teams(each):
        yield team.run(task, seed=seed), f"tracekit-sandbox/{team.settings.topology}"


def teams(each: int = 60) -> Iterator[tuple[Sandbox, Task, int]]:
    """The team, the task and the seed of every one of those runs."""
    rng = random.Random(0)  # noqa: S311 - no secrets here
    for kind in sorted(FAMILIES, key=ORDER.index):
        for wiring in sorted(TOPOLOGIES, key=ORDER.index):
            for difficulty in (1, 2, 3):
                for n in range(each):
                    skill = rng.choice([0.75, 0.8, 0.85, 0.9, 0.95])
                    team = Sandbox(kind, wiring, difficulty=difficulty, skill=skill)
                    yield team, next(team.tasks(seed=100 + n // 4)), n


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit what ships: on AG2 runs of GSM-Plus problems and on runs of the sandbox."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of the weights")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    real = [run for run in load(given.data / AG2) if isinstance(run, Trace)]
    found = [one._replace(system="ag2") for one in examples(real)]
    for run, system in sandbox_runs():
        found += [one._replace(system=system) for one in examples([run])]
    model = fit_model(found, RECIPE, given.seed, lambda said: _tell(f"{said}\n"))
    save(model, given.out / FILE)
    told = model.settings
    curves = f"slope {told.slope}, shift {told.shift}, of final steps {told.final}"
    _tell(f"fitted on {len(found)} runs, {model.id}; {curves}\n")


def _tell(text: str) -> None:
    sys.stderr.write(text)


if __name__ == "__main__":
    main()
