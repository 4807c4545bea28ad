"""How honest values are as probabilities, before and after maps of them, out of fold.

    OMP_NUM_THREADS=1 python benchmarks/prm_calibration.py --data $TRACEKIT_DATA --deals 2

The runs that the shipped model is fitted on: AG2 and the sandbox. Every run is scored by a network
that saw neither it nor its problem, and mapped by curves that were fitted on other problems.
Intervals are 95 %, by bootstrap over problems. The error is that of ten bins of equal counts; beside
it stands what a perfect forecaster would show whose runs of one problem are as alike as these
(outcomes drawn from a Gaussian copula of their correlation within problems).
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from prm_ag2 import RUNS
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression

from tracekit.ingest.pipeline import load
from tracekit.prm.model import COLUMNS
from tracekit.stats import auroc, bootstrap
from tracekit.trace import Trace
from tracekit_models.prm.calibration import calibrate, held, platt
from tracekit_models.prm.crossfit import at_share, deal, networks
from tracekit_models.prm.data import Example, examples
from tracekit_models.prm.evaluation import SHARES
from tracekit_models.prm.ship import sandbox_runs
from tracekit_models.prm.train import Recipe

BINS = 10
PLACE = COLUMNS.index("index")
Odds = Callable[[np.ndarray, Example], np.ndarray]
"""Mapped log-odds of a run."""
Map = Callable[[Sequence[Example], Sequence[np.ndarray]], Odds]
"""Fitted on examples and their logits."""


def raw(_found: Sequence[Example], _logits: Sequence[np.ndarray]) -> Odds:
    """As the networks say."""
    return lambda z, _: z


def one_curve(found: Sequence[Example], logits: Sequence[np.ndarray]) -> Odds:
    """Slope and shift for all prefixes, whether they help or not."""
    known = held(found, logits)
    curve = platt(known.logits, known.targets, known.weights)
    return lambda z, _: curve.odds(z)


def by_system(found: Sequence[Example], logits: Sequence[np.ndarray]) -> Odds:
    """The same for AG2 and for the sandbox by themselves."""
    own = {}
    for real in (False, True):
        at = [n for n, one in enumerate(found) if (one.system == "ag2") is real]
        own[real] = one_curve([found[n] for n in at], [logits[n] for n in at])
    return lambda z, one: own[one.system == "ag2"](z, one)


def by_place(found: Sequence[Example], logits: Sequence[np.ndarray]) -> Odds:
    """Slope and shift that change with the logarithm of the steps so far."""

    def columns(z: np.ndarray, place: np.ndarray) -> np.ndarray:
        return np.stack([z, np.ones(len(z)), z * (place - 2), place - 2], axis=1)

    known, place = held(found, logits), np.concatenate([one.rows[:, PLACE] for one in found])
    fitted = _likeliest(columns(known.logits, place), known.targets, known.weights)
    return lambda z, one: columns(z, one.rows[:, PLACE]) @ fitted


def beta(found: Sequence[Example], logits: Sequence[np.ndarray]) -> Odds:
    """Beta calibration (Kull, Silva Filho and Flach, AISTATS 2017): log p and log(1 - p) apart."""

    def columns(z: np.ndarray) -> np.ndarray:
        both = -np.logaddexp(0, -z) - np.logaddexp(0, z)
        return np.stack([z, np.ones(len(z)), both], axis=1)

    known = held(found, logits)
    fitted = _likeliest(columns(known.logits), known.targets, known.weights)
    return lambda z, _: columns(z) @ fitted


def isotonic(found: Sequence[Example], logits: Sequence[np.ndarray]) -> Odds:
    """The likeliest rising steps, 0.01 to 0.99."""
    known = held(found, logits)
    rising = IsotonicRegression(y_min=0.01, y_max=0.99, out_of_bounds="clip")
    rising.fit(known.logits, known.targets, known.weights)

    def odds(z: np.ndarray, _: Example) -> np.ndarray:
        p = rising.predict(z)
        return np.asarray(np.log(p / (1 - p)))

    return odds


def shipped(found: Sequence[Example], logits: Sequence[np.ndarray]) -> Odds:
    """A curve for all prefixes and one for final steps, each where it helps."""
    curves = calibrate(held(found, logits))
    return lambda z, one: curves.odds(z, one.rows)


MAPS: dict[str, Map] = {
    "none": raw,
    "one curve": one_curve,
    "one curve a kind of system": by_system,
    "curve by steps so far": by_place,
    "beta": beta,
    "isotonic": isotonic,
    "where it helps, final steps apart": shipped,
}


class Scored(NamedTuple):
    """Runs after a share of their steps."""

    stated: np.ndarray
    good: np.ndarray
    problem: np.ndarray


def main() -> None:
    """Print the tables, in Markdown."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument("--deals", type=int, default=2, help="deals of the folds")
    given = parser.parse_args()
    found = _examples(given.data)
    deals = []
    for seed in range(given.deals):
        fold = deal(found, given.folds, seed)
        deals.append((fold, _logits(found, fold)))
    tables(found, deals)


