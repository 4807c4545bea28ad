"""How often methods that compare runs name the decisive step, in the sandbox, where it is known.

    python benchmarks/spectrum_causal.py sandbox [--tasks 10] [--repeats 40] [--json FILE]
    python benchmarks/spectrum_causal.py ag2 --data "$TRACEKIT_DATA" [--json FILE]

`sandbox`: teams of several topologies do each task several times and fail by themselves; replays
say which step was decisive (`tracekit.inject.labels`). In the stationary regime every run is made
by the same team; in the drifting one some roles get worse with time and others better, as after
changes of a prompt or a model that nobody noted. Beside `spectrum` and `causal` stand `compact` as it
ships, constants, speakers and chance; intervals are bootstraps over tasks.

`ag2`: what separates failure from success in real runs of AG2 on GSM-Plus, by team and by variant,
and whether what is found on half of the problems holds on the other half.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tracekit import registry, stats
from tracekit.analyzers.causal.discover import by_seat, discover
from tracekit.analyzers.causal.model import effects_of, learn
from tracekit.analyzers.causal.table import tabulate
from tracekit.analyzers.run import attribute
from tracekit.context import Context
from tracekit.folds import grouped_folds, question_key
from tracekit.ingest.pipeline import Ingest
from tracekit.inject.labels import label
from tracekit.inject.types import Injected
from tracekit.metrics import chance, score
from tracekit.protocols import Fitted
from tracekit.replay.sandbox.system import Sandbox
from tracekit.trace import Trace

SETUPS = (
    ("arithmetic", "chain"),
    ("arithmetic", "hierarchy"),
    ("tables", "star"),
    ("retrieval", "blackboard"),
    ("scheduling", "debate"),
)
METHODS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("causal", {}),
    ("causal", {"algorithm": "pc"}),
    ("spectrum", {}),
    ("spectrum", {"formula": "famas"}),
    ("compact", {}),
    ("first-error", {}),
    ("constant", {}),
    ("first-speaker", {}),
    ("last-speaker", {}),
)
SKILL = 0.9
DRIFT = {
    "worker": (0.95, 0.6),
    "debater": (0.95, 0.6),
    "verifier": (0.6, 0.95),
    "planner": (0.7, 0.95),
    "orchestrator": (0.7, 0.95),
    "manager": (0.7, 0.95),
}
"""Skill of a role in the first and in the last run."""


def corpus(
    family: str, topology: str, tasks: int, repeats: int, seed: int, *, drifting: bool
) -> list[tuple[Sandbox, Trace]]:
    """Runs in the order of time, every task coming round again and again."""
    chosen = list(islice(Sandbox(family, topology).tasks(seed), tasks))
    found = []
    for turn in range(repeats):
        for place, task in enumerate(chosen):
            when = (turn * tasks + place) / (tasks * repeats - 1)
            skills = {role: a + (b - a) * when for role, (a, b) in DRIFT.items()}
            team = Sandbox(family, topology, skill=SKILL, skills=skills if drifting else {})
            found.append((team, team.run(task, seed=1000 * turn + place)))
    return found


def labelled(runs: Sequence[tuple[Sandbox, Trace]]) -> Iterator[Trace]:
    """The failed runs with their decisive steps; those that no single step explains are left out."""
    for team, run in runs:
        if run.failed:
            plain = Injected(
                clean=run, trace=run, faults=(), interventions=(), manipulator="", seed=0
            )
            said = label(team, plain)
            if said.decisive is not None:
                yield said.trace


def right(
    method: str, options: dict[str, Any], failures: Sequence[Trace], all: Sequence[Trace]
) -> Any:
    """(step, agent, answered) of each failure."""
    context = Context(corpus=all, settings=options)
    found = []
    for trace, analyzer in zip(failures, _fitted(method, failures), strict=True):
        verdict = attribute(trace, analyzer, context=context)
        labels = tuple(one for one in trace.labels if one.definition == "decisive")
        worth = score(verdict, labels, len(trace.steps))
        found.append((worth.step, worth.agent, float(verdict.abstained is None)))
    return found


def _fitted(method: str, failures: Sequence[Trace]) -> list[Any]:
    """The analyzer for each failure; the constant is chosen on failures of other tasks."""
    analyzer = registry.get("analyzers", method)
    if method != "constant" or not isinstance(analyzer, Fitted):
        return [analyzer] * len(failures)
    folds = grouped_folds(list(failures), question_key, 5)
    by_fold = {
        fold: analyzer.fit(
            [t for t, f in zip(failures, folds, strict=True) if f != fold], Context()
        )
        for fold in sorted(set(folds))
    }
    return [by_fold[fold] for fold in folds]


def sandbox(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Accuracy of every method, by regime, pooled over setups and for each."""
    found: list[dict[str, Any]] = []
    for drifting in (False, True):
        regime = "drifting" if drifting else "stationary"
        rows: dict[str, list[tuple[float, float, float]]] = {}
        groups: list[str] = []
        places: list[str] = []
        for family, topology in SETUPS:
            runs = corpus(
                family, topology, asked.tasks, asked.repeats, asked.seed, drifting=drifting
            )
            failures = list(labelled(runs))
            all = [run for _, run in runs]
            failed = sum(bool(run.failed) for run in all)
            print(
                f"{regime}: {family}/{topology}: {len(all)} runs, {failed} failed, "
                f"{len(failures)} with a decisive step",
                file=sys.stderr,
            )
            groups += [question_key(trace) for trace in failures]
            places += [f"{family}/{topology}"] * len(failures)
            for method, options in METHODS:
                name = " ".join((method, *(str(v) for v in options.values())))
                rows.setdefault(name, []).extend(right(method, options, failures, all))
            expected = [
                chance(t, tuple(one for one in t.labels if one.definition == "decisive"))
                for t in failures
            ]
            rows.setdefault("chance", []).extend((e.step, e.agent, 1.0) for e in expected)
        found += table(regime, rows, groups, places)
    return found


