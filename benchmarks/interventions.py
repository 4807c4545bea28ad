"""What interventions find out, and what repairs by them are worth: sandbox, LangGraph, AG2.

    python benchmarks/interventions.py verdicts  [--failures 10]
    python benchmarks/interventions.py flips     [--failures 20] [--frameworks 6]
    python benchmarks/interventions.py repairs   [--failures 20] [--fresh 300] [--frameworks 40]

`verdicts`: hypotheses whose worth is known from 100 replays on other seeds, by what the findings
say of them; DoVer's rule for a validated one (two of three replays succeed) beside. `flips`: failures with a validated
step, which step, and at what cost, by who suspects and who corrects. `repairs`: systems with a
planted weakness, and without: the repair that their failures ask for against a random one, on fresh
tasks. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from tracekit import registry, stats
from tracekit.analyzers.intervene.branches import Branches
from tracekit.analyzers.intervene.diagnose import Plan, diagnose, right_steps
from tracekit.analyzers.intervene.gain import gain
from tracekit.analyzers.intervene.suggest import best
from tracekit.analyzers.intervene.types import Diagnosis, Hypothesis
from tracekit.analyzers.intervene.verdicts import Rules, tested
from tracekit.context import Context as Means
from tracekit.inject.labels import corrections, decide
from tracekit.inject.replays import Replays
from tracekit.inject.types import Injected
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.weak import hasty, miscalling
from tracekit.replay.systems import load_system
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.stats import Estimate
from tracekit.trace import Trace

PAIRS = (
    ("arithmetic", "chain"),
    ("tables", "star"),
    ("retrieval", "hierarchy"),
    ("scheduling", "blackboard"),
    ("arithmetic", "debate"),
)
FRAMEWORKS = ("demo_langgraph:chain", "demo_langgraph:star", "demo_ag2:chain")
TRUTH = 100
"""Replays of each kind that tell what a correction is worth; their seeds are used for nothing else."""
CLASSES = (
    ("corrected: < 0.05", -2.0, 0.05),
    ("corrected: 0.05 to 0.25", 0.05, 0.25),
    ("corrected: > 0.25", 0.25, 2.0),
)


def failures(system: Any, count: int, seed: int = 5) -> Iterator[Trace]:
    """Runs that fail by themselves."""
    runs = (system.run(task, number) for number, task in enumerate(system.tasks(seed)))
    return islice((run for run in runs if run.failed), count)


def percent(found: Estimate) -> str:
    """A share with its interval, in per cent."""
    return f"{100 * found.value:.0f} ({100 * found.low:.0f} to {100 * found.high:.0f})"


def points(found: Estimate) -> str:
    """A difference with its interval, in points."""
    return f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table."""
    for row in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(map(str, row))} |")
    print()


# --- verdicts ------------------------------------------------------------------------------------


