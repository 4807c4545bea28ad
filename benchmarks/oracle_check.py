"""Whether the labelled steps of injected failures decided them, asked once more and slowly.

    python benchmarks/oracle_check.py datasets/injected [--sample 400] [--n 60] [--unexplained 100]

Shares no code with `tracekit.inject` and takes no short cut: whole traces are replayed (`resume`,
`check`) under n seeds that no label has seen, the same for both sides (common random numbers). On
one side the step is corrected, on the other it stays as recorded; the interval is the adjusted
Wald interval of a difference of paired shares (Agresti and Min, Statistics in Medicine 24, 2005).
Of a random sample of verified failures it says in which share the labelled step passes, and in
which an earlier step passes, too; of failures without a decisive step, in which share some single
step passes after all, at a level that allows for the number of steps tried (Bonferroni). Shares
come with Wilson intervals. Ends with exit code 1 when fewer than 95 % pass.
"""

import argparse
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pyarrow.parquet as pq

from tracekit.protocols import Corrector, Replayable
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.systems import load_system
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.store import decode_trace
from tracekit.trace import Trace

COLUMNS = ["id", "kind", "verified", "system", "family", "topology", "modes", "decisive_step"]
LEAST = 0.95


def paired(gained: int, lost: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of a difference of paired shares: half a case is added to each cell.

    >>> low, high = paired(30, 2, 60)
    >>> round(low, 2), round(high, 2)
    (0.31, 0.59)
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = (gained - lost) / (n + 2)
    spread = math.sqrt(gained + lost + 1 - (gained - lost) ** 2 / (n + 2)) / (n + 2)
    return middle - z * spread, middle + z * spread


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    z, p = 1.959964, hits / n
    middle, width = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - width) / (1 + z * z / n), (middle + width) / (1 + z * z / n)


def turn(trace: Trace, step: int, points: dict[int, Checkpoint]) -> tuple[Action, ...]:
    """What was done in the turn of a step: several actions where it was done again."""
    state = points[step].state
    steps = [each for each in range(step) if each in points and points[each].state == state]
    steps.append(step)
    for later in range(step + 1, len(trace.steps)):
        if later in points and points[later].state != points[step].state:
            break
        steps.append(later)
    return tuple(Action.of(trace.steps[each]) for each in steps)


def raised(
    system: Any,
    trace: Trace,
    points: dict[int, Checkpoint],
    step: int,
    seeds: list[int],
    level: float,
) -> tuple[float, float]:
    """The interval of what correcting a step adds to the share of successes."""
    kept = Intervention(step=step, actions=turn(trace, step, points), by="recording")
    gained = lost = 0
    for seed in seeds:
        ends = [
            system.check(system.resume(points[step], change, seed)).status == "success"
            for change in (system.correct(points[step]), kept)
        ]
        gained += ends[0] and not ends[1]
        lost += ends[1] and not ends[0]
    return paired(gained, lost, len(seeds), level)


def wrong_before(system: Any, trace: Trace, points: dict[int, Checkpoint], end: int) -> list[int]:
    """Steps of the turns before that of `end` at which something else would have been right."""
    last = points[end].state if end in points else None
    return [
        step
        for step, point in points.items()
        if step < end
        and point.state != last
        and not system.is_correct(point, Action.of(trace.steps[step]))
    ]


