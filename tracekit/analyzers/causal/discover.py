"""What a corpus says about the causes of failure: a graph, effects, and how far to trust them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from tracekit.analyzers.causal.blame import contributions
from tracekit.analyzers.causal.model import STABLE, Model, Progress, contexts, learn
from tracekit.analyzers.causal.search import Settings
from tracekit.analyzers.causal.table import MOST_COLUMNS, tabulate
from tracekit.analyzers.company import Company, company
from tracekit.stats import Estimate
from tracekit.trace import Trace

OUTCOME = "failure"
"""Name of the last node."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A variable of the graph."""

    name: str
    """Short and unique."""
    tier: int
    """Phase, from 0; one more for the outcome; -1 for the context."""
    says: str
    """In words."""
    seat: str = ""
    """Agent, or role where agents are named anew in every run; empty for outcome and context."""
    behaviour: str = ""
    """Which behaviour; empty for outcome and context."""
    mode: str = ""
    """Failure mode (MAST) that it points to; empty = none."""
    share: float = 0.0
    """Share of runs that show it, 0 to 1."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Two variables that depend on each other directly."""

    source: str
    """The earlier one."""
    target: str
    """The later one."""
    mark: str
    """`-->` causes; `---` either way; `<->` hidden common cause; `o->` one of the two; `o-o` open."""
    stability: float
    """Share of half samples that join the two, 0 to 1."""
    stable: bool
    """Whether that is a half or more."""


