"""How often a gate stops a change that changes nothing, and one that does.

    python benchmarks/gate_false_alarms.py "$TRACEKIT_DATA/corpora/ag2-gsmplus/runs.tar.xz"

Logs with many runs of the same tasks are dealt into a baseline and a present of a few runs of each
task, both by the same team. Every hit is a false alarm. For the second figure a share of the
present's successes is made to fail.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict

import msgspec

from tracekit.attribution import Attribution, Method
from tracekit.export.verdicts.judged import Judged, case_id
from tracekit.gate.baseline import tally
from tracekit.gate.rules import hits, runs_of
from tracekit.ingest.pipeline import load
from tracekit.stats import wilson
from tracekit.trace import Outcome, Source, Trace

RULES = ("new-failures", "more-failures", "more-than-chance")


def main() -> None:
    """Deal, follow the rules, count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("logs", nargs="+", help="logs with several runs of each task")
    parser.add_argument("--deals", type=int, default=500, help="changes that are tried")
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 3, 5], help="runs of each task")
    parser.add_argument("--worse", type=float, nargs="+", default=[0.0, 0.05, 0.1],
                        help="share of the present's successes that fail")  # fmt: skip
    given = parser.parse_args()
    tasks = _tasks(given.logs)
    failed = sum(sum(ends) for ends in tasks.values())
    whole = sum(map(len, tasks.values()))
    print(f"{whole} runs of {len(tasks)} tasks, {failed} failed; {given.deals} deals each\n")
    print("| runs a task, before and now | successes made to fail |", *(f"{r} |" for r in RULES))
    print("| --- | --- |" + " --- |" * len(RULES))
    for count in given.runs:
        for worse in given.worse:
            cells = _row(tasks, count, worse, given.deals)
            print(f"| {count} | {worse:.0%} |", *(f"{cell} |" for cell in cells))


def _tasks(logs: list[str]) -> dict[str, list[bool]]:
    """How the runs of each task ended: True = failed."""
    found: defaultdict[str, list[bool]] = defaultdict(list)
    for trace in load(*logs):
        if trace.failed is not None:
            found[case_id(trace)].append(trace.failed)
    return {task: found[task] for task in sorted(found)}


def _row(tasks: dict[str, list[bool]], count: int, worse: float, deals: int) -> list[str]:
    """Share of deals that each rule stops, with its interval."""
    rng = random.Random(0)
    stopped = dict.fromkeys(RULES, 0)
    for _ in range(deals):
        before, now = [], []
        for task, ends in tasks.items():
            if len(ends) >= 2 * count:
                dealt = rng.sample(ends, 2 * count)
                before += [(task, end) for end in dealt[:count]]
                now += [(task, end or rng.random() < worse) for end in dealt[count:]]
        runs = runs_of(_judged(now), tally(_judged(before)))
        for rule in RULES:
            stopped[rule] += bool(hits([rule], runs))
    found = [wilson(stopped[rule], deals) for rule in RULES]
    return [f"{e.value:.1%} ({e.low:.1%} to {e.high:.1%})" for e in found]


def _judged(ends: list[tuple[str, bool]]) -> list[Judged]:
    """Runs that ended so; the rules look at nothing else."""
    verdict = Attribution("", Method("none"), abstained="not asked")
    states = {end: Trace("", Source(""), outcome=Outcome(s)) for end, s in
              ((True, "failure"), (False, "success"))}  # fmt: skip
    made = Judged(trace=states[True], verdict=verdict, id="", case="")
    return [msgspec.structs.replace(made, trace=states[end], case=task) for task, end in ends]


if __name__ == "__main__":
    main()
