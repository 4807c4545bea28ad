"""Solvers of games against exact values, `shap` and a plain loop: a part of benchmarks/shapley.py."""

import itertools
import math
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from tracekit import games
from tracekit.stats import wilson


def share(hits: Sequence[bool]) -> str:
    """A share in percent with its Wilson interval."""
    if not hits:
        return "-"
    found = wilson(sum(hits), len(hits))
    return f"{100 * found.value:.1f} ({100 * found.low:.1f}\N{EN DASH}{100 * found.high:.1f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _sizes(n: int) -> np.ndarray:
    return np.array([mask.bit_count() for mask in range(1 << n)])


def _needed(rng: np.random.Generator, n: int) -> np.ndarray:
    one, other = rng.choice(n, 2, replace=False)
    masks = np.arange(1 << n)
    chance = np.where((masks >> one & 1) & (masks >> other & 1), 0.9, 0.05)
    return rng.binomial(8, chance) / 8


KINDS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "any values": lambda rng, n: rng.random(1 << n),
    "grows with size": lambda rng, n: (_sizes(n) / n) ** 3 + rng.normal(0, 0.05, 1 << n),
    "two needed, 8 replays": lambda rng, n: _needed(rng, n),
}
"""Games of n players to be estimated: all values of each, by mask."""


def report_sampling(count: int, n: int = 12) -> str:
    """How often intervals hold the exact value, by kind of game and way of sampling."""
    lines = []
    for name, make in KINDS.items():
        for most in (200, 600):
            for way, sample in (("orders", games.sample), ("sizes", games.sample_sizes)):
                lines.append(_sampled(name, make, way, sample, most, count, n))
    head = [
        "game of 12",
        "sampled by",
        "coalitions",
        "shares covered %",
        "mean width",
        "largest residual",
    ]
    return table(head, lines) + "\n" + _against_shap()


def _sampled(
    name: str,
    make: Callable[[np.random.Generator, int], np.ndarray],
    way: str,
    sample: Callable[..., games.Shares],
    most: int,
    count: int,
    n: int,
) -> list[str]:
    hits, widths, residuals, calls = [], [], [], []
    for seed in range(count):
        values = make(np.random.default_rng(seed), n)
        exact, found = games.shapley(values), sample(values.__getitem__, n, seed=seed, most=most)
        low, high = np.array(found.low), np.array(found.high)
        hits += ((low - 1e-12 <= exact) & (exact <= high + 1e-12)).tolist()
        widths.append(float((high - low).mean()))
        residuals.append(abs(found.residual))
        calls.append(found.calls)
    shown = [share(hits), f"{np.mean(widths):.3f}", f"{max(residuals):.1e}"]
    return [name, way, f"{np.mean(calls):.0f}", *shown]


def _against_shap() -> str:
    """Largest difference from shap's exact explainer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        worst = 0.0
        for n in (3, 6, 10):
            values = np.random.default_rng(n).random(1 << n)

            def model(rows: np.ndarray, values: np.ndarray = values, n: int = n) -> np.ndarray:
                return values[(rows.astype(int) * (1 << np.arange(n))).sum(axis=1)]

            explainer = shap.explainers.ExactExplainer(model, np.zeros((1, n)))
            theirs = explainer(np.ones((1, n)), silent=True).values[0]
            worst = max(worst, float(np.abs(theirs - games.shapley(values)).max()))
    return f"Largest difference from shap's exact explainer, 3, 6 and 10 players: {worst:.1e}.\n"


def by_loop(values: dict[int, float], n: int) -> list[float]:
    """Shapley values as one would write them down: a loop over players and coalitions."""
    shares = []
    for player in range(n):
        total = 0.0
        for mask, value in values.items():
            if not mask >> player & 1:
                size = mask.bit_count()
                weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
                total += weight * (values[mask | 1 << player] - value)
        shares.append(total)
    return shares


def report_solvers() -> str:
    """Seconds of exact solvers over cached values, and of sampling, by number of players."""
    lines = []
    for n in (4, 8, 10, 12, 16):
        values = np.random.default_rng(n).random(1 << n)
        cached = dict(enumerate(values.tolist()))
        ours = _best(lambda values=values: games.shapley(values))
        loop = _best(lambda cached=cached, n=n: by_loop(cached, n), 3)
        assert np.allclose(games.shapley(values), by_loop(cached, n))
        lines.append(
            [
                str(n),
                f"{1 << n:,}",
                f"{1000 * ours:.3f}",
                f"{1000 * loop:.1f}",
                f"{loop / ours:.0f}",
            ]
        )
    head = ["players", "coalitions", "vectorised, ms", "plain loop, ms", "times faster"]
    sampled = []
    for n, width in itertools.product((15, 30, 60, 120), (0.1, 0.05)):

        def worth(mask: int, n: int = n) -> float:
            return 0.8 * ((mask & 0b11111).bit_count() >= 3) + 0.2 * mask.bit_count() / n

        began = time.perf_counter()
        found = games.sample(worth, n, most=20_000, width=width)
        seconds = time.perf_counter() - began
        sampled.append([str(n), str(width), f"{found.calls:,}", f"{seconds:.2f}"])
    more = table(["players", "width asked for", "coalitions", "seconds"], sampled)
    return table(head, lines) + "\n" + more


def _best(work: Callable[[], object], times: int = 7) -> float:
    """Seconds of the fastest of several runs."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)
