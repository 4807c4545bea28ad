"""How fast runs are scored: one pass against a pass per prefix, and the cost of one more message.

    OMP_NUM_THREADS=1 python benchmarks/prm_speed.py

Runs are made by the sandbox and put end to end to the lengths wanted. *One pass* is
`Prm.values`; the loop asks `Prm.values` for every prefix and keeps the last number, as models do
that score one prefix a call. The shipped model, features and text encoder included; median of
`--repeats`, processor time.
"""

import argparse
import time
from collections.abc import Callable

import msgspec
import numpy as np

from tracekit.prm.model import Prm
from tracekit.replay.sandbox.system import Sandbox
from tracekit.trace import Trace


def main() -> None:
    """Print two tables, in Markdown."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 50, 130])
    parser.add_argument("--long", type=int, nargs="+", default=[10, 100, 1000, 4000])
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    prm, source = Prm(), run_of(max(*given.steps, *given.long) + 50)
    prm.values(cut(source, 10))
    print("| steps | one pass, ms | prefix by prefix, ms | times faster | largest difference |")
    print("|---:|---:|---:|---:|---:|")
    for steps in given.steps:
        trace = cut(source, steps)
        once, whole = timed(lambda t=trace: prm.values(t), given.repeats)
        loop, parts = timed(
            lambda t=trace: [prm.values(cut(t, n + 1))[-1] for n in range(len(t.steps))],
            max(1, given.repeats // 2),
        )
        gap = float(np.abs(np.array(whole) - np.array(parts)).max())
        print(
            f"| {steps} | {1000 * once:.1f} | {1000 * loop:.0f} | {loop / once:.1f} | {gap:.0e} |"
        )
    print("\n| after steps | one more message, ms | a fork, ms |\n|---:|---:|---:|")
    for steps in given.long:
        more, fork = pushed(prm, source, steps)
        print(f"| {steps} | {1000 * more:.2f} | {1000 * fork:.3f} |")


def run_of(steps: int) -> Trace:
    """A run of that many steps: several of the sandbox, one after the other."""
    sandbox = Sandbox("retrieval", "hierarchy")
    tasks, found, first = sandbox.tasks(seed=1), [], None
    while len(found) < steps:
        trace = sandbox.run(next(tasks), seed=len(found))
        first = first or trace
        found += trace.steps
    return msgspec.structs.replace(first, steps=tuple(found))


def cut(trace: Trace, steps: int) -> Trace:
    """Its first so many steps."""
    return msgspec.structs.replace(trace, steps=trace.steps[:steps])


def timed(work: Callable[[], object], repeats: int) -> tuple[float, object]:
    """Median processor time in seconds, and what came out."""
    took, found = [], None
    for _ in range(repeats):
        start = time.process_time()
        found = work()
        took.append(time.process_time() - start)
    return float(np.median(took)), found


def pushed(prm: Prm, source: Trace, steps: int, count: int = 48) -> tuple[float, float]:
    """Mean seconds of one more message after so many, and of a fork."""
    running = prm.begin(source)
    for step in source.steps[:steps]:
        running.push(step)
    start = time.process_time()
    for _ in range(1000):
        running.fork()
    fork = (time.process_time() - start) / 1000
    same = source.steps[:count]  # the same messages at every length
    start = time.process_time()
    for step in same:
        running.push(step)
    return (time.process_time() - start) / count, fork


if __name__ == "__main__":
    main()