class Unseeded:
    """A sandbox as systems are that nobody can seed: with a change other draws than without."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.run, self.check, self.tasks = sandbox.run, sandbox.check, sandbox.tasks
        self.checkpoints, self.correct = sandbox.checkpoints, sandbox.correct
        self.is_correct, self.milestones = sandbox.is_correct, sandbox.milestones
        self._resume = sandbox.resume

    def resume(self, checkpoint: Checkpoint, change: Intervention | None, seed: int) -> Trace:
        """The run from a checkpoint on."""
        return self._resume(checkpoint, change, seed + zlib.crc32(msgspec.json.encode(change)))


def verdicts(count: int) -> None:
    """Findings by what the change of a step is really worth."""
    found: dict[tuple[str, int, str], Counter[str]] = {}
    for kind, make in (("seeded", Sandbox), ("not seeded", lambda *a: Unseeded(Sandbox(*a)))):
        for family, topology in PAIRS:
            system = make(family, topology)
            for trace in failures(system, count):
                for n, name, finding in judged(system, trace):
                    found.setdefault((kind, n, name), Counter())[finding] += 1
    names = ("validated", "partially validated", "refuted", "inconclusive")
    rows = []
    for (kind, n, name), counts in sorted(found.items()):
        total = counts.total()
        shares = [percent(stats.wilson(counts[each], total)) for each in names]
        if not n:  # what else its rule says rests on how far a replay follows the plan
            shares[1:] = ["-"] * 3
        rows.append([kind, n or "3, DoVer's rule", name, total, *shares])
    table(
        ["replays", "n", "true gain of the change", "hypotheses", *(f"{n}, %" for n in names)], rows
    )


def judged(system: Any, trace: Trace) -> Iterator[tuple[int, str, str]]:
    """(n, class of the true gain, finding) for every step of a failure; n 0 is DoVer's rule.

    Wrong steps are corrected; right ones are said again with a word more, which changes nothing.
    """
    truth = Branches(system, trace, 1, 10**9)
    right = right_steps(truth)
    for step in truth.steps():
        said = trace.steps[step]
        guess = Hypothesis(trial=0, step=step, agent=said.agent, probability=0.5, by="all")
        if step in right:
            again = msgspec.structs.replace(Action.of(said), content=f"{said.content} So be it.")
            change, name = Intervention(step=step, actions=(again,), by="placebo"), "none: reworded"
        else:
            change = system.correct(truth.before(step))
            ends = [
                (truth.end(change, k), truth.end(truth.recorded(step), k)) for k in range(TRUTH)
            ]
            worth = sum(a.success - b.success for a, b in ends) / TRUTH
            name = next(name for name, low, high in CLASSES if low <= worth < high)
        branches = Branches(system, trace, 0, 10**9)
        for n in (8, 16, 32):
            rules = Rules(n=n, delta=0.25, hypotheses=5)
            yield n, name, tested(branches, guess, change, rules).finding
        yield 0, name, dover([branches.end(change, k).success for k in range(3)])


def dover(succeeded: Sequence[bool]) -> str:
    """When DoVer calls a hypothesis validated: two successes of three, nothing to compare with."""
    return "validated" if sum(succeeded) >= 2 else "anything else"


# --- flips ---------------------------------------------------------------------------------------


def flips(count: int, frameworks: int) -> None:
    """Failures with a validated step, by who suspects and who corrects."""
    rows = []
    system: Any
    settings = [
        ("compact", "system"), ("first-error", "system"), ("last-speaker", "system"),
        ("random", "system"), ("compact", "reason"), ("random", "reason"),
    ]  # fmt: skip
    every: dict[tuple[str, str], list[tuple[Trace, Diagnosis, int | None]]] = {}
    for family, topology in PAIRS:
        system = Sandbox(family, topology)
        for trace in failures(system, count):
            truth = decisive(system, trace)
            for method, source in settings:
                plan = Plan(method=method, correction=source)
                made = diagnose(trace, system, Means(), plan)
                every.setdefault((method, source), []).append((trace, made, truth))
    for (method, source), cases in every.items():
        rows.append(["sandbox", method, source, *counted(cases, method)])
    for name in FRAMEWORKS if frameworks else ():
        system = load_system(f"tracekit.replay.adapters.{name}")
        began = time.perf_counter()
        cases = []
        for trace in failures(system, frameworks):
            cases.append((trace, diagnose(trace, system, Means(), Plan(n=8, budget=64)), None))
        seconds = time.perf_counter() - began
        rows.append([name, "compact", "system", *counted(cases, "compact")])
        print(f"{name}: {seconds / max(1, len(cases)):.1f} s a failure", file=sys.stderr)
    table(
        ["system", "suspects", "corrects", "failures", "flipped, %", "validated", "partially",
         "refuted", "inconclusive", "replays a failure", "decisive step found, %",
         "the method alone, %"],
        rows,
    )  # fmt: skip
    odds([case for cases in every.values() for case in cases])


def odds(cases: Sequence[tuple[Trace, Diagnosis, int | None]]) -> None:
    """How much more often each finding comes up for the decisive step than for other steps."""
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for _, one, step in cases:
        for each in one.tested if step is not None else ():
            counts[each.hypothesis.step == step][each.finding] += 1
    rows = []
    for name in ("validated", "partially validated", "inconclusive", "refuted"):
        shares = {
            which: stats.wilson(found[name], found.total()) for which, found in counts.items()
        }
        ratio = shares[True].value / shares[False].value if shares[False].value else float("inf")
        rows.append([name, percent(shares[True]), percent(shares[False]), f"{ratio:.2f}"])
    named = (f"decisive steps ({counts[True].total()}), %", f"others ({counts[False].total()}), %")
    table(["finding", *named, "ratio"], rows)


def decisive(system: Any, trace: Trace) -> int | None:
    """The decisive step by every wrong step's replays, on seeds of their own."""
    replays = Replays(system, trace, 1)
    none = Injected(clean=trace, trace=trace, faults=(), interventions=(), manipulator="", seed=0)
    found = decide(replays, list(corrections(system, replays, none)))
    return found[-1].step if found and found[-1].low > 0 else None


