"""How many sandbox runs and replays there are in a minute.

    python benchmarks/sandbox_speed.py [--runs 200] [--processes 2] [--exact 10000]

Every family under every topology at the default skill, in as many processes as asked for; `code`
is the family that executes programs, and stands apart. A replay is a resume from a random step
with the right action, outcome included. --exact resumes that many random steps without a change
and compares the bytes with those of the run; one that differs ends the benchmark with exit code 1.
The figure without `programs` must be at least 5,000 runs a minute.
"""

import argparse
import json
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from tracekit.replay.sandbox.families.table import FAMILIES
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES
from tracekit.store import encode

LIMIT = 5000


def measure(pair: tuple[str, str], count: int) -> dict[str, float]:
    """Runs and replays of one family under one topology."""
    sandbox = Sandbox(*pair)
    tasks = list(islice(sandbox.tasks(0), count))
    sandbox.run(tasks[0], 0)
    began = time.perf_counter()
    traces = [sandbox.run(task, number) for number, task in enumerate(tasks, 1)]
    middle = time.perf_counter()
    rng = random.Random("replays")
    for number, trace in enumerate(traces):
        checkpoint = rng.choice(sandbox.checkpoints(trace))
        sandbox.resume(checkpoint, sandbox.correct(checkpoint), number)
    ended = time.perf_counter()
    won = sum(trace.outcome.status == "success" for trace in traces)
    return {"runs": count, "run_s": middle - began, "replay_s": ended - middle, "won": won}


def exact(pair: tuple[str, str], count: int) -> int:
    """How many of `count` resumes of random steps differ from their run."""
    sandbox, wrong, done = Sandbox(*pair), 0, 0
    rng = random.Random("/".join(pair))
    tasks = sandbox.tasks(1)
    while done < count:
        trace = sandbox.run(next(tasks), done)
        whole = encode(trace)
        checkpoints = sandbox.checkpoints(trace)
        for checkpoint in rng.choices(checkpoints, k=min(10, count - done)):
            wrong += (
                encode(sandbox.resume(checkpoint, None, trace.extra["sandbox"]["seed"])) != whole
            )
            done += 1
    return wrong


def main() -> int:
    """Print the table; 1 when a limit is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=200, help="of each family and topology")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--exact", type=int, default=0, metavar="N")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    pairs = [(family, topology) for family in FAMILIES for topology in TOPOLOGIES]
    plain = [pair for pair in pairs if pair[0] != "programs"]
    code = [pair for pair in pairs if pair[0] == "programs"]
    rows: dict[tuple[str, str], dict[str, float]] = {}
    rates = {}
    with ProcessPoolExecutor(asked.processes) as pool:
        for name, some in (("without programs", plain), ("programs", code)):
            began = time.perf_counter()
            count = asked.runs if some is plain else max(1, asked.runs // 10)
            rows.update(zip(some, pool.map(measure, some, [count] * len(some)), strict=True))
            # Runs and replays are timed apart in each process; together they fill the wall time.
            wall = time.perf_counter() - began
            share = sum(rows[p]["run_s"] for p in some) / sum(
                rows[p]["run_s"] + rows[p]["replay_s"] for p in some
            )
            total = count * len(some)
            rates[name] = (60 * total / (wall * share), 60 * total / (wall * (1 - share)))
        each = [
            asked.exact // len(pairs) + (n < asked.exact % len(pairs)) for n in range(len(pairs))
        ]
        wrong = sum(pool.map(exact, pairs, each)) if asked.exact else 0
    if asked.json:
        print(json.dumps({"rates": rates, "pairs": {"/".join(k): v for k, v in rows.items()},
                          "exact": {"resumes": asked.exact, "different": wrong}}))  # fmt: skip
    else:
        for (family, topology), row in rows.items():
            print(
                f"{family:<12}{topology:<12}{1000 * row['run_s'] / row['runs']:8.2f} ms a run"
                f"{1000 * row['replay_s'] / row['runs']:8.2f} ms a replay"
                f"{row['won'] / row['runs']:8.0%} succeed"
            )
        for name, (runs, replays) in rates.items():
            print(
                f"{name}: {runs:,.0f} runs and {replays:,.0f} replays a minute, {asked.processes} processes"
            )
        if asked.exact:
            print(f"{asked.exact:,} resumes without a change, {wrong} differ from their run")
    return int(rates["without programs"][0] < LIMIT or wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
