"""The graph of a corpus, how far it can be trusted, and the effects that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tracekit.analyzers.causal.effects import ancestors, average_effects, coefficients
from tracekit.analyzers.causal.independence import Variables
from tracekit.analyzers.causal.search import Edge, Settings, search
from tracekit.analyzers.causal.table import Table
from tracekit.errors import InputError

CURVES = 3
"""Cosines that stand for a smooth change over time."""
BINS = 4
"""Stretches of time where a test needs classes."""
LEAST_RUNS = 30
"""Runs of known outcome below which nothing is learned."""
LEAST_OF_EACH = 8
"""Failures, and successes, below which nothing is learned."""
STABLE = 0.5
"""Share of half samples from which what was found counts as stable."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Model:
    """What was learned from a table. Variables are its columns, the outcome, then the context."""

    table: Table
    settings: Settings
    edges: tuple[Edge, ...]
    """Of the whole table."""
    found: Counter[tuple[int, int]]
    """In how many half samples two variables were joined, by (lower, higher) number."""
    directed: Counter[tuple[int, int]]
    """In how many an edge led from one to the other."""
    halves: int
    """Half samples."""
    effects: np.ndarray
    """Average effect on failure of each column, (n_columns,)."""
    drawn_effects: np.ndarray
    """The same in each half sample, (halves, n_columns)."""
    paths: np.ndarray
    """Whether each column had a path to failure there, bool (halves, n_columns)."""
    direct: np.ndarray
    """Coefficients of direct effects among columns and outcome."""
    false_edges: np.ndarray
    """Edges found in each shuffled table."""
    false_effects: np.ndarray
    """The largest effect along a path in each shuffled table."""

    @property
    def outcome(self) -> int:
        """Number of the variable `failure`."""
        return len(self.table.columns)

    @property
    def pairs(self) -> int:
        """Pairs of variables that could have been joined, context left out."""
        return self.outcome * (self.outcome + 1) // 2

    @property
    def share(self) -> np.ndarray:
        """Share of half samples in which each column has a path to failure, (n_columns,).

        Without half samples, 1 for a path in the graph of the whole table, 0 for none.
        """
        if self.halves:
            return np.asarray(self.paths.mean(axis=0))
        causes = ancestors(self.edges, self.outcome)
        return np.array([float(k in causes) for k in range(self.outcome)])

    @property
    def leading(self) -> np.ndarray:
        """Which columns lead to failure: those with a path in half of the half samples or more."""
        return np.asarray(self.share >= STABLE)

    @property
    def weights(self) -> np.ndarray:
        """Effects as far as they can be relied on: the mean of half samples, 0 without a path."""
        if not self.halves:
            return np.asarray(self.effects * self.share)
        return np.asarray((self.drawn_effects * self.paths).mean(axis=0))


