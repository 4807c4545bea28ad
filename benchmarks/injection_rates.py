"""How often an injected fault makes a run of the sandbox fail, by mode, strategy, family, topology.

    python benchmarks/injection_rates.py [--runs 20] [--processes 2] [--modes FM-2.6,AT-3]

Each pair of mode and strategy is injected into `--runs` successful runs of every family under every
topology, with the seed of the run, so that nothing but the fault and its consequences differs. A
rate is the share of injected runs that fail, with its Wilson interval; runs in which the fault has
no occasion (a verification that found nothing cannot be left undone) are counted apart. Every mode
must reach 10 % in at least three pairs of family and topology; otherwise the exit code is 1.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, repeat

from tracekit.errors import InjectionError
from tracekit.inject.live import inject_live
from tracekit.inject.manipulators.sandbox import SandboxNative
from tracekit.inject.modes import MODES, PAIRS
from tracekit.inject.types import Fault
from tracekit.replay.sandbox.families.table import FAMILIES
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES
from tracekit.stats import wilson

ENOUGH, PLACES = 0.1, 3


def measure(place: tuple[str, str], count: int, modes: Sequence[str]) -> Counter[tuple[str, ...]]:
    """Injected and failed runs of one family under one topology, by mode and strategy."""
    sandbox = Sandbox(*place)
    runs = (sandbox.run(task, number) for number, task in enumerate(sandbox.tasks(9)))
    found: Counter[tuple[str, ...]] = Counter()
    for clean in islice((run for run in runs if not run.failed), count):
        seed = clean.extra["sandbox"]["draws"]
        for mode, strategy in PAIRS:
            if mode not in modes:
                continue
            key = (mode, strategy, *place)
            fault = Fault(mode=mode, strategy=strategy)
            found[*key, "tried"] += 1
            try:
                made = inject_live(sandbox, clean, [fault], SandboxNative(), seed)
            except InjectionError:
                continue
            found[*key, "made"] += 1
            found[*key, "failed"] += bool(made.trace.failed)
    return found


def share(found: Counter[tuple[str, ...]], *wanted: str) -> tuple[int, int, int]:
    """(failed, injected, tried) over everything that has all of the wanted words in its key."""
    sums: Counter[str] = Counter()
    for key, count in found.items():
        if set(wanted) <= set(key):
            sums[key[-1]] += count
    return sums["failed"], sums["made"], sums["tried"]


def cell(found: Counter[tuple[str, ...]], *wanted: str) -> str:
    """A rate in percent; a dash where nothing could be injected."""
    failed, made, _ = share(found, *wanted)
    return f"{failed / made:.0%}".rstrip("%") if made else "-"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def report(found: Counter[tuple[str, ...]]) -> str:
    """Two tables: by pair of mode and strategy, and by mode for every family and topology."""
    rows = []
    for mode, strategy in PAIRS:
        failed, made, tried = share(found, mode, strategy)
        if not tried:
            continue
        low, high = wilson(failed, made).low, wilson(failed, made).high
        ends = f"{failed / made:.1%} [{low:.1%}, {high:.1%}]" if made else "-"
        places = [*FAMILIES, *TOPOLOGIES]
        cells = [cell(found, mode, strategy, place) for place in places]
        rows.append([mode, strategy, f"{made:,} of {tried:,}", ends, *cells])
    head = ["mode", "strategy", "injected", "of these failed", *FAMILIES, *TOPOLOGIES]
    return table(head, rows)


def rare(found: Counter[tuple[str, ...]], modes: Sequence[str]) -> list[str]:
    """Modes that fail to reach the share that they must in enough places."""
    missing = []
    for mode in modes:
        places = 0
        for family in FAMILIES:
            for topology in TOPOLOGIES:
                failed, made, _ = share(found, mode, family, topology)
                places += bool(made) and failed / made >= ENOUGH
        if places < PLACES:
            missing.append(mode)
    return missing


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--modes", default=",".join(MODES))
    options = parser.parse_args()
    modes = options.modes.split(",")
    places = [(family, topology) for family in FAMILIES for topology in TOPOLOGIES]
    began = time.perf_counter()
    found: Counter[tuple[str, ...]] = Counter()
    with ProcessPoolExecutor(options.processes) as pool:
        for part in pool.map(measure, places, repeat(options.runs), repeat(modes)):
            found += part
    seconds = time.perf_counter() - began
    failed, made, _ = share(found)
    print(report(found))
    summary = {"injected": made, "failed": failed, "seconds": round(seconds, 1)}
    print(json.dumps(summary), file=sys.stderr)
    if missing := rare(found, modes):
        sys.exit(f"below {ENOUGH:.0%} in all but {PLACES - 1} places: {', '.join(missing)}")


if __name__ == "__main__":
    main()
