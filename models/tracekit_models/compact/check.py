"""Measures `compact` out of fold: the recipe of `train`, on runs that it has not seen.

    python -m tracekit_models.compact.check --data $TRACEKIT_DATA --seeds 5 --workers 2

Folds are grouped by question over all sets at once; calibration and conformal limits are fitted
within the training folds. `--leave-out` leaves one set out at a time instead (transfer). The
answer is never given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from tracekit.analyzers.compact.fit import Example, example
from tracekit.analyzers.compact.sets import members, tempered
from tracekit.analyzers.compact.weights import Model, ranking
from tracekit.folds import filled, joined
from tracekit_models.compact.data import AUXILIARY, MAIN, labelled, read
from tracekit_models.compact.trainer import fit_model

FOLDS = 10
TRANSFER = (MAIN, *AUXILIARY, "tracertraj-code-test")
PARTS = {"ag2": "algorithm-generated", "magentic-one": "hand-crafted"}


class Row(msgspec.Struct, frozen=True):
    """One run, predicted by a model that did not see it."""

    part: str
    """Set, or part of Who&When."""
    seed: int
    chances: list[float]
    """Calibrated, of the steps that can be blamed."""
    raw: list[float]
    """Before calibration."""
    right: int
    """Place of the labelled step among them."""
    first: int
    """Place of the step that is named."""
    agent: bool
    """Whether the agent is right."""
    agents: list[float]
    """Of the labelled agent: its probability; then those of the others."""
    inside: bool
    """Whether the set holds the step."""
    size: float
    """Share of the steps that the set holds."""
    agent_inside: bool
    agent_size: float


class Job(NamedTuple):
    """One model to fit and the runs to try it on."""

    seed: int
    train: list[Example]
    test: list[tuple[str, Example]]
    familiar: bool


def jobs(folder: Path, seeds: int) -> Iterable[Job]:
    """Cross-validation: every seed and fold."""
    rows = [(name, one) for name, found in sorted(read(folder).items()) for one in found]
    for seed in range(seeds):
        fold = deal([one for _, one in rows], seed)
        for k in range(FOLDS):
            train = [one for (_, one), f in zip(rows, fold, strict=True) if f != k]
            test = [row for row, f in zip(rows, fold, strict=True) if f == k]
            yield Job(seed, train, test, familiar=True)


def transfers(folder: Path) -> Iterable[Job]:
    """Leaving one set out; runs that share a question with it are left out, too."""
    for name in TRANSFER:
        found = [one for t in labelled(folder, name) if (one := example(t)) is not None]
        asked = {one.group for one in found} | {one.print for one in found}
        known = [one for rows in read(folder, without=name).values() for one in rows]
        train = [one for one in known if not {one.group, one.print} & asked]
        train = [one._replace(weight=1.0) for one in train]
        yield Job(0, train, [(name, one) for one in found], familiar=False)


def predicted(job: Job) -> list[Row]:
    """What a model fitted on the one side says of the other."""
    model = fit_model(job.train, job.seed)
    return [_row(model, name, one, job) for name, one in job.test]


def _row(model: Model, name: str, one: Example, job: Job) -> Row:
    known = model.weights.calibration
    kept = np.flatnonzero(one.tables.blamable)
    owners = [str(agent) for agent in one.tables.graph.agent]
    raw = model.raw(one.tables)
    chances = tempered(raw, known.temperature)
    shares = model.agents(one.tables, owners)
    order = ranking(chances, owners, shares)
    names, values = list(shares), np.array(list(shares.values()))
    steps = members(chances, known.steps if job.familiar else known.unseen_steps)
    agents = members(values, known.agents if job.familiar else known.unseen_agents)
    who = names.index(owners[one.step])
    return Row(
        part=PARTS.get(one.system, name) if name == MAIN else name,
        seed=job.seed,
        chances=chances[kept].tolist(),
        raw=raw[kept].tolist(),
        right=int(np.flatnonzero(kept == one.step)[0]),
        first=int(np.flatnonzero(kept == order[0])[0]),
        agent=owners[order[0]] == owners[one.step],
        agents=[float(values[who]), *np.delete(values, who).tolist()],
        inside=one.step in steps,
        size=len(steps) / len(kept),
        agent_inside=who in agents,
        agent_size=len(agents) / len(names),
    )


def deal(rows: Sequence[Example], seed: int) -> list[int]:
    """Fold of each run, runs of one question or one history together."""
    together = joined([(("question", one.group), ("history", one.print)) for one in rows])
    together.sort(key=lambda members: rows[members[0]].group)
    folds: list[int] = filled(together, FOLDS, seed).tolist()
    return folds


def main(arguments: Sequence[str] | None = None) -> None:
    """Predict every run out of fold and write the rows as JSON lines."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--out", type=Path, required=True, help="file of rows")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--leave-out", action="store_true", help="transfer between sets")
    given = parser.parse_args(arguments)
    folder = given.data / "labeled"
    work = list(transfers(folder) if given.leave_out else jobs(folder, given.seeds))
    with ProcessPoolExecutor(given.workers) as pool:
        found = [row for rows in pool.map(predicted, work) for row in rows]
    given.out.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in found))
    sys.stderr.write(f"{len(found)} predictions of {len(work)} models: {given.out}\n")


if __name__ == "__main__":
    main()
