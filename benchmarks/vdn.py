"""Value decomposition over a corpus of the sandbox: does it name the agent that a fault was put in?

    OMP_NUM_THREADS=1 python benchmarks/vdn.py

For each family and topology: a corpus of runs as they come, and failures made by one fault in a run
that succeeded without it. The corpus holds no labels and none of these failures. Beside it stand the
methods that need no corpus, first and last speaker, and chance; intervals by bootstrap over tasks.
"""

import argparse
import random
import sys
from collections.abc import Iterator

from tracekit import registry, stats
from tracekit.analyzers.run import attribute
from tracekit.context import Context
from tracekit.errors import InjectionError
from tracekit.inject.live import inject_live
from tracekit.inject.types import Fault
from tracekit.metrics import chance, score
from tracekit.replay.sandbox.system import Sandbox
from tracekit.trace import Label, Trace

SYSTEMS = (("arithmetic", "chain"), ("retrieval", "hierarchy"), ("tables", "star"))
MODES = ("FM-1.1", "FM-2.3", "FM-2.5", "FM-2.6", "FM-3.3")
METHODS = ("vdn", "influence", "first-error", "first-speaker", "last-speaker")


def corpus(sandbox: Sandbox, n: int) -> tuple[Trace, ...]:
    """Runs as they come, of tasks of their own."""
    return tuple(sandbox.run(next(sandbox.tasks(seed=k)), seed=k) for k in range(n))


def failures(sandbox: Sandbox, n: int) -> Iterator[tuple[Trace, Label]]:
    """Failures of one fault, with its label."""
    number, found = 100_000, 0
    manipulator = registry.get("manipulators", "sandbox")
    while found < n:
        number += 1
        clean = sandbox.run(next(sandbox.tasks(seed=number)), seed=number)
        mode = random.Random(number).choice(MODES)
        if clean.failed:
            continue
        fault = Fault(mode=mode, strategy="response-corruption")
        try:
            made = inject_live(sandbox, clean, [fault], manipulator, number)
        except InjectionError:
            continue
        if made.trace.failed:
            found += 1
            yield made.trace, Label("injected", made.faults[0].agent, made.faults[0].step)


def main() -> int:
    """Print a table a system."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=int, default=200, help="runs to learn from")
    parser.add_argument("--failures", type=int, default=60, help="to be explained, of each system")
    parser.add_argument("--skill", type=float, default=0.85)
    asked = parser.parse_args()
    for family, topology in SYSTEMS:
        sandbox = Sandbox(family, topology, skill=asked.skill)
        runs = corpus(sandbox, asked.corpus)
        cases = list(failures(sandbox, asked.failures))
        good = sum(run.failed is False for run in runs)
        print(
            f"\n{family}, {topology}: {len(runs)} runs, {good} succeeded; {len(cases)} failures\n"
        )
        print("| method | step % | agent % | no answer |\n| --- | --- | --- | --- |")
        context = Context(corpus=runs)
        tasks = [trace.task.id or "" for trace, _ in cases]
        for method in METHODS:
            said = [attribute(trace, method, context=context) for trace, _ in cases]
            worth = [
                score(verdict, (label,), len(trace.steps))
                for verdict, (trace, label) in zip(said, cases, strict=True)
            ]
            silent = sum(verdict.abstained is not None for verdict in said)
            row(
                method,
                [w.step or 0.0 for w in worth],
                [w.agent or 0.0 for w in worth],
                tasks,
                silent,
            )
        blind = [chance(trace, (label,)) for trace, label in cases]
        row("uniform", [w.step or 0.0 for w in blind], [w.agent or 0.0 for w in blind], tasks, 0)
    return 0


def row(name: str, steps: list[float], agents: list[float], tasks: list[str], silent: int) -> None:
    """Print one line of the table."""
    cells = []
    for values in (steps, agents):
        e = stats.bootstrap(values, tasks)
        cells.append(f"{100 * e.value:.1f} ({100 * e.low:.1f}-{100 * e.high:.1f})")
    print(f"| {name} | {' | '.join(cells)} | {silent} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
