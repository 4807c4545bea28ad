"""How long it takes to make failures with verified labels, and what they are.

    python benchmarks/inject_speed.py [--n 50000] [--workers 2] [--out FOLDER] [--markdown FILE]

Builds a data set in one go (`tracekit inject` does the same) and counts it: rows by family,
topology, mode and strategy, how many injections found an occasion, how many of those made the run
fail, how many failures got a decisive step, replays per second. Wall time is that of a machine
shared with others; CPU seconds, of all processes and of the jail, are those of this build alone,
and their share for each worker is what the build takes where nobody else computes. Ends with exit
code 1 when that share exceeds 20 minutes for 50,000 failures, or for as many in proportion.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tracekit.inject.dataset import Manifest, build, read_rows
from tracekit.inject.spec import Spec

LIMIT = 20 * 60 / 50_000
"""Seconds for a failure, with all workers."""
COLUMNS = ["kind", "verified", "family", "topology", "modes", "strategies"]


def by(counts: dict[str, int], what: str) -> Counter[tuple[str, str]]:
    """Counts of one kind by mode and strategy."""
    keys = (key.split("/") for key in counts if key.startswith(f"{what}/"))
    return Counter({(mode, way): counts[f"{what}/{mode}/{way}"] for _, mode, way in keys})


def kinds(folder: Path) -> dict[str, Counter[str]]:
    """Verified failures by what they are; one with two faults counts for both modes."""
    found: dict[str, Counter[str]] = {name: Counter() for name in (*COLUMNS[2:], "pair", "kind")}
    for row in read_rows(folder, COLUMNS):
        found["kind"][row["kind"]] += 1
        if row["kind"] != "failure" or not row["verified"]:
            continue
        for name in COLUMNS[2:]:
            values = row[name] if isinstance(row[name], list) else [row[name]]
            found[name].update(set(values))
        found["pair"][f"{row['family']} on {row['topology']}"] += 1
    return found


def tables(manifest: Manifest, found: dict[str, Counter[str]]) -> str:
    """What was made, as Markdown."""
    counts = manifest.counts
    steps = ("tried", "injected", "failed", "verified")
    sums = {what: by(counts, what) for what in steps}
    lines = ["| mode | strategy | tried | injected | made the run fail | decisive step found |",
             "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for pair in sorted(sums["tried"]):
        tried, injected, failed, verified = (sums[what][pair] for what in steps)
        lines.append(
            f"| {pair[0]} | {pair[1]} | {tried:,} | {injected:,} | {failed:,} "
            f"({failed / max(1, injected):.0%}) | {verified:,} ({verified / max(1, failed):.0%}) |"
        )
    for name, told in (("families", "family"), ("topologies", "topology"), ("modes", "modes"),
                       ("strategies", "strategies"), ("pairs", "pair"), ("rows", "kind")):  # fmt: skip
        each = ", ".join(f"{key} {value:,}" for key, value in sorted(found[told].items()))
        lines += ["", f"{name}: {each}"]
    return "\n".join(lines)


def main() -> int:
    """Build, count, print; 1 when it took too long."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the set there; must be empty")
    parser.add_argument("--markdown", type=Path, help="write the tables there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = asked.out or Path(scratch)
        if any(out.glob("data/*")):
            parser.error(f"{out} has shards already: the time would be that of the rest")
        before, began = os.times(), time.perf_counter()
        manifest = build(Spec(n=asked.n, seed=asked.seed), out, workers=asked.workers)
        wall, after = time.perf_counter() - began, os.times()
        found = kinds(out)
    cpu = sum(after[:4]) - sum(before[:4])
    counts = manifest.counts
    verified = counts["verified"]
    text = (
        f"{verified:,} verified failures ({counts['failures']:,} failures, {counts['injected']:,} "
        f"injections, {counts['clean runs']:,} clean runs) with {asked.workers} workers: "
        f"{wall / 60:.1f} min of wall time at a load of {os.getloadavg()[2]:.1f}; {cpu:,.0f} s of "
        f"CPU, {cpu / asked.workers / 60:.1f} min for each worker, {1000 * cpu / verified:.1f} ms "
        f"a failure; {counts['replays']:,} replays, {counts['replays'] / cpu:,.0f} a CPU second "
        f"with everything else counted in\n\n{tables(manifest, found)}\n"
    )
    print(text)
    if asked.markdown:
        asked.markdown.write_text(text)
    return int(cpu / asked.workers > LIMIT * asked.n or verified < asked.n)


if __name__ == "__main__":
    sys.exit(main())