def table(
    regime: str, rows: dict[str, list[Any]], groups: list[str], places: list[str]
) -> list[Any]:
    """Print a table of a regime, and return its figures."""
    setups = list(dict.fromkeys(places))
    print(f"\n#### {regime}, {len(groups)} failures\n")
    print(f"| method | step % | agent % | answered % | {' | '.join(setups)} (step %) |")
    print("| --- " * (4 + len(setups)) + "|")
    found = []
    for name, results in rows.items():
        step, agent = (stats.bootstrap([r[k] for r in results], groups) for k in (0, 1))
        answered = sum(r[2] for r in results) / len(results)
        each = [
            np.mean([r[0] for r, p in zip(results, places, strict=True) if p == s]) for s in setups
        ]
        cells = [
            percent(step),
            percent(agent),
            f"{100 * answered:.0f}",
            *(f"{100 * e:.1f}" for e in each),
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
        found.append(
            {"regime": regime, "method": name, "step": step, "agent": agent, "n": len(groups)}
        )
    return found


def percent(one: stats.Estimate) -> str:
    """A share with its interval, in percent."""
    return f"{100 * one.value:.1f} ({100 * one.low:.1f}-{100 * one.high:.1f})"


TEAMS = {"AG2 group chat": "_impr_topology", "MathChat": "_orig_topology"}
"""Teams of the corpus, by a part of the folder's name."""
FOLDER = re.compile(r"trajs_(.*)_\d+/")
SPLITS = 5


def variant(trace: Trace) -> str:
    """Model, prompt and topology of a run, as its folder says."""
    found = FOLDER.search(trace.source.path)
    return found[1] if found else ""


def ag2(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Effects by team and by variant, and how they hold on the other half of the problems."""
    path = asked.data / "corpora" / "ag2-gsmplus" / "runs.tar.xz"
    runs = list(Ingest([path]).traces())
    found: list[dict[str, Any]] = []
    for team, part in TEAMS.items():
        some = [run for run in runs if part in run.source.path]
        found += effects(team, some)
        for name in sorted({variant(run) for run in some}):
            found += effects(name, [run for run in some if variant(run) == name])
        found += splits(team, some)
    return found


def effects(name: str, runs: Sequence[Trace]) -> list[dict[str, Any]]:
    """The table of effects of one corpus."""
    said = discover(runs, variant=variant, halves=20, shuffles=10)
    print(f"\n#### {name}: {said.runs} runs, {said.failures} failed, {said.tasks} problems\n")
    print(f"False edges among shuffled columns: {100 * said.false_edges:.1f} % of pairs; ", end="")
    print(f"largest effect there: {100 * said.false_effect:.0f} points.\n")
    if said.effects:
        print("| behaviour | steps | failures + points | path | failed runs | successful runs |")
        print("| --- | --- | --- | --- | --- | --- |")
    else:
        print("No behaviour leads to failure.")
    for one in said.effects:
        first, last = said.phases[one.phase]
        steps = f"{first}-{'end' if last is None else last}"
        share = [
            f"{one.failing} of {said.failures}",
            f"{one.passing} of {said.runs - said.failures}",
        ]
        print(
            f"| {one.says} | {steps} | {percent(one.effect)} | {one.path:.2f} | {' | '.join(share)} |"
        )
    print(
        f"\nBrought into a failed run, points: { ({k: round(100 * v, 1) for k, v in said.seats.items()}) }"
    )
    sure = [each for each in said.company if each.sure]
    for each in sure:
        print(
            f"- spectrum: {each.agent}: {each.action}: {percent(each.difference)}, {each.tasks} problems"
        )
    if not sure:
        print(f"- spectrum: none of {len(said.company)} actions is sure")
    sys.stdout.flush()
    return [{"corpus": name, "effects": said.effects, "company": sure, "false": said.false_edges}]


def splits(team: str, runs: Sequence[Trace]) -> list[dict[str, Any]]:
    """What is found on half of the problems, on the other half; both ways, several splits."""
    table = tabulate(runs, variant=variant)
    jaccard, same, gaps, beside = [], [], [], []
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(np.unique(table.task))
        halves = [table.rows(np.flatnonzero(np.isin(table.task, order[k::2]))) for k in (0, 1)]
        models = [learn(half, halves=6, shuffles=0, seed=seed) for half in halves]
        edges = [{frozenset(edge[:2]) for edge in model.edges} for model in models]
        jaccard.append(len(edges[0] & edges[1]) / len(edges[0] | edges[1]))
        for one, other in ((0, 1), (1, 0)):
            there = effects_of(halves[other], models[other].settings, models[one].edges)
            chosen = [k for k, w in enumerate(models[one].weights) if abs(w) >= 0.03]
            same += [float(there[k] * models[one].weights[k] > 0) for k in chosen]
            gaps += [(float(models[one].effects[k]), float(there[k])) for k in chosen]
            beside.append(agreement(models[one], models[other]))
    here, there = np.array(gaps).T
    print(f"\n#### {team}: split halves, {SPLITS} splits of the problems, both ways\n")
    print(
        f"- edges found in both of those found in either: {np.mean(jaccard):.2f} ({min(jaccard):.2f}-{max(jaccard):.2f})"
    )
    share = stats.wilson(sum(same), len(same))
    print(
        f"- effects of 3 points or more that have the same sign on the other half: {percent(share)}, {len(same)} effects"
    )
    print(
        f"- mean size: {100 * np.abs(here).mean():.1f} points where found, {100 * (there * np.sign(here)).mean():.1f} on the other half; correlation {np.corrcoef(here, there)[0, 1]:.2f}"
    )
    print(f"- the agent that brings in most is the same: {np.mean(beside):.2f}", flush=True)
    return [
        {"corpus": team, "jaccard": jaccard, "same_sign": share, "effects": gaps, "agent": beside}
    ]


def agreement(one: Any, other: Any) -> float:
    """Whether two models lay most of the failures at the door of the same agent."""
    (top, worth), (beside, there) = (next(iter(by_seat(model).items())) for model in (one, other))
    return float(top == beside and min(worth, there) > 0)


def main() -> int:
    """Print the tables, and write the figures as JSON if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["sandbox", "ag2"])
    parser.add_argument("--data", type=Path, help="the folder $TRACEKIT_DATA, for ag2")
    parser.add_argument("--tasks", type=int, default=10, help="tasks of each setup")
    parser.add_argument("--repeats", type=int, default=40, help="runs of each task")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    found = sandbox(asked) if asked.what == "sandbox" else ag2(asked)
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.encode(found) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