def _examples(data: Path) -> list[Example]:
    real = [run for run in load(data / RUNS) if isinstance(run, Trace)]
    found = [one._replace(system="ag2") for one in examples(real)]
    for run, system in sandbox_runs():
        found += [one._replace(system=system) for one in examples([run])]
    return found


def _logits(found: Sequence[Example], fold: np.ndarray) -> list[np.ndarray]:
    predict = networks(Recipe())
    logits: list[np.ndarray] = [np.zeros(0)] * len(found)
    for k in range(fold.max() + 1):
        sys.stderr.write(f"fold {k + 1} of {fold.max() + 1}\n")
        part = np.flatnonzero(fold == k).tolist()
        rest = [found[n] for n in np.flatnonzero(fold != k).tolist()]
        for n, said in zip(part, predict(rest, [found[n] for n in part]), strict=True):
            logits[n] = said
    return logits


def tables(found: Sequence[Example], deals: Sequence[tuple[np.ndarray, list[np.ndarray]]]) -> None:
    """One for each kind of system, a row for each map."""
    kinds = {
        "AG2": [n for n, one in enumerate(found) if one.system == "ag2"],
        "sandbox": [n for n, one in enumerate(found) if one.system != "ag2"],
    }
    mapped = {
        name: [mapped_by(way, found, fold, logits) for fold, logits in deals]
        for name, way in MAPS.items()
    }
    head = " | ".join(f"{share:.0%}" for share in SHARES)
    for kind, rows in kinds.items():
        plain = [_at(found, odds, rows, 1.0) for odds in mapped["none"]]
        print(f"\n{kind}: {len(rows)} runs of {len(set(plain[0].problem.tolist()))} problems\n")
        print(
            f"| map | error after {head} | perfect at the end (95 % below) "
            "| Brier at the end | beside none | AUROC |"
        )
        print("| --- | " + "--- | " * (len(SHARES) + 3) + "--- |")
        for name, odds in mapped.items():
            print(_row(name, [[_at(found, each, rows, x) for each in odds] for x in SHARES], plain))


def _row(name: str, ways: Sequence[Sequence[Scored]], plain: Sequence[Scored]) -> str:
    """A map; `ways` are the deals after each share of the steps."""
    *before, ends = ways
    cells = [f"{np.mean([error(one) for one in deals]):.3f}" for deals in before]
    expected, high = perfect(ends[0])
    ranks = np.mean([auroc(each.stated, each.good > 0.5) for each in ends])
    return (
        f"| {name} | {' | '.join(cells)} | {_error(ends)} | {expected:.3f} ({high:.3f}) "
        f"| {_brier(ends, None)} | {_brier(ends, plain)} | {ranks:.3f} |"
    )


