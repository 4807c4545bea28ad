"""Tests of conditional independence, for causal-learn's searches to call.

`covariance` and `fisher-z` are our own: a variable may have several columns (a context made of a few
curves over time), and runs of one task are not independent of each other. With one column each,
`fisher-z` gives causal-learn's p to rounding; a test compares them. `g-squared` and `kernel` are
causal-learn's.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tracekit.optional import require

RIDGE = 1e-9
"""Added to variances, so that columns that depend on each other exactly can be inverted."""
REGISTERED = "tracekit-blocks"
"""What causal-learn knows the test by."""


@dataclass(frozen=True)
class Variables:
    """What a search is about: variables of one column or more, over the same runs."""

    values: np.ndarray
    """Columns, float (n_runs, n_columns)."""
    blocks: tuple[tuple[int, ...], ...]
    """Columns of each variable."""
    lost: int = 0
    """Degrees of freedom that were spent before (means of groups that were taken out)."""

    @classmethod
    def of(cls, parts: Sequence[np.ndarray], lost: int = 0) -> Variables:
        """Variables from the columns of each, (n_runs, any)."""
        ends = np.cumsum([part.shape[1] for part in parts]).tolist()
        blocks = tuple(
            tuple(range(end - part.shape[1], end)) for part, end in zip(parts, ends, strict=True)
        )
        return cls(np.column_stack(parts), blocks, lost)

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.blocks)

    @property
    def heads(self) -> np.ndarray:
        """The first column of each variable, (n_runs, n)."""
        return np.ascontiguousarray(self.values[:, [block[0] for block in self.blocks]])


class Remembered:
    """A test that answers each question once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, tuple[int, ...]], float] = {}

    def p(self, x: int, y: int, given: Sequence[int] = ()) -> float:
        """The p of the hypothesis that x and y are independent given the others, 0 to 1."""
        key = (min(x, y), max(x, y), tuple(sorted(int(k) for k in given)))
        if key not in self._known:
            self._known[key] = self._tested(*key)
        return self._known[key]

    @abstractmethod
    def _tested(self, x: int, y: int, given: tuple[int, ...]) -> float: ...


class Partial(Remembered):
    """Fisher's z of partial correlations, Bartlett's chi-squared where a variable has columns.

    Sources: Fisher, Metron 3 (1924) 329; Bartlett, Mathematical Proceedings of the Cambridge
    Philosophical Society 34 (1938) 33.

    >>> rng = np.random.default_rng(0)
    >>> a = rng.normal(size=500); b = a + rng.normal(size=500); c = b + rng.normal(size=500)
    >>> test = Partial(Variables(np.stack([a, b, c], 1), ((0,), (1,), (2,))))
    >>> test.p(0, 2) < 1e-6, test.p(0, 2, [1]) > 0.05
    (True, True)
    """

    def __init__(self, variables: Variables) -> None:
        super().__init__()
        values = variables.values - variables.values.mean(axis=0)
        scale = np.where((spread := values.std(axis=0)) > 0, spread, 1.0)
        values = values / scale
        self._moments = values.T @ values / max(1, len(values)) + RIDGE * np.eye(values.shape[1])
        self._blocks = variables.blocks
        self._freedom = len(values) - variables.lost

    def _tested(self, x: int, y: int, given: tuple[int, ...]) -> float:
        a, b = self._blocks[x], self._blocks[y]
        rest = [column for variable in given for column in self._blocks[variable]]
        if len(a) == len(b) == 1:
            return self._simple([*a, *b, *rest])
        return self._wilks(a, b, rest)

    def _simple(self, columns: list[int]) -> float:
        inverse = np.linalg.inv(self._moments[np.ix_(columns, columns)])
        r = -inverse[0, 1] / math.sqrt(inverse[0, 0] * inverse[1, 1])
        r = max(-1 + 1e-12, min(1 - 1e-12, r))
        room = self._freedom - (len(columns) - 2) - 3
        if room <= 0:
            return 1.0
        return math.erfc(math.sqrt(room) * abs(math.atanh(r)) / math.sqrt(2))

    def _wilks(self, a: Sequence[int], b: Sequence[int], rest: Sequence[int]) -> float:
        """Wilks' lambda of two blocks, what the rest explains taken out."""
        both = [*a, *b]
        left = self._moments[np.ix_(both, both)]
        if rest:
            cross = self._moments[np.ix_(both, rest)]
            inner = np.linalg.inv(self._moments[np.ix_(rest, rest)])
            left = left - cross @ inner @ cross.T
        k = len(a)
        log = [np.linalg.slogdet(part)[1] for part in (left, left[:k, :k], left[k:, k:])]
        room = self._freedom - len(rest) - 1 - (len(a) + len(b) + 1) / 2
        if room <= 0:
            return 1.0
        return _chi2_tail(room * (log[1] + log[2] - log[0]), len(a) * len(b))