def checked(row: dict[str, Any], n: int, seed: int) -> dict[str, Any]:
    """What slow replays say of one row."""
    system: Replayable = Sandbox() if row["system"] == "sandbox" else load_system(row["system"])
    assert isinstance(system, Corrector)
    trace = decode_trace(row["trace"].encode())
    points = {point.step: point for point in system.checkpoints(trace)}
    rng = random.Random(f"oracle/{seed}/{trace.id}")
    seeds = [rng.randrange(2**40, 2**41) for _ in range(n)]  # labels use seeds below 2**33
    found = {name: row[name] for name in COLUMNS}
    if not row["verified"]:
        wrong = wrong_before(system, trace, points, len(trace.steps))
        level = 1 - 0.05 / max(1, len(wrong))
        lows = [raised(system, trace, points, step, seeds, level)[0] for step in wrong]
        return {**found, "explained": any(low > 0 for low in lows), "wrong": len(wrong)}
    step = row["decisive_step"]
    low, high = raised(system, trace, points, step, seeds, 0.95)
    earlier = []
    for other in wrong_before(system, trace, points, step):
        ends = raised(system, trace, points, other, seeds, 0.95)
        if ends[0] > 0:
            earlier.append([other, *ends])
    strong = any(sum(ends) >= (low + high) / 2 for _, *ends in earlier)
    return {**found, "low": low, "high": high, "passes": low > 0, "earlier": earlier,
            "strong": strong}  # fmt: skip


def rows(folder: Path, names: list[str]) -> Iterable[dict[str, Any]]:
    """The rows of all shards, some columns of them."""
    for path in sorted((folder / "data").glob("*.parquet")):
        yield from pq.read_table(path, columns=names).to_pylist()


def sampled(
    folder: Path, sizes: dict[bool, int], seed: int
) -> tuple[list[dict[str, Any]], Counter[bool]]:
    """Failures drawn at random, verified and not, and how many of each there are."""
    there: dict[bool, list[int]] = {True: [], False: []}
    for number, row in enumerate(rows(folder, ["kind", "verified"])):
        if row["kind"] == "failure":
            there[row["verified"]].append(number)
    rng = random.Random(f"sample/{seed}")
    wanted = {
        each
        for kind, numbers in there.items()
        for each in rng.sample(numbers, min(sizes[kind], len(numbers)))
    }
    whole = enumerate(rows(folder, [*COLUMNS, "trace"]))
    found = [row for number, row in whole if number in wanted]
    return found, Counter({kind: len(numbers) for kind, numbers in there.items()})


def share(hits: int, n: int) -> str:
    """A share with its interval, in per cent."""
    low, high = wilson(hits, n)
    return f"{hits} of {n}, {hits / max(1, n):.1%} ({low:.1%} to {high:.1%})"


def main() -> int:
    """Print the shares; 1 when too few labelled steps pass."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=400, help="verified failures")
    parser.add_argument("--unexplained", type=int, default=100, help="failures without a step")
    parser.add_argument("--n", type=int, default=60, help="replays of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cases", type=Path, help="write one JSON line for each failure")
    asked = parser.parse_args()
    began = time.perf_counter()
    some, there = sampled(asked.folder, {True: asked.sample, False: asked.unexplained}, asked.seed)
    with ProcessPoolExecutor(asked.processes) as pool:
        size = len(some)
        found = list(pool.map(checked, some, [asked.n] * size, [asked.seed] * size, chunksize=4))
    if asked.cases:
        asked.cases.write_text("".join(json.dumps(case) + "\n" for case in found))
    labelled = [case for case in found if case["verified"]]
    bare = [case for case in found if not case["verified"]]
    passed = sum(case["passes"] for case in labelled)
    total = sum(there.values())
    print(f"labelled step raises success: {share(passed, len(labelled))}")
    also = sum(bool(case["earlier"]) for case in labelled)
    strong = sum(case["strong"] for case in labelled)
    print(f"an earlier step does, too: {share(also, len(labelled))}")
    print(f"and by at least half as much: {share(strong, len(labelled))}")
    print(f"failures without a decisive step: {share(there[False], total)}")
    print(
        f"of those, a single step passes after all: {share(sum(c['explained'] for c in bare), len(bare))}"
    )
    for name in ("family", "topology", "modes"):
        kinds = Counter(str(case[name]) for case in labelled)
        fine = Counter(str(case[name]) for case in labelled if case["passes"])
        print(f"by {name}: " + ", ".join(f"{k} {fine[k]}/{kinds[k]}" for k in sorted(kinds)))
    print(f"{asked.n} replays of each kind, {time.perf_counter() - began:.0f} s")
    return int(passed < LEAST * len(labelled))


if __name__ == "__main__":
    sys.exit(main())
