"""What influence sees where the truth is known: ignored messages and lazy agents of the sandbox.

    OMP_NUM_THREADS=1 python benchmarks/influence.py --model DIR      # trains it when DIR is absent

*Ignored messages.* A turn is played twice: with all its agent was given, and without one message.
Where that changes what it does, the message was used. The turn played without it then stands in the
run as if it had been given: a message that was ignored. A measure is asked how much of the turn
rests on it, in both runs; AUC is the chance that it says less where it was ignored.

*Lazy agents.* A worker is replaced by one who only repeats what it was last told. AUC is the chance
that it gets less credit than the same worker in the same run had; `model` is left out, it would have
to score every message of every run.

Tasks of seeds from 1,000 on, which the model is not trained on; intervals by bootstrap over tasks.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tracekit.analyzers.influence.analyzer import scorer_of
from tracekit.analyzers.influence.measures import Influence, influence_of
from tracekit.analyzers.influence.report import IGNORED, LAZY, report_of
from tracekit.replay.sandbox.agents import act, meaning
from tracekit.replay.sandbox.families.table import FAMILIES
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES
from tracekit.replay.sandbox.view import View
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.stats import auroc, bootstrap
from tracekit.trace import Step, Trace
from tracekit_models.influence.train import HELD, VOICE, train

SKILL = 0.95


class Pair(NamedTuple):
    """The same turn with a message used, and with the same message ignored."""

    task: str
    family: str
    used: Trace
    ignored: Trace
    message: int
    reader: int


def pairs(wanted: int, seed: int, voice: dict[str, Any]) -> Iterator[Pair]:
    """Pairs from all families and topologies in turn, one a run."""
    number = HELD + seed
    found = 0
    while found < wanted:
        for family in sorted(FAMILIES):
            for topology in sorted(TOPOLOGIES):
                number += 1
                sandbox = Sandbox(family, topology, skill=SKILL, **voice)
                trace = sandbox.run(next(sandbox.tasks(seed=number)), seed=number)
                rng = np.random.default_rng(number)
                made = list(planted(sandbox, trace, rng))
                if made and found < wanted:
                    yield made[int(rng.integers(len(made)))]
                    found += 1


def planted(sandbox: Sandbox, trace: Trace, rng: np.random.Generator) -> Iterator[Pair]:
    """Every turn and message that can be ignored to some effect, a few turns a run."""
    points = [p for p in sandbox.checkpoints(trace) if sandbox.view(p) is not None and p.step]
    for place in rng.permutation(len(points))[:4]:
        point = points[int(place)]
        step = trace.steps[point.step]
        for message in step.inputs.steps if step.inputs else ():
            made = ignoring(sandbox, trace, point, message)
            if made is not None:
                yield Pair(
                    trace.task.id or "",
                    sandbox.settings.family,
                    until(trace, step),
                    until(trace, made),
                    message,
                    point.step,
                )


def ignoring(sandbox: Sandbox, trace: Trace, point: Checkpoint, message: int) -> Step | None:
    """The turn as it is played without a message, None when that changes nothing."""
    view = sandbox.view(point)
    assert view is not None
    kept = [told for told in view.messages() if told.content != trace.steps[message].content]
    change = Intervention(step=point.step, inputs=tuple(kept))
    seed = trace.extra["sandbox"]["draws"]
    step, made = trace.steps[point.step], sandbox.resume(point, change, seed).steps[point.step]
    name = sandbox.settings.family
    if made.agent != step.agent or meaning(name, Action.of(made)) == meaning(name, Action.of(step)):
        return None
    return msgspec.structs.replace(made, inputs=step.inputs)


def until(trace: Trace, last: Step) -> Trace:
    """A run up to a step, which is given."""
    steps = (*trace.steps[: last.index], last)
    return msgspec.structs.replace(trace, steps=steps, id=f"{trace.id}-{last.index}")


Measured = Callable[[Trace, Collection[int] | None], Influence]


def auc_of(good: Sequence[float], bad: Sequence[float]) -> float:
    """Chance that a good one is above a bad one, ties count half."""
    return auroc([*good, *bad], [True] * len(good) + [False] * len(bad))


def interval(good: Sequence[float], bad: Sequence[float], groups: Sequence[str]) -> list[float]:
    """AUC with a 95 % interval over tasks, drawn together with their pairs."""
    names = sorted(set(groups))
    rows = {name: [k for k, group in enumerate(groups) if group == name] for name in names}
    rng, drawn = np.random.default_rng(0), []
    for _ in range(300):
        picked = [k for n in rng.integers(len(names), size=len(names)) for k in rows[names[n]]]
        drawn.append(auc_of([good[k] for k in picked], [bad[k] for k in picked]))
    return [auc_of(good, bad), *np.quantile(drawn, [0.025, 0.975]).tolist()]


def ignored_table(found: Sequence[Pair], measures: dict[str, Measured]) -> list[dict[str, Any]]:
    """Print and return a row a measure."""
    print(f"\n{len(found)} used and {len(found)} ignored messages\n")
    print("| measure | AUC % | of shares % | called ignored where it was | where used | ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows = []
    groups = [pair.task for pair in found]
    for name, measure in measures.items():
        began = time.perf_counter()
        seen = [(found_in(measure, p.used, p), found_in(measure, p.ignored, p)) for p in found]
        spent = 1000 * (time.perf_counter() - began) / (2 * len(found))
        good, bad = ([pair[k][0] for pair in seen] for k in (0, 1))
        used, lost = ([pair[k][1] for pair in seen] for k in (0, 1))
        area, shares = interval(good, bad, groups), interval(used, lost, groups)
        caught = bootstrap([float(x < IGNORED) for x in lost], groups)
        false = bootstrap([float(x < IGNORED) for x in used], groups)
        cells = [cell(area), cell(shares), told(caught), told(false), f"{spent:.1f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
        by = {
            family: auc_of(
                [x for x, p in zip(good, found, strict=True) if p.family == family],
                [x for x, p in zip(bad, found, strict=True) if p.family == family],
            )
            for family in sorted({pair.family for pair in found})
        }
        print("|  | " + ", ".join(f"{k} {100 * v:.0f}" for k, v in by.items()) + " | | | | |")
        rows.append({"measure": name, "auc": area, "caught": caught.value, "false": false.value})
    return rows


def found_in(measure: Measured, trace: Trace, pair: Pair) -> tuple[float, float]:
    """How much of the turn rests on the message: in units of the measure, and as a share."""
    made = measure(trace, {pair.reader})
    at = pair.reader, pair.message
    return float(made.raw[at]), float(made.share[at])


def cell(found: Sequence[float]) -> str:
    """A share with its interval, in percent."""
    return f"{100 * found[0]:.1f} ({100 * found[1]:.1f}-{100 * found[2]:.1f})"


def told(found: Any) -> str:
    """An estimate likewise."""
    return cell([found.value, found.low, found.high])


def lazy_runs(wanted: int, seed: int) -> Iterator[tuple[str, str, Trace, Trace]]:
    """(task, worker, run, the same run with that worker only repeating)."""
    number, found = HELD + seed, 0
    while found < wanted:
        for family in sorted(FAMILIES):
            for topology in sorted(TOPOLOGIES):
                number += 1
                plain = Sandbox(family, topology, skill=SKILL)
                task = next(plain.tasks(seed=number))
                trace = plain.run(task, seed=number)
                worker = next((s.agent for s in trace.steps if s.index and works(trace, s)), None)
                if worker is None or found >= wanted:
                    continue
                sandbox = Sandbox(family, topology, skill=SKILL, policies={worker: parrot})
                yield trace.task.id or "", worker, trace, sandbox.run(task, seed=number)
                found += 1


def works(trace: Trace, step: Step) -> bool:
    """Whether it is a message of somebody who is neither a tool nor the one who answers."""
    return step.kind == "message" and step.agent != trace.steps[-1].agent


def parrot(view: View) -> Action:
    """Says again what was said to it last; does as usual where nothing was."""
    heard = [step for step in view.steps if step.agent != view.agent.id]
    if not heard:
        return act(view)
    return Action(heard[-1].content, "message", view.turn.to)


def lazy_table(
    found: Sequence[tuple[str, str, Trace, Trace]], measures: dict[str, Measured]
) -> list[dict[str, Any]]:
    """Print and return a row a measure."""
    print(f"\n{len(found)} workers who do their part and as many who repeat\n")
    print("| measure | AUC of credit % | AUC of adds % | called lazy where it is | where not |")
    print("| --- | --- | --- | --- | --- |")
    rows = []
    groups = [task for task, *_ in found]
    for name, measure in measures.items():
        good = [member(trace, who, measure) for _, who, trace, _ in found]
        bad = [member(trace, who, measure) for _, who, _, trace in found]
        credit = interval([m.credit for m in good], [m.credit for m in bad], groups)
        adds = interval([m.adds for m in good], [m.adds for m in bad], groups)
        caught = bootstrap([float(m.lazy) for m in bad], groups)
        false = bootstrap([float(m.lazy) for m in good], groups)
        print(
            f"| {name} | {cell(credit)} | {cell(adds)} | {told(caught)} | {told(false)} |",
            flush=True,
        )
        rows.append({"measure": name, "credit": credit, "adds": adds})
    return rows


def member(trace: Trace, who: str, measure: Measured) -> Any:
    """The row of an agent in the report on a run."""
    return next(m for m in report_of(trace, measure(trace, None)).members if m.agent == who)


def chance(trace: Trace, _: Collection[int] | None = None) -> Influence:
    """Shares drawn at random: what knows nothing."""
    n = len(trace.steps)
    rng = np.random.default_rng([ord(x) for x in trace.id + trace.steps[-1].content])
    share = np.tril(rng.random((n, n)), -1)
    share /= np.maximum(1.0, share.sum(axis=1, keepdims=True))
    given = tuple(tuple(range(i)) for i in range(n))
    return Influence("overlap", given, share, share, np.ones_like(share, dtype=bool))


def recency(trace: Trace, _: Collection[int] | None = None) -> Influence:
    """Every message rests on the one right before it: what knows the order alone."""
    n = len(trace.steps)
    share = np.eye(n, k=-1)
    return chance(trace)._replace(share=share, raw=share)


def main() -> int:
    """Print the tables, and write them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of the scoring model; left out without")
    parser.add_argument("--steps", type=int, default=300, help="of training, when it is absent")
    parser.add_argument("--pairs", type=int, default=300, help="messages used and ignored")
    parser.add_argument("--workers", type=int, default=100, help="diligent and lazy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--voices", action="store_true", help="many ways to say one thing")
    asked = parser.parse_args()
    voice = {} if asked.voices else VOICE
    measures: dict[str, Measured] = {
        "overlap": lambda trace, some: influence_of(trace, "overlap", None, some),
        "embedding": lambda trace, some: influence_of(trace, "embedding", None, some),
        "the message before": recency,
        "random": chance,
    }
    quick = dict(measures)
    if asked.model is not None:
        if not asked.model.exists():
            print(f"training: {train(asked.model, asked.steps)}", file=sys.stderr)
        scorer = scorer_of(str(asked.model))
        measures = {
            "model": lambda trace, some: influence_of(trace, "model", scorer, some),
            **measures,
        }
    found = {
        "ignored": ignored_table(list(pairs(asked.pairs, asked.seed, voice)), measures),
        "lazy": lazy_table(list(lazy_runs(asked.workers, asked.seed)), quick),
        "limits": {"ignored": IGNORED, "lazy": LAZY},
    }
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