class Covariance(Remembered):
    """Whether residuals vary together: the generalised covariance measure with linear regressions.

    Yes-or-no columns vary more on some tasks than on others, and that alone makes Fisher's z find
    edges among shuffled columns; this test divides by the spread that the products really have.
    Source: Shah and Peters, Annals of Statistics 48 (2020) 1514, equation 4.
    """

    def __init__(self, variables: Variables) -> None:
        super().__init__()
        self._rows = np.ascontiguousarray((variables.values - variables.values.mean(axis=0)).T)
        self._moments = self._rows @ self._rows.T
        ridge = RIDGE * (1 + np.diag(self._moments))
        self._moments[np.diag_indices_from(self._moments)] += ridge
        self._blocks = variables.blocks
        # Values less the mean of a group of m vary together by m / (m - 1) too much.
        n = len(variables.values)
        self._stretch = n / max(1, n - variables.lost)

    def _tested(self, x: int, y: int, given: tuple[int, ...]) -> float:
        rest = [column for variable in given for column in self._blocks[variable]]
        width = len(self._blocks[x])
        left = self._residuals([*self._blocks[x], *self._blocks[y]], rest)
        a, b = left[:width], left[width:]
        if len(a) == len(b) == 1:
            products = a[0] * b[0]
            spread = float(products @ products)
            z = abs(float(products.sum())) / math.sqrt(spread) if spread > 0 else 0.0
            return math.erfc(z / math.sqrt(2 * self._stretch))
        products = (a[:, None, :] * b[None, :, :]).reshape(-1, a.shape[1])
        total = products.sum(axis=1)
        spread = products @ products.T
        spread[np.diag_indices_from(spread)] += RIDGE * (1 + np.trace(spread))
        statistic = float(total @ np.linalg.solve(spread, total)) / self._stretch
        return _chi2_tail(statistic, len(total))

    def _residuals(self, own: list[int], rest: list[int]) -> np.ndarray:
        """What a regression on the rest leaves, (n_own, n_runs)."""
        if not rest:
            return np.asarray(self._rows[own])
        inner = self._moments[np.ix_(rest, rest)]
        fit = np.linalg.solve(inner, self._moments[np.ix_(rest, own)])
        return np.asarray(self._rows[own] - fit.T @ self._rows[rest])


def _chi2_tail(statistic: float, freedom: int) -> float:
    special = require("scipy.special", extra="analyze")  # only contexts of several columns pay
    return float(special.chdtrc(freedom, max(0.0, statistic)))


Asked = Callable[[int, int, Sequence[int]], float]
"""p of two variables given others."""


@cache
def registered() -> str:
    """Make a form of test known to causal-learn, and return the name it has there.

    It asks the function `asked`, but never with a condition on variables in tiers after both: a set
    that separates two variables can be found among what came before the later of them, and a
    consequence that copies its cause would hide that cause from everything else.
    """
    cit: Any = require("causallearn.utils.cit", extra="analyze")

    class Blocks(cit.CIT_Base):  # type: ignore[misc]
        """causal-learn's view of a test."""

        def __init__(self, data: np.ndarray, *, asked: Asked, tiers: Sequence[int]) -> None:
            super().__init__(data)
            self.method = REGISTERED
            self._asked, self._tiers = asked, tiers

        def __call__(self, x: int, y: int, given: Sequence[int] | None = None) -> float:
            condition = [int(k) for k in (() if given is None else given)]
            latest = max(self._tiers[x], self._tiers[y])
            if any(self._tiers[k] > latest for k in condition):
                return 0.0  # what came later separates nothing
            return float(self._asked(int(x), int(y), condition))

    cit.register_ci_test(REGISTERED, Blocks)
    return REGISTERED
