"""What each part of `compact` is worth: its linear members out of fold, with parts taken away.

    OMP_NUM_THREADS=1 python benchmarks/compact_ablations.py --data $TRACEKIT_DATA --seeds 3

The folds are those of `tracekit_models.compact.check`; a fit of the linear members takes a second
and everything some minutes. Columns are taken away by setting them to 0, before anything is fitted.
Beside them stands what has to be beaten: the commonest labelled step of the same set in training.
`--networks 2` compares bags of two networks that start from injected failures and from nothing
instead; they take minutes more.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tracekit.analyzers.compact.features import WIDE
from tracekit.analyzers.compact.fit import Example, fit_weights
from tracekit.analyzers.compact.networks import Networks
from tracekit.analyzers.compact.weights import Model, agent_chances, ranking
from tracekit.analyzers.conditional_logit import softmax
from tracekit.stats import wilson
from tracekit_models.compact.check import PARTS, Job, jobs
from tracekit_models.compact.data import MAIN
from tracekit_models.compact.trainer import fit_networks

POSITION = (
    "first_deed second_deed last_deed last_but_one_deed log_deeds_before log_deeds_after "
    "relative log_turn"
)
SPEAKER = (
    "executor hub deed worker new_agent own_before own_after own_share same_as_previous "
    "same_as_next alone_next last_actors next_is_report"
)
STYLE = (
    "checks concludes intends claims hedges trouble agrees by_hand asks stops looks_up soft_failure"
)
GROUPS = {
    "position": {f"position.{name}" for name in POSITION.split()},
    "speaker": {f"position.{name}" for name in SPEAKER.split()},
    "style": {"position.length", "position.little", *(f"phrase.{n}" for n in STYLE.split())},
}
"""Columns by what they know: where a step stands; who speaks; how it is said."""


class Said(NamedTuple):
    """What one model says of one run."""

    step: bool
    top3: bool
    agent: bool
    loss: float
    """Minus the log-probability of the labelled step; NaN where there are no probabilities."""


BOTH = ["wide", "short"]
Judge = Callable[[str, Example], Said]


def keeping(names: set[str]) -> Callable[[Example], Example]:
    """Runs of which the wide member sees these columns alone."""
    mask = np.array([float(name in names) for name in WIDE])

    def kept(one: Example) -> Example:
        tables = {**one.tables.by_member, "wide": one.tables.by_member["wide"] * mask}
        return one._replace(tables=one.tables._replace(by_member=tables))

    return kept


def judges(train: list[Example], members: dict[str, list[str]], seed: int) -> dict[str, Judge]:
    """One fit, judged by several choices of its members."""
    weights = fit_weights(train, seed)

    def judge(_: str, one: Example, names: list[str]) -> Said:
        seen = one.tables
        logs = zip(weights.members, weights.logs(seen.by_member, seen.blamable), strict=True)
        chances = np.zeros(len(seen.blamable))
        kept = [found for member, found in logs if member.name in names]
        chances[seen.blamable] = softmax(np.mean(kept, axis=0))
        return scored(chances, one)

    return {
        name: lambda part, one, names=names: judge(part, one, names)  # type: ignore[misc]
        for name, names in members.items()
    }


def scored(chances: np.ndarray, one: Example, agents: dict[str, float] | None = None) -> Said:
    """The verdict on a run against its label, as the analyzer would give it."""
    owners = [str(agent) for agent in one.tables.graph.agent]
    order = ranking(chances, owners, agents or agent_chances(chances, owners))
    return Said(
        order[0] == one.step,
        one.step in order[:3],
        owners[order[0]] == owners[one.step],
        -float(np.log(chances[one.step])),
    )


def constant(train: Iterable[Example], sets: dict[str, str]) -> Judge:
    """The commonest labelled step of the same set; the last that can be blamed of shorter runs."""
    places: dict[str, Counter[int]] = defaultdict(Counter)
    for one in train:
        places[sets[one.print]][one.step] += 1

    def judge(part: str, one: Example) -> Said:
        rows = np.flatnonzero(one.tables.blamable).tolist()
        ranked = [k for k, _ in sorted(places[part].items(), key=lambda kn: (-kn[1], kn[0]))]
        named = [k if k in rows else rows[-1] for k in ranked[:3]]
        who = one.tables.graph.agent
        return Said(
            named[0] == one.step, one.step in named, who[named[0]] == who[one.step], float("nan")
        )

    return judge


def variants(job: Job, sets: dict[str, str]) -> Iterable[tuple[str, Judge]]:
    """Everything that is compared, fitted on the training runs of one fold."""
    yield "commonest step of the set", constant(job.train, sets)
    choices = {"both linear members": BOTH, "`wide` alone": ["wide"], "`short` alone": ["short"]}
    yield from judges(job.train, choices, job.seed).items()
    own = [one for one in job.train if sets[one.print] in PARTS.values()]
    alone = {"both, Who&When alone": BOTH, "`short`, Who&When alone": ["short"]}
    yield from judges(own, alone, job.seed).items()
    masks = {f"{name} alone": columns for name, columns in GROUPS.items()}
    masks["everything but these three"] = set(WIDE).difference(*GROUPS.values())
    for name, columns in masks.items():
        kept = keeping(columns)
        found = judges([kept(one) for one in job.train], {name: ["wide"]}, job.seed)[name]
        yield name, lambda part, one, kept=kept, found=found: found(part, kept(one))  # type: ignore[misc]


def networked(job: Job, bag: int) -> Iterable[tuple[str, Judge]]:
    """Networks alone and beside the linear members, with injected failures and without."""
    weights = fit_weights(job.train, job.seed)
    for name, scratch in {"pre-trained on injected failures": False, "from nothing": True}.items():
        found = fit_networks(job.train, job.seed, bag, scratch=scratch)

        def alone(_: str, one: Example, found: Networks = found) -> Said:
            return scored(np.exp(found.log_chances(one.tables.graph)), one)

        def beside(_: str, one: Example, found: Networks = found) -> Said:
            model = Model(weights, found)
            owners = [str(agent) for agent in one.tables.graph.agent]
            return scored(model.raw(one.tables), one, model.agents(one.tables, owners))

        yield f"network alone, {name}", alone
        yield f"linear members and network, {name}", beside


def main() -> int:
    """Print one table for each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", type=int, default=0, help="networks in a bag")
    given = parser.parse_args()
    work = list(jobs(given.data / "labeled", given.seeds))
    sets = {
        one.print: PARTS.get(one.system, name) if name == MAIN else name
        for job in work
        for name, one in job.test
    }
    found: dict[tuple[str, str], list[Said]] = defaultdict(list)
    for job in work:
        fitted = networked(job, given.networks) if given.networks else variants(job, sets)
        for name, judge in fitted:
            for _, one in job.test:
                part = sets[one.print]
                found[part, name].append(judge(part, one))
        sys.stderr.write(".")
        sys.stderr.flush()
    for part in sorted(set(sets.values())):
        print(
            f"\n{part}\n\n| what is fitted | step % | top 3 % | agent % | NLL |\n|---|---:|---:|---:|---:|"
        )
        for (other, name), rows in found.items():
            if other == part:
                print(f"| {name} | {' | '.join(cells(rows, given.seeds))} |")
    return 0


def cells(rows: list[Said], seeds: int) -> list[str]:
    """Means over the seeds with Wilson's interval of the steps, for a table."""
    n = len(rows) // seeds
    step, top3, agent, loss = np.mean(rows, axis=0)
    e = wilson(step * n, n)
    interval = f"{100 * step:.1f} ({100 * e.low:.0f}-{100 * e.high:.0f})"
    return [
        interval,
        f"{100 * top3:.1f}",
        f"{100 * agent:.1f}",
        f"{loss:.2f}" if loss == loss else "-",
    ]


if __name__ == "__main__":
    sys.exit(main())