def mapped_by(
    way: Map, found: Sequence[Example], fold: np.ndarray, logits: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Log-odds of every run by a map that was fitted on the other folds."""
    mapped: list[np.ndarray] = [np.zeros(0)] * len(found)
    for k in sorted(set(fold.tolist())):
        others = np.flatnonzero(fold != k).tolist()
        odds = way([found[n] for n in others], [logits[n] for n in others])
        for n in np.flatnonzero(fold == k).tolist():
            mapped[n] = odds(logits[n], found[n])
    return mapped


def error(scored: Scored) -> float:
    """Expected calibration error, ten bins of equal counts."""
    return _gap(scored.stated, scored.good)


def perfect(scored: Scored, repeats: int = 300) -> tuple[float, float]:
    """Mean error of a perfect forecaster with groups as alike, and what 95 % stay below."""
    rng, normal = np.random.default_rng(0), norm.ppf(scored.stated)
    wanted, low, high = _alike(scored), 0.0, 0.95

    def drawn(shared: float) -> Scored:
        common = rng.standard_normal(scored.problem.max() + 1)[scored.problem]
        own = rng.standard_normal(len(normal))
        draw = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
        return scored._replace(good=(draw < normal).astype(float))

    for _ in range(10):
        middle = (low + high) / 2
        less = np.mean([_alike(drawn(middle)) for _ in range(40)]) < wanted
        low, high = (middle, high) if less else (low, middle)
    errors = [error(drawn((low + high) / 2)) for _ in range(repeats)]
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))


def _alike(scored: Scored) -> float:
    """Mean product of the standardised residuals of two runs of one problem."""
    p = scored.stated
    residual = (scored.good - p) / np.sqrt(p * (1 - p))
    sums, counts = np.bincount(scored.problem, residual), np.bincount(scored.problem)
    squares = np.bincount(scored.problem, residual**2)
    return float((sums**2 - squares).sum() / (counts * (counts - 1)).sum())


def _gap(stated: np.ndarray, good: np.ndarray) -> float:
    order = np.argsort(stated, kind="stable")
    edges = np.linspace(0, len(order), BINS + 1).round().astype(int)[:-1]
    return float(np.abs(np.add.reduceat((good - stated)[order], edges)).sum() / len(order))


def _at(
    found: Sequence[Example], odds: Sequence[np.ndarray], rows: Sequence[int], share: float
) -> Scored:
    z = np.array([at_share(odds[n], share) for n in rows])
    good = np.array([found[n].target[-1] for n in rows])
    _, problem = np.unique([found[n].problem for n in rows], return_inverse=True)
    return Scored(1 / (1 + np.exp(-z)), good, problem)


def _error(ends: Sequence[Scored], repeats: int = 500) -> str:
    """Mean over deals, with its interval by drawing problems again, which adds noise to every error."""
    rng, drawn = np.random.default_rng(0), []
    problem = ends[0].problem
    own = [np.flatnonzero(problem == n) for n in range(problem.max() + 1)]
    for _ in range(repeats):
        rows = np.concatenate([own[n] for n in rng.integers(len(own), size=len(own))])
        drawn.append(np.mean([_gap(one.stated[rows], one.good[rows]) for one in ends]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{np.mean([error(one) for one in ends]):.3f} ({low:.3f} to {high:.3f})"


def _brier(ends: Sequence[Scored], plain: Sequence[Scored] | None) -> str:
    each = np.mean([(one.stated - one.good) ** 2 for one in ends], axis=0)
    if plain is not None:
        each -= np.mean([(one.stated - one.good) ** 2 for one in plain], axis=0)
    found = bootstrap(each.tolist(), ends[0].problem.tolist())
    sign = "+" if plain is not None else ""
    return f"{found.value:{sign}.4f} ({found.low:{sign}.4f} to {found.high:{sign}.4f})"


def _likeliest(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Coefficients by Newton's method; the first is drawn to 1 and all others to 0, a little."""
    start = np.eye(x.shape[1])[0]
    found, ridge = start, 1e-3 * float(w.sum())
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        slope = x.T @ (w * (p - y)) + ridge * (found - start)
        bend = (x * (w * p * (1 - p))[:, None]).T @ x + ridge * np.eye(len(start))
        step = np.clip(np.linalg.solve(bend, slope), -1, 1)
        found = found - step
        if np.abs(step).max() < 1e-9:
            break
    return found


if __name__ == "__main__":
    main()
