"""Searches for a causal graph: PC, CD-NOD, FCI and GES of causal-learn, with time behind them.

Variables lie in tiers, earlier ones first. An edge between tiers points forward: what happens later
does not cause what happened before. Within a tier only the data can tell, and often do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from tracekit.analyzers.causal.independence import Asked, Covariance, Partial, Variables, registered
from tracekit.errors import UsageError
from tracekit.optional import require

Algorithm = Literal["cd-nod", "pc", "fci", "ges"]
Test = Literal["covariance", "fisher-z", "g-squared", "kernel"]
Mark = Literal["-->", "---", "<->", "o->", "o-o"]

ALGORITHMS: tuple[str, ...] = get_args(Algorithm)
TESTS: tuple[str, ...] = get_args(Test)
KERNEL_ROWS = 1000
"""Runs up to which kernel tests are made: their cost grows with the cube."""
DEPTH = 3
"""Variables at most in a condition; deeper tests have little power and cost most of the time."""


class Edge(NamedTuple):
    """Two variables that stay dependent whatever others are held fixed."""

    source: int
    """The earlier one; of one tier, the cause where the mark tells one."""
    target: int
    mark: Mark
    """`-->` causes; `---` either way; `<->` a hidden common cause; `o->` causes or shares a hidden
    cause; `o-o` nothing is known of the direction."""


class Settings(NamedTuple):
    """How to search."""

    algorithm: Algorithm = "cd-nod"
    test: Test = "covariance"
    alpha: float = 0.02
    """Level of each test of independence."""
    depth: int = DEPTH


def check(settings: Settings, rows: int) -> None:
    """Raise `UsageError` for a search that cannot be made."""
    if settings.algorithm not in ALGORITHMS:
        raise UsageError(f"no search {settings.algorithm!r}; there are {', '.join(ALGORITHMS)}")
    if settings.test not in TESTS:
        raise UsageError(f"no test {settings.test!r}; there are {', '.join(TESTS)}")
    if not 0 < settings.alpha < 1:
        raise UsageError(f"alpha lies between 0 and 1, not {settings.alpha}")
    if settings.test == "kernel" and rows > KERNEL_ROWS:
        raise UsageError(f"kernel tests are made of {KERNEL_ROWS:,} runs at most, not {rows:,}")


def search(variables: Variables, tiers: Sequence[int], settings: Settings) -> tuple[Edge, ...]:
    """Edges of the graph, by source, then target.

    `tiers` has the tier of each variable; those of tier -1 are context: they have no causes and
    no edges among themselves. Raises `UsageError` for settings that do not exist, `MissingExtra`
    without causal-learn.
    """
    check(settings, len(variables.values))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own making: short data, deprecations
        if settings.algorithm == "ges":
            marks = _ges(variables, tiers)
        elif settings.algorithm == "fci":
            marks = _fci(variables, tiers, settings)
        else:
            marks = _pc(variables, tiers, settings)
    return tuple(sorted(_forward(marks, tiers, hidden=settings.algorithm == "fci")))


def _asked(variables: Variables, settings: Settings) -> Asked:
    """The test as a function."""
    if settings.test == "covariance":
        return Covariance(variables).p
    if settings.test == "fisher-z":
        return Partial(variables).p
    test = require("causallearn.utils.cit", extra="analyze").CIT
    name = {"g-squared": "gsq", "kernel": "kci"}[settings.test]
    found: Asked = test(variables.heads, name)
    return found


def _pc(variables: Variables, tiers: Sequence[int], settings: Settings) -> np.ndarray:
    """PC; with a context among the variables, the first two phases of CD-NOD.

    causal-learn's `cdnod` leaves tiers out of its search for the skeleton and draws a progress bar
    whatever it is told; it is PC on the variables and the context, which nothing may cause.
    """
    pc = require("causallearn.search.ConstraintBased.PC", extra="analyze").pc
    found = pc(
        variables.heads,
        settings.alpha,
        registered(),
        background_knowledge=_knowledge(tiers),
        show_progress=False,
        max_k=settings.depth,
        asked=_asked(variables, settings),
        tiers=tiers,
    )
    return np.asarray(found.G.graph)


def _fci(variables: Variables, tiers: Sequence[int], settings: Settings) -> np.ndarray:
    """FCI, told of the tiers afterwards: causal-learn would print, and rule hidden causes out."""
    fci = require("causallearn.search.ConstraintBased.FCI", extra="analyze").fci
    with redirect_stdout(StringIO()):  # it prints what it orients, told to be silent or not
        graph, _ = fci(
            variables.heads,
            registered(),
            settings.alpha,
            depth=settings.depth,
            show_progress=False,
            asked=_asked(variables, settings),
            tiers=tiers,
        )
    return np.asarray(graph.graph)


def _ges(variables: Variables, tiers: Sequence[int]) -> np.ndarray:
    """GES by BIC, which knows neither tiers nor contexts: these are regressed out before."""
    ges = require("causallearn.search.ScoreBased.GES", extra="analyze").ges
    inner = [k for k in range(variables.n) if tiers[k] >= 0]
    outer = [c for k in range(variables.n) if tiers[k] < 0 for c in variables.blocks[k]]
    values = variables.heads[:, inner]
    if outer:
        context = variables.values[:, outer]
        values = values - context @ np.linalg.lstsq(context, values, rcond=None)[0]
    moments = np.corrcoef(values.T) + 1e-9 * np.eye(len(inner))
    found = ges(cov=moments, n=len(values) - variables.lost)["G"].graph
    marks = np.zeros((variables.n, variables.n), dtype=int)
    marks[np.ix_(inner, inner)] = found
    return marks


def _knowledge(tiers: Sequence[int]) -> Any:
    background = require(
        "causallearn.utils.PCUtils.BackgroundKnowledge", extra="analyze"
    ).BackgroundKnowledge()
    node = require("causallearn.graph.GraphNode", extra="analyze").GraphNode
    lowest = min(tiers)
    for number, tier in enumerate(tiers, 1):  # the names that causal-learn gives
        background.add_node_to_tier(node(f"X{number}"), tier - lowest)
    if lowest < 0:
        background.forbidden_within_tiers.add(0)
    return background


ENDS: dict[tuple[int, int], Mark] = {
    (-1, 1): "-->",
    (-1, -1): "---",
    (1, 1): "<->",
    (2, 1): "o->",
    (2, 2): "o-o",
    (2, -1): "---",
    (-1, 2): "---",
}
"""Edges by causal-learn's numbers at their two ends: -1 tail, 1 arrow, 2 circle."""


def _forward(marks: np.ndarray, tiers: Sequence[int], *, hidden: bool) -> list[Edge]:
    """Edges from causal-learn's matrix, all of them pointing forward in time.

    Time says that the later one is no cause. That leaves one direction where there are no `hidden`
    causes, and a circle at the earlier end where there may be.
    """
    found = []
    for i in range(len(marks)):
        for j in range(i + 1, len(marks)):
            if marks[i, j] == 0 or max(tiers[i], tiers[j]) < 0:
                continue
            a, b = (i, j) if tiers[i] <= tiers[j] else (j, i)
            ends = int(marks[a, b]), int(marks[b, a])
            if tiers[a] != tiers[b]:
                tail = not hidden or ends[0] == -1
                ends = (-1, 1) if tail else (1, 1) if ends == (1, 1) else (2, 1)
            elif ends in ((1, -1), (1, 2)):
                a, b, ends = b, a, (ends[1], ends[0])
            found.append(Edge(a, b, ENDS[ends]))
    return found
