"""What a verdict is worth as feedback: failed teams of the sandbox try again, up to three times.

    python benchmarks/tracer_feedback.py --out out/feedback
    python benchmarks/tracer_feedback.py --out out/feedback --methods tracer --model my-tracer/final
    python benchmarks/tracer_feedback.py --out out/feedback --blind
    python benchmarks/tracer_feedback.py --out out/feedback --methods ""

The first three write one JSONL file for each method, and then, as the last, print the tables of
docs/benchmarks.md from all files that are there. Teams are those of prm_tasks.json, whose skills
were fixed for a single run that solves about half; tasks have other numbers. A case is a task whose
first run failed, each question once. All methods get the same cases, rounds and seeds.

Who advises: `none` (plain retries), `random`, `constant` (the step that solves most on a third as
many other cases, of the first eight; its neighbours in later rounds), any method that needs one
log, `tracer`, `oracle` (the decisive step by replays with the system's corrections, on other
seeds; the earliest wrong one where no single step decides) and `rewind` (the oracle's step, but
nobody is told: what it is worth to go back there). No method blames a step again while it has
another suspect; the oracle may. With --blind nobody knows how an attempt ended: successes are tried again as well, and
the last attempt counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from tracer_feedback_report import ROUNDS, Setting, report

from tracekit import registry
from tracekit.analyzers.intervene.branches import Branches
from tracekit.analyzers.intervene.diagnose import right_steps
from tracekit.analyzers.intervene.feedback import (
    Adviser,
    Attempts,
    ByMethod,
    History,
    in_rounds,
    silent,
)
from tracekit.attribution import Attribution
from tracekit.context import Context
from tracekit.folds import question_key
from tracekit.ingest.pipeline import load
from tracekit.inject.labels import corrections, decide
from tracekit.inject.replays import Replays
from tracekit.inject.types import Injected
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.types import Advice
from tracekit.trace import Trace

TEAMS = json.loads(Path(__file__).with_name("prm_tasks.json").read_text())
METHODS = "none,random,constant,compact,rewind,oracle"
CONSTANTS = range(8)
OTHER = 1_000
"""Added to the seed of the cases: the seed of those that the constant is chosen on."""
SYSTEM = Sandbox()
"""Resumes the runs of every team: a run says what team made it."""
ANY = Setting(0.0, "step", told=True)


# --- cases ---------------------------------------------------------------------------------------


def first_runs(habit: float, seed: int) -> Iterator[Trace]:
    """First runs of all teams in turn, each question once."""
    teams = [
        Sandbox(family, topology, difficulty=TEAMS["difficulty"], skill=skill, habit=habit)
        for family, row in TEAMS["skill"].items()
        for topology, skill in row.items()
    ]
    tasks = [team.tasks(seed) for team in teams]
    seen = set()
    for number, (team, asked) in enumerate(cycle(zip(teams, tasks, strict=True))):
        run = team.run(next(asked), number)
        if (key := question_key(run)) not in seen:
            seen.add(key)
            yield run


def cases(habit: float, seed: int, count: int) -> list[Trace]:
    """The first failures."""
    return list(islice((run for run in first_runs(habit, seed) if run.failed), count))


# --- who advises ---------------------------------------------------------------------------------


def constant(step: int) -> Adviser:
    """Always the same step, the last one of a shorter run."""
    method = registry.get("analyzers", "constant")
    return ByMethod(method, Context(settings={"step": step}))


def by_chance(seed: int) -> Adviser:
    """Any step."""
    return ByMethod(registry.get("analyzers", "random"), Context(seed=seed))


def best_constant(setting: Setting, options: argparse.Namespace) -> int:
    """The step that solves most, on other cases; a choice for each setting."""
    told = msgspec.structs.replace(setting, told=True)
    others = cases(setting.habit, options.seed + OTHER, options.cases // 3)
    solved = {
        step: sum(
            one.solved(ROUNDS) for one in in_rounds(SYSTEM, others, constant(step), told.rules)
        )
        for step in CONSTANTS
    }
    print(f"{setting}: solved by constant step {solved}", file=sys.stderr)
    return max(solved, key=lambda step: (solved[step], -step))


def true_slip(trace: Trace) -> Advice:
    """The decisive step, the earliest wrong one where none decides alone."""
    if trace.failed is None:
        raise SystemExit("the oracle has to know which attempts failed: not with --blind")
    replays = Replays(SYSTEM, trace, 1)
    none = Injected(clean=trace, trace=trace, faults=(), interventions=(), manipulator="", seed=0)
    found = decide(replays, list(corrections(SYSTEM, replays, none)))
    if found and found[-1].low > 0:
        step = found[-1].step
    else:
        branches = Branches(SYSTEM, trace, 1, 1)
        right = right_steps(branches)
        step = next((each for each in branches.steps() if each not in right), 0)
    return Advice(agent=trace.steps[step].agent, step=step, by="oracle")


SLIPS: dict[bytes, Advice] = {}
"""True slips of runs, found once: settings share their first runs."""


def oracle(tasks: Sequence[Attempts]) -> list[Advice | None]:
    """The true slips of the latest attempts."""
    said: list[Advice | None] = []
    for attempts in tasks:
        trace = attempts[-1].trace
        key = content(trace)
        SLIPS[key] = SLIPS.get(key) or true_slip(trace)
        said.append(SLIPS[key])
    return said


def rewind(tasks: Sequence[Attempts]) -> list[Advice | None]:
    """The true slips, held against nobody."""
    return [slip and msgspec.structs.replace(slip, agent="") for slip in oracle(tasks)]


def content(trace: Trace) -> bytes:
    """What is the same in equal runs of one task."""
    return msgspec.json.encode([trace.task.id, trace.steps])


class Once:
    """A method that is asked once about equal runs, whatever they are called."""

    needs: ClassVar[frozenset[str]] = frozenset({"trace"})

    def __init__(self, method: Any) -> None:
        self.name, self._method = method.name, method
        self._known: dict[bytes, Attribution] = {}

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict."""
        return self.attribute_many([trace], context)[0]

    def attribute_many(self, traces: Sequence[Trace], context: Context) -> list[Attribution]:
        """The verdicts; what is new is asked together."""
        keys = [content(trace) for trace in traces]
        new = {key: t for key, t in zip(keys, traces, strict=True) if key not in self._known}
        made = self._method.attribute_many(list(new.values()), context)
        self._known.update(zip(new, made, strict=True))
        return [self._known[key] for key in keys]


