"""Shapley values and performance causal inversion, where the truth is known: the sandbox.

    python benchmarks/shapley.py faults [--runs 6] [--faults 1] [--processes 2]
    python benchmarks/shapley.py repeats [--runs 6] [--processes 2]
    python benchmarks/shapley.py sampling [--games 200]
    python benchmarks/shapley.py cost

`faults` injects one fault, or two in different agents, into successful runs of every family that
runs without processes, under every topology, and asks who is to blame for those that fail. Runs are
told apart by who did something wrong in them, by the sandbox's own check of every step. `repeats` runs
every task 36 times and explains the failures by the other runs alone, without replay. `sampling`
holds estimated shares and their intervals against exact ones; `cost` measures solvers and replays.
Tables are printed as Markdown.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

import numpy as np
from shapley_games import report_sampling, report_solvers, share, table

from tracekit.analyzers.run import attribute
from tracekit.analyzers.shapley.futures import Futures
from tracekit.analyzers.shapley.game import play
from tracekit.analyzers.shapley.inversion import rests_on
from tracekit.analyzers.shapley.reference import Known
from tracekit.context import Context
from tracekit.errors import InjectionError
from tracekit.inject.labels import label
from tracekit.inject.live import inject_live
from tracekit.inject.manipulators.sandbox import SandboxNative
from tracekit.inject.modes import PAIRS
from tracekit.inject.types import Fault, Injected
from tracekit.replay.sandbox.families.table import FAMILIES
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES
from tracekit.trace import Trace

SEED = 31
"""Of the tasks; other ones were looked at while the method was made."""
SPARSE = 4
"""Every clean run is struck by one in so many pairs of mode and strategy."""
DRAWS = 8

Row = dict[str, object]


def failures(place: tuple[str, str], runs: int, faults: int) -> Iterator[tuple[Sandbox, Injected]]:
    """Runs of one family under one topology that fail after an injection."""
    system = Sandbox(*place)
    clean = (system.run(task, number) for number, task in enumerate(system.tasks(SEED)))
    for number, run in enumerate(islice((each for each in clean if not each.failed), runs)):
        for k, pair in enumerate(PAIRS):
            if (k + number) % SPARSE:
                continue
            pairs = [pair, PAIRS[(7 * k + 3 + number) % len(PAIRS)]][:faults]
            wanted = [Fault(mode=mode, strategy=strategy) for mode, strategy in pairs]
            try:
                made = inject_live(
                    system, run, wanted, SandboxNative(), run.extra["sandbox"]["draws"]
                )
            except InjectionError:
                continue
            if made.trace.failed and len({fault.agent for fault in made.faults}) == faults:
                yield system, made


def measure(task: tuple[tuple[str, str], int, int]) -> list[Row]:
    """One row per failed run: what each way of ranking says, and what it cost."""
    place, runs, faults = task
    return [_row(system, made, place) for system, made in failures(place, runs, faults)]


def _row(system: Sandbox, made: Injected, place: tuple[str, str]) -> Row:
    trace = made.trace
    futures = Futures(system, trace, Known(system), DRAWS, 0)
    wrong = list(dict.fromkeys(turn.agent for turn in futures.mistakes))
    struck = list(dict.fromkeys(fault.agent for fault in made.faults))
    decisive = label(system, made).decisive
    began = time.perf_counter()
    main = attribute(trace, "shapley", context=Context(system=system))
    seconds = time.perf_counter() - began
    return {
        "subset": _subset(set(wrong), set(struck)),
        "struck": struck,
        "steps_struck": [fault.step for fault in made.faults],
        "decisive": None if decisive is None else trace.steps[decisive.step].agent,
        "decisive_step": None if decisive is None else decisive.step,
        "says": _says(system, trace, futures, wrong),
        "topology": place[1],
        "agents": len({step.agent for step in trace.steps}),
        "steps": len(trace.steps),
        "wrong": len(wrong),
        "replays": main.cost.calls,
        "seconds": seconds,
        "residual": abs(main.extra["shapley"]["residual"]) if main.extra else 0.0,
    }


def _subset(wrong: set[str], struck: set[str]) -> str:
    if wrong == struck:
        return "only the struck erred"
    return "others erred too" if struck <= wrong else "a struck agent did nothing wrong"


def _says(
    system: Sandbox, trace: Trace, futures: Futures, wrong: list[str]
) -> dict[str, tuple[list[str], int | None]]:
    """Agents in order of blame, and the step named, by each way."""
    context = Context(system=system)
    found: dict[str, tuple[list[str], int | None]] = {}
    for name, method, given in (
        ("bottleneck (default)", "shapley", {}),
        ("shares alone", "shapley", {"score": "shapley"}),
        ("steps, bottleneck", "shapley", {"players": "steps"}),
        ("steps, shares alone", "shapley", {"players": "steps", "score": "shapley"}),
        ("compact (no replay)", "compact", {}),
        ("first speaker", "first-speaker", {}),
        ("last speaker", "last-speaker", {}),
        ("random", "random", {}),
    ):
        verdict = attribute(trace, method, context=context, **given)
        blamed = [agent for agent, chance in verdict.agents.items() if chance > 0]
        found[name] = (blamed, verdict.top.step if verdict.top else None)
    everyone = list(dict.fromkeys(step.agent for step in trace.steps))
    shares = np.array(play(futures.between_agents(everyone)).shares.values)
    found["shares, all agents play"] = (
        [everyone[k] for k in np.argsort(-shares, kind="stable")],
        None,
    )
    found["first mistake"] = (wrong, futures.mistakes[0].before.step if futures.mistakes else None)
    reached = rests_on(trace)
    rests: dict[str, float] = defaultdict(float)
    for step in trace.steps:
        rests[step.agent] += reached[step.index]
    found["inverted graph (no replay)"] = sorted(everyone, key=lambda a: -rests[a]), None
    return found


def repeats(task: tuple[tuple[str, str], int, int]) -> list[Row]:
    """Failures of tasks that were run often, explained by their repeats alone."""
    place, tasks, count = task
    system, rows = Sandbox(*place), []
    for question in islice(system.tasks(SEED), tasks):
        runs = tuple(system.run(question, number) for number in range(count))
        for trace in [run for run in runs if run.failed][:FAILURES]:
            natural = Injected(
                clean=trace, trace=trace, faults=(), interventions=(), manipulator="none", seed=0
            )
            decisive = label(system, natural).decisive
            if decisive is None:
                continue
            says = {}
            for name, method, given in REPEATED:
                verdict = attribute(trace, method, context=Context(corpus=runs), **given)
                blamed = [agent for agent, chance in verdict.agents.items() if chance > 0]
                says[name] = (blamed, verdict.top.step if verdict.top else None)
            agent = trace.steps[decisive.step].agent
            rows.append(
                {"says": says, "struck": [agent], "decisive": agent, "decisive_step": decisive.step}
            )
    return rows


FAILURES = 4
"""Failures of a task that are explained."""
REPEATED: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("recorded, bottleneck", "shapley", {"value": "recorded"}),
    ("recorded, shares alone", "shapley", {"value": "recorded", "score": "shapley"}),
    ("spectrum", "spectrum", {}),
    ("compact", "compact", {}),
    ("first speaker", "first-speaker", {}),
    ("last speaker", "last-speaker", {}),
    ("random", "random", {}),
)


def report_repeats(rows: list[Row]) -> str:
    """Who is named from repeats."""
    lines = [_line(way, rows, 1) for way in rows[0]["says"]]  # type: ignore[attr-defined]
    head = ["natural failures", "n", "decisive agent first %", "decisive step %"]
    lines = [line[:3] + line[4:] for line in lines]
    return table(head, lines)


def report_faults(rows: list[Row], faults: int) -> str:
    """Who is named, by subset and way of ranking."""
    parts = []
    for subset in ("only the struck erred", "others erred too", "a struck agent did nothing wrong"):
        mine = [row for row in rows if row["subset"] == subset]
        if not mine:
            continue
        lines = [_line(way, mine, faults) for way in mine[0]["says"]]  # type: ignore[attr-defined]
        struck = "struck agent first" if faults == 1 else "both struck in top two"
        head = [subset, "n", f"{struck} %", "decisive agent first %", "decisive step %"]
        parts.append(table(head, lines))
    worst = max(float(row["residual"]) for row in rows)  # type: ignore[arg-type]
    return "\n".join(
        [*parts, f"Largest residual of the shares: {worst:.1e}.", "", report_cost(rows)]
    )


def _line(way: str, rows: list[Row], faults: int) -> list[str]:
    struck, agents, steps = [], [], []
    for row in rows:
        ranked, step = row["says"][way]  # type: ignore[index]
        struck.append(set(ranked[:faults]) == set(row["struck"]))  # type: ignore[call-overload]
        if row["decisive"] is not None:
            agents.append(ranked[:1] == [row["decisive"]])
            steps.append(step == row["decisive_step"])
    named = any(row["says"][way][1] is not None for row in rows)  # type: ignore[index]
    return [way, str(len(rows)), share(struck), share(agents), share(steps) if named else "-"]


def report_cost(rows: list[Row]) -> str:
    """Replays and seconds by topology."""
    lines = []
    for name in dict.fromkeys(row["topology"] for row in rows):
        mine = [row for row in rows if row["topology"] == name]
        means = [
            f"{np.mean([float(row[key]) for row in mine]):.{digits}f}"  # type: ignore[arg-type]
            for key, digits in (
                ("agents", 1),
                ("steps", 1),
                ("wrong", 1),
                ("replays", 0),
                ("seconds", 2),
            )
        ]
        lines.append([str(name), str(len(mine)), *means])
    head = ["topology", "n", "agents", "steps", "agents who erred", "replays", "seconds"]
    return table(head, lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["faults", "repeats", "sampling", "cost"])
    parser.add_argument("--runs", type=int, default=6, help="clean runs a family and topology")
    parser.add_argument("--faults", type=int, default=1, choices=[1, 2])
    parser.add_argument("--games", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.what == "sampling":
        print(report_sampling(options.games))
        return
    if options.what == "cost":
        print(report_solvers())
        return
    places = [(f, t) for f in FAMILIES if f != "programs" for t in TOPOLOGIES]
    work, last = (repeats, 36) if options.what == "repeats" else (measure, options.faults)
    tasks = [(place, options.runs, last) for place in places]
    began = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        rows = [row for part in pool.map(work, tasks) for row in part]
    print(report_repeats(rows) if work is repeats else report_faults(rows, options.faults))
    print(f"{len(rows)} failures, {time.perf_counter() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