class CausalEffect(msgspec.Struct, frozen=True, kw_only=True):
    """What a behaviour does to the chance of failure."""

    name: str
    """Node of the behaviour."""
    seat: str
    """Whose it is."""
    phase: int
    """When, from 0."""
    says: str
    """In words."""
    effect: Estimate
    """Change of the chance of failure, -1 to 1, by adjustment for its parents in the graph; 95 %
    interval from half samples, each with the graph found there."""
    path: float
    """Share of half samples in which the graph leads from it to failure, 0 to 1."""
    weight: float
    """The effect as far as it can be relied on: mean over half samples, 0 in those without path."""
    failing: int
    """Failed runs that show it."""
    passing: int
    """Successful runs that show it."""


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a search over a corpus."""

    runs: int
    """Runs of known outcome."""
    failures: int
    """Those that failed."""
    tasks: int
    """Tasks they are of."""
    within_tasks: bool
    """Whether runs were compared with other runs of the same task only."""
    algorithm: str
    """How the graph was searched."""
    test: str
    """How independence was tested."""
    alpha: float
    """At which level."""
    seed: int
    """Seed of half samples and shuffles."""
    halves: int
    """Half samples drawn."""
    phases: tuple[tuple[int, int | None], ...]
    """First and last step of each phase; None = to the end of the run."""
    nodes: tuple[Node, ...]
    """By tier; the outcome comes last, then the context."""
    links: tuple[Link, ...]
    """The most stable first."""
    effects: tuple[CausalEffect, ...]
    """Behaviour that leads to failure in half of the half samples or more, the weightiest first."""
    seats: dict[str, float]
    """How much of the chance of failure each agent brings into a failed run by the behaviour in
    `effects`, the most first; what none of these explains belongs to nobody."""
    false_edges: float
    """Share of pairs that are joined when columns are shuffled apart, 0 to 1."""
    false_effect: float
    """The largest effect along a path found in any shuffled table."""
    company: tuple[Company, ...]
    """Actions that go with failure within tasks, of any kind and any phase."""
    warnings: tuple[str, ...]
    """What to keep in mind, in sentences."""


def discover(
    traces: Sequence[Trace],
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    phases: int | None = None,
    most: int = MOST_COLUMNS,
    variant: Callable[[Trace], str] = lambda _: "",
    halves: int = 30,
    shuffles: int = 10,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Discovery:
    """Search a corpus for the causes of failure.

    Raises `InputError` for a corpus that cannot tell, `UsageError` for settings that do not exist
    and `MissingExtra` without causal-learn.
    """
    table = tabulate(traces, phases=phases, most=most, variant=variant)
    model = learn(table, settings, halves=halves, shuffles=shuffles, seed=seed, progress=progress)
    nodes = _nodes(model)
    return Discovery(
        runs=len(table.failed),
        failures=int(table.failed.sum()),
        tasks=len(np.unique(table.task)),
        within_tasks=table.repeated,
        algorithm=settings.algorithm,
        test=settings.test,
        alpha=settings.alpha,
        seed=seed,
        halves=halves,
        phases=_phases(table.layout.edges),
        nodes=nodes,
        links=tuple(_links(model, nodes)),
        effects=tuple(_effects(model)),
        seats=by_seat(model),
        false_edges=float(model.false_edges.mean()) / model.pairs if shuffles else 0.0,
        false_effect=float(model.false_effects.max(initial=0.0)),
        company=tuple(company(traces, seed=seed)),
        warnings=tuple(_warnings(model, len(traces) - len(table.failed))),
    )


def by_seat(model: Model) -> dict[str, float]:
    """What each agent adds to the chance of failure of a failed run, the most first.

    Only behaviour that leads to failure (`Model.leading`) counts.
    """
    said = contributions(model)[model.table.failed > 0].mean(axis=0) * model.leading
    seats: dict[str, float] = {}
    for column, worth in zip(model.table.columns, said, strict=True):
        seats[column.seat] = seats.get(column.seat, 0.0) + float(worth)
    return dict(sorted(seats.items(), key=lambda item: (-item[1], item[0])))


def when(found: Discovery, phase: int) -> str:
    """Which steps a phase has, for people: `steps 0-3`, `step 4`, `from step 5`."""
    first, last = found.phases[phase]
    if last is None:
        return f"from step {first}"
    return f"step {first}" if first == last else f"steps {first}-{last}"


def _phases(edges: Sequence[int]) -> tuple[tuple[int, int | None], ...]:
    """First and last step of each phase.

    >>> _phases((2, 5))
    ((0, 1), (2, 4), (5, None))
    """
    starts = [0, *edges]
    ends: list[int | None] = [edge - 1 for edge in edges]
    return tuple(zip(starts, [*ends, None], strict=True))


def _nodes(model: Model) -> tuple[Node, ...]:
    table = model.table
    found = [
        Node(
            name=column.name,
            tier=column.phase,
            says=column.says,
            seat=column.seat,
            behaviour=column.behaviour.name,
            mode=column.behaviour.mode,
            share=float(table.values[:, k].mean()),
        )
        for k, column in enumerate(table.columns)
    ]
    last = 1 + max(column.phase for column in table.columns)
    share = float(table.failed.mean())
    found.append(Node(name=OUTCOME, tier=last, says="the run fails", share=share))
    if model.settings.algorithm == "cd-nod":
        classes = model.settings.test == "g-squared"
        found += [
            Node(name=name, tier=-1, says=CONTEXT[name])
            for name in contexts(table, classes=classes)
        ]
    return tuple(found)


CONTEXT = {
    "time": "when the run took place",
    "variant": "which variant of the system ran",
    "difficulty": "how hard the task is for other runs",
}


def _links(model: Model, nodes: Sequence[Node]) -> list[Link]:
    """Edges of the whole table, and any others that most half samples agree on."""
    marks = {edge[:2]: str(edge.mark) for edge in model.edges}
    known = {tuple(sorted(pair)) for pair in marks}
    for pair, times in model.found.items():
        if pair not in known and times >= STABLE * model.halves:
            a, b = sorted(pair, key=lambda k: (nodes[k].tier, k))
            marks[a, b] = "-->" if nodes[a].tier < nodes[b].tier else "---"
    found = []
    for (a, b), mark in marks.items():
        share = model.found[min(a, b), max(a, b)] / model.halves if model.halves else 0.0
        found.append(
            Link(
                source=nodes[a].name,
                target=nodes[b].name,
                mark=mark,
                stability=share,
                stable=share >= STABLE,
            )
        )
    return sorted(found, key=lambda link: (-link.stability, link.source, link.target))


def _effects(model: Model) -> list[CausalEffect]:
    table = model.table
    found = []
    for k in np.flatnonzero(model.leading):
        column = table.columns[k]
        drawn = model.drawn_effects[:, k]
        value = float(model.effects[k])
        low, high = np.quantile(drawn, [0.025, 0.975]) if model.halves else (-1.0, 1.0)
        failing = float(table.values[:, k] @ table.failed)
        found.append(
            CausalEffect(
                name=column.name,
                seat=column.seat,
                phase=column.phase,
                says=column.says,
                effect=Estimate(value, min(value, float(low)), max(value, float(high))),
                path=float(model.share[k]),
                weight=float(model.weights[k]),
                failing=int(failing),
                passing=int(table.values[:, k].sum() - failing),
            )
        )
    return sorted(found, key=lambda one: (-abs(one.weight), one.name))


def _warnings(model: Model, unknown: int) -> list[str]:
    found = []
    table = model.table
    if unknown:
        found.append(f"{unknown} runs of unknown outcome were left out")
    if not table.repeated:
        found.append(
            "tasks have too few runs to be compared with themselves: how hard a task is may look "
            "like what agents do"
        )
    if model.settings.test == "g-squared" and table.repeated:
        found.append(
            "classes cannot be compared within tasks; three classes of difficulty stand in"
        )
    if model.settings.algorithm != "fci":
        found.append("hidden common causes are assumed away; --algorithm fci does not")
    return found