def tracer(options: argparse.Namespace) -> Adviser:
    """The generative tracer of a folder, loaded once."""
    from tracekit.analyzers.tracer.analyzer import DEFAULTS, Tracer
    from tracekit_models.tracer.local import load as loaded

    chosen = dict(each.partition("=")[::2] for each in options.set)
    settings = {"batch": 64, **{name: json.loads(value) for name, value in chosen.items()}}
    writer = loaded(str(options.model), {**DEFAULTS, **settings})
    context = Context(seed=options.seed, settings={"model": str(options.model), **settings})
    return ByMethod(Once(Tracer(writer)), context)


def adviser(name: str, setting: Setting, options: argparse.Namespace) -> Adviser:
    """Who advises in a setting."""
    if name == "constant":
        return constant(best_constant(setting, options))
    if name == "random":
        return by_chance(options.seed)
    fixed: dict[str, Adviser] = {"none": silent, "oracle": oracle, "rewind": rewind}
    if name in fixed:
        return fixed[name]
    if name == "tracer":
        return tracer(options)
    return ByMethod(registry.get("analyzers", name), Context(seed=options.seed))


# --- measured ------------------------------------------------------------------------------------


def measure(name: str, options: argparse.Namespace, out: Path) -> None:
    """Write what became of every case in every setting, by one method."""
    rows = []
    shared = None if name == "constant" else adviser(name, ANY, options)  # one for each setting
    for habit in options.habits:
        if options.blind:
            runs = list(islice(first_runs(habit, options.seed), options.cases))
        else:
            runs = cases(habit, options.seed, options.cases)
        for start in options.starts:
            if name == "rewind" and start == "beginning":  # the same as to say nothing
                continue
            setting, began = Setting(habit, start, not options.blind), time.perf_counter()
            advise = shared or adviser(name, setting, options)
            for repeat in range(options.repeats):
                if name == "random":
                    advise = by_chance(options.seed + repeat)
                found = in_rounds(SYSTEM, runs, advise, setting.rules, options.seed + repeat)
                rows += [row(name, setting, repeat, *one) for one in zip(runs, found, strict=True)]
            seconds = time.perf_counter() - began
            if lost := sum(any(each["failed"]) for each in rows):
                print(f"{name}: judgements failed in {lost} of {len(rows)} cases", file=sys.stderr)
            print(f"{name}, {setting}: {seconds:.0f} s", file=sys.stderr, flush=True)
    with out.open("w") as stream:
        stream.writelines(json.dumps(each) + "\n" for each in rows)


def row(name: str, setting: Setting, repeat: int, run: Trace, found: History) -> dict[str, Any]:
    """One case: whether it was solved after each round, and what was said in each."""
    said = [one.advice for one in found.attempts[:-1]]
    return {
        "method": name,
        "setting": msgspec.to_builtins(setting),
        "task": f"{run.task.id}#{repeat}",
        "question": question_key(run),
        "solved": [found.solved(number) for number in range(ROUNDS + 1)],
        "said": [None if one is None else [one.agent, one.step] for one in said],
        "failed": [one is not None for one in found.failed],
    }


def main() -> int:
    """Measure what is asked for, then print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", default=METHODS, help="comma-separated; empty = tables alone")
    parser.add_argument("--model", type=Path, help="folder of the tracer")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=JSON", help="of the tracer"
    )
    parser.add_argument("--cases", type=int, default=300, help="failed tasks, over 25 teams")
    parser.add_argument("--repeats", type=int, default=1, help="seeds of the retries of each case")
    parser.add_argument("--seed", type=int, default=930)
    parser.add_argument("--habits", type=_numbers, default=[0.0, 0.8], metavar="A,B")
    parser.add_argument("--starts", type=lambda t: t.split(","), default=["beginning", "step"])
    parser.add_argument("--blind", action="store_true", help="nobody knows which attempts failed")
    parser.add_argument(
        "--trained", type=Path, action="append", default=[], metavar="FILE",
        help="runs whose questions are left out of the tables: the tracer was trained on them",
    )  # fmt: skip
    parser.add_argument(
        "--after", type=int, default=ROUNDS, help="round after which methods are compared"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of JSONL files")
    options = parser.parse_args()
    if options.blind and options.methods == METHODS:
        options.methods = "none,random,constant,compact"
    options.out.mkdir(parents=True, exist_ok=True)
    for name in filter(None, options.methods.split(",")):
        end = "-blind" if options.blind else ""
        measure(name, options, options.out / f"{name}{end}.jsonl")
    trained = frozenset(question_key(run) for path in options.trained for run in load(path))
    report(sorted(options.out.glob("*.jsonl")), trained, options.after)
    return 0


def _numbers(text: str) -> list[float]:
    return [float(each) for each in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