def counted(cases: Sequence[tuple[Trace, Diagnosis, int | None]], method: str) -> list[object]:
    """The cells of a row."""
    n = len(cases)
    flipped = [one for _, one, _ in cases if one.answer is not None]
    counts = Counter(each.finding for _, one, _ in cases for each in one.tested)
    known = [(trace, one, step) for trace, one, step in cases if step is not None]
    hit = sum(one.answer is not None and one.answer.hypothesis.step == s for _, one, s in known)
    alone = "-"
    if known:
        plain = [method_alone(trace, method) == step for trace, _, step in known]
        alone = percent(stats.wilson(sum(plain), len(known)))
    return [
        n,
        percent(stats.wilson(len(flipped), n)),
        *(counts[name] for name in ("validated", "partially validated", "refuted", "inconclusive")),
        f"{sum(one.replays for _, one, _ in cases) / n:.0f}",
        percent(stats.wilson(hit, len(known))) if known else "-",
        alone,
    ]


def method_alone(trace: Trace, name: str) -> int | None:
    """The first suspect of a method, nothing replayed."""
    top = registry.get("analyzers", name).attribute(trace, Means()).top
    return None if top is None else int(top.step)


# --- repairs -------------------------------------------------------------------------------------

WEAK: dict[str, tuple[dict[str, Any], set[tuple[str, str]]]] = {
    "careless worker": (
        {"skill": 0.97, "skills": {"worker": 0.7, "verifier": 0.9}},
        {("prompt", "worker"), ("verification", "worker")},
    ),
    "planner that misreads": (
        {"skill": 0.97, "skills": {"planner": 0.4, "orchestrator": 0.4, "verifier": 0.85}},
        {
            (kind, role)
            for kind in ("prompt", "verification")
            for role in ("planner", "orchestrator")
        },
    ),
    "verifier that nods": (
        {"skill": 0.85, "skills": {"verifier": 0.8}},
        {("prompt", "verifier"), ("verification", "verifier")},
    ),
    "wrong tool calls": (
        {"skill": 0.95, "policies": {"worker": miscalling(0.35)}},
        {("tool", "worker")},
    ),
    "ends too early": (
        {"skill": 0.9, "policies": {"worker": hasty(0.35)}},
        {("termination", "worker")},
    ),
    "none planted": ({}, set()),
}
"""Name to settings of a team, and the repairs that take its weakness away."""


def repairs(count: int, fresh: int, frameworks: int) -> None:
    """The repair that failures ask for, against none and a random one."""
    rows = []
    for name, (settings, cures) in WEAK.items():
        for family, topology in (("arithmetic", "chain"), ("tables", "star")):
            if name == "wrong tool calls" and family == "arithmetic":
                family = "tables"
            system = Sandbox(family, topology, **settings)
            rows.append(
                [f"sandbox {family} {topology}", name, *repaired(system, count, fresh, cures)]
            )
    for target in FRAMEWORKS if frameworks else ():
        kind: Any = type(load_system(f"tracekit.replay.adapters.{target}"))
        topology = target.partition(":")[2]
        for name in ("careless worker", "wrong tool calls"):
            settings, cures = WEAK[name]
            row = repaired(
                kind(topology, **settings), max(4, frameworks // 6), frameworks, cures, n=8
            )
            rows.append([target, name, *row])
    table(
        ["system", "weakness", "failures", "explained", "repair", "it is the cure", "fresh tasks",
         "success as it is, %", "repaired, %", "random, %", "gain, points", "over random, points",
         "replays"],
        rows,
    )  # fmt: skip


def repaired(
    system: Any, count: int, fresh: int, cures: set[tuple[str, str]], n: int = 32
) -> list[object]:
    """The cells of a row."""
    plan = Plan(n=n, budget=10 * n)
    found = [diagnose(trace, system, Means(), plan) for trace in failures(system, count)]
    explained = sum(one.answer is not None for one in found)
    replays = sum(one.replays for one in found)
    chosen = best(found, system.repairs())
    if chosen is None:
        return [len(found), explained, "none", *["-"] * 7, replays]
    worth = gain(system, chosen[0], islice(system.tasks(77), fresh), 10_000)
    return [
        len(found), explained, chosen[0],
        "-" if not cures else "yes" if chosen[0].key in cures else "no", worth.n,
        percent(worth.before), percent(worth.after), percent(worth.random),
        points(worth.gain), points(worth.over_random), replays,
    ]  # fmt: skip


def main() -> int:
    """Print the tables of one part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=("verdicts", "flips", "repairs"))
    parser.add_argument("--failures", type=int, default=40, help="of each system of the sandbox")
    parser.add_argument("--fresh", type=int, default=300, help="tasks to measure a repair on")
    parser.add_argument("--frameworks", type=int, default=8, help="failures, or fresh tasks, there")
    asked = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "verdicts": lambda: verdicts(asked.failures),
        "flips": lambda: flips(asked.failures, asked.frameworks),
        "repairs": lambda: repairs(asked.failures, asked.fresh, asked.frameworks),
    }
    parts[asked.part]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