def learn(
    table: Table,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    *,
    halves: int = 50,
    shuffles: int = 10,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Model:
    """Search the table, half samples of it, and shuffled copies of it.

    Raises `InputError` for a table that cannot tell: too few runs, or hardly any of one outcome.
    """
    if why := too_little(table):
        raise InputError(why)
    rng = np.random.default_rng(seed)
    whole = _Sample(table, settings)
    edges = whole.search()
    progress("whole")
    found: Counter[tuple[int, int]] = Counter()
    directed: Counter[tuple[int, int]] = Counter()
    drawn, paths = [], []
    for _ in range(halves):
        half = _Sample(table.rows(half_of(table, rng)), settings)
        some = half.search()
        found.update((min(e[:2]), max(e[:2])) for e in some)
        directed.update(e[:2] for e in some if e.mark == "-->")
        drawn.append(half.effects(some))
        paths.append(half.reached(some))
        progress("half sample")
    nothing = [_nothing(table, settings, rng, progress) for _ in range(shuffles)]
    size = len(table.columns)
    return Model(
        table=table,
        settings=settings,
        edges=edges,
        found=found,
        directed=directed,
        halves=halves,
        effects=whole.effects(edges),
        drawn_effects=np.array(drawn).reshape(halves, size),
        paths=np.array(paths, dtype=bool).reshape(halves, size),
        direct=whole.direct(edges),
        false_edges=np.array([count for count, _ in nothing]),
        false_effects=np.array([largest for _, largest in nothing]),
    )


def too_little(table: Table) -> str | None:
    """Why nothing can be learned from a table; None = something can."""
    runs, failures = len(table.failed), int(table.failed.sum())
    if runs < LEAST_RUNS:
        return f"the corpus has {runs} runs of known outcome; it takes {LEAST_RUNS}"
    for what, count in (("failed", failures), ("succeeded", runs - failures)):
        if count < LEAST_OF_EACH:
            return f"only {count} of {runs} runs {what}; it takes {LEAST_OF_EACH} of each"
    if not table.columns:
        return "no behaviour differs between enough runs"
    return None


def centred(table: Table, values: np.ndarray) -> np.ndarray:
    """Values less their mean within the task, where tasks are repeated; else less their mean."""
    if not table.repeated:
        return np.asarray(values - values.mean(axis=0))
    sums = np.zeros((int(table.task.max()) + 1, values.shape[1]))
    np.add.at(sums, table.task, values)
    count = np.bincount(table.task, minlength=len(sums))
    return np.asarray(values - (sums / np.maximum(count, 1)[:, None])[table.task])


def effects_of(table: Table, settings: Settings, edges: Sequence[Edge]) -> np.ndarray:
    """Average effects on failure in a table, given a graph from elsewhere, (n_columns,)."""
    return _Sample(table, settings).effects(edges)


class _Sample:
    """A table as variables: columns, failure, and a context where the search wants one."""

    def __init__(self, table: Table, settings: Settings) -> None:
        self._table, self._settings = table, settings
        own = np.column_stack([table.values, table.failed])
        self._size = own.shape[1]
        self._own = centred(table, own)
        classes = settings.test == "g-squared"
        self._values = own if classes else self._own
        wanted = contexts(table, classes=classes) if settings.algorithm == "cd-nod" else {}
        self._contexts = [each if classes else centred(table, each) for each in wanted.values()]

    def search(self) -> tuple[Edge, ...]:
        """The graph; a variable that is the same in all runs of the sample has no edges."""
        live = [int(k) for k in np.flatnonzero(self._own.std(axis=0) > 0)]
        names = [*live, *range(self._size, self._size + len(self._contexts))]
        tiers = [*map(self._tier, live), *(-1 for _ in self._contexts)]
        parts = [self._values[:, [k]] for k in live] + self._contexts
        groups = len(np.unique(self._table.task)) if self._table.repeated else 1
        spent = 0 if self._settings.test == "g-squared" else groups
        found = search(Variables.of(parts, spent), tiers, self._settings)
        return tuple(Edge(names[e.source], names[e.target], e.mark) for e in found)

    def _tier(self, variable: int) -> int:
        columns = self._table.columns
        return (
            columns[variable].phase
            if variable < len(columns)
            else 1 + max(column.phase for column in columns)
        )

    def effects(self, edges: Sequence[Edge]) -> np.ndarray:
        """Average effects of the columns on failure."""
        return average_effects(self._still(), self._inner(edges), self._size - 1)[:-1]

    def direct(self, edges: Sequence[Edge]) -> np.ndarray:
        """Direct effects among columns and failure."""
        return coefficients(self._still(), self._inner(edges))

    def reached(self, edges: Sequence[Edge]) -> list[bool]:
        """Which columns have a path to failure."""
        causes = ancestors(edges, self._size - 1)
        return [k in causes for k in range(self._size - 1)]

    def _inner(self, edges: Sequence[Edge]) -> list[Edge]:
        return [edge for edge in edges if max(edge[:2]) < self._size]

    def _still(self) -> np.ndarray:
        """Columns and failure, what goes with the context taken out where there is one."""
        if not self._contexts or self._settings.test == "g-squared":
            return self._own
        context = np.column_stack(self._contexts)
        fit = np.linalg.lstsq(context, self._own, rcond=None)[0]
        return np.asarray(self._own - context @ fit)


def contexts(table: Table, *, classes: bool) -> dict[str, np.ndarray]:
    """What may change how a system works without being a part of it, (n_runs, any) each.

    The time of the run: three cosines, or four stretches where the test needs `classes`; the
    variant, where there are several; and, in classes, how hard the task is for other runs, which
    is otherwise taken out with the mean of the task.
    """
    time = np.minimum((table.order * BINS).astype(int), BINS - 1)[:, None]
    found = {"time": time.astype(float) if classes else _curves(table)}
    count = len(table.variants)
    if count > 1:
        found["variant"] = (
            table.variant[:, None].astype(float) if classes else np.eye(count)[table.variant][:, 1:]
        )
    if classes and table.repeated:
        found["difficulty"] = _difficulty(table)[:, None].astype(float)
    return found


def _curves(table: Table) -> np.ndarray:
    """A smooth change over time: cosines of half a turn, one, and one and a half, (n_runs, 3)."""
    turns = np.pi * np.outer(table.order, np.arange(1, CURVES + 1))
    return np.cos(turns)


def _difficulty(table: Table) -> np.ndarray:
    """Class of the share of failures among other runs of the task: 0 easy, 1, or 2 hard."""
    failures = np.bincount(table.task, weights=table.failed)[table.task] - table.failed
    rate = failures / np.maximum(1, np.bincount(table.task)[table.task] - 1)
    return np.asarray(np.digitize(rate, [0.1, 0.5]))


def half_of(table: Table, rng: np.random.Generator) -> np.ndarray:
    """Rows of half of the tasks, or half of the runs where there are few tasks.

    Halves without replacement rather than a bootstrap: doubled rows look like evidence to a test
    of independence. The spread of an estimate over halves is that of the whole's error.
    """
    tasks = np.unique(table.task)
    if len(tasks) < 10:
        return np.sort(rng.permutation(len(table.failed))[: len(table.failed) // 2])
    chosen = rng.permutation(tasks)[: (len(tasks) + 1) // 2]
    return np.flatnonzero(np.isin(table.task, chosen))


def _nothing(
    table: Table, settings: Settings, rng: np.random.Generator, progress: Progress
) -> tuple[int, float]:
    """Edges, and the largest effect along a path, in a table whose columns are shuffled apart."""
    values = np.column_stack([table.values, table.failed])
    for k in range(values.shape[1]):
        values[:, k] = values[_shuffled(table, rng), k]
    apart = replace(table, values=values[:, :-1], failed=values[:, -1])
    sample = _Sample(apart, settings)
    edges = sample.search()
    inner = [edge for edge in edges if max(edge[:2]) <= len(table.columns)]
    reached = np.abs(sample.effects(edges)) * sample.reached(edges)
    progress("shuffled")
    return len(inner), float(reached.max(initial=0.0))


def _shuffled(table: Table, rng: np.random.Generator) -> np.ndarray:
    """A permutation of the rows, within tasks where these are repeated."""
    if not table.repeated:
        return rng.permutation(len(table.task))
    found = np.arange(len(table.task))
    random = rng.permutation(len(table.task))
    by_task = random[np.argsort(table.task[random], kind="stable")]
    found[np.argsort(table.task, kind="stable")] = by_task
    return found
