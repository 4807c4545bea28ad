"""The process reward model on real AG2 runs of GSM-Plus problems, problems held out.

    OMP_NUM_THREADS=1 python benchmarks/prm_ag2.py --data $TRACEKIT_DATA --deals 3

Every run is scored by models that saw neither it nor any other run of its problem. Said are the
AUROC of final success after 25, 50, 75 and 100 % of the steps beside what length and the agreement
of answers alone give, how well values are calibrated, and what is won by choosing among eight runs
of a problem. Intervals are 95 %, by bootstrap over problems. `--compare` tries other losses and
heads instead. `--values FILE` also writes the values of the first deal, a run a line.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from tracekit.ingest.pipeline import load
from tracekit.prm.answers import final_answer
from tracekit.prm.model import COLUMNS
from tracekit.stats import Estimate, auroc, bootstrap, calibration
from tracekit.trace import Trace
from tracekit_models.prm.crossfit import OutOfFold, Predict, at_share, networks, out_of_fold
from tracekit_models.prm.data import Example, examples
from tracekit_models.prm.linear import fit_linear, seen
from tracekit_models.prm.losses import Loss
from tracekit_models.prm.train import Recipe

RUNS = Path("corpora/ag2-gsmplus/runs.tar.xz")
SHARES = (0.25, 0.5, 0.75, 1.0)
DRAWN = 8
"""Runs of a problem that are chosen among."""
LENGTH = ("index", "length", "task_length", "team")
AGREEMENT = [
    "answered",
    "agrees",
    "alone",
    "confirms",
    "deviates",
    "changed",
    "distinct",
    "lead",
    "marked",
    "number",
    "none",
    "output",
]
VARIANTS: dict[str, dict[str, object]] = {
    "bce": {},
    "huber": {"loss": Loss(name="huber"), "ridge": 0.0},
    "mse": {"loss": Loss(name="mse"), "ridge": 0.0},
    "pairwise": {"loss": Loss(name="pairwise")},
    "bce, no linear term first": {"ridge": 0.0},
    "bce, linear term alone": {"epochs": 0},
    "bce, one head": {"voices": 1},
    "outcome reward model (bce)": {"loss": Loss(outcome_only=True)},
}
"""What `--compare` tries: changes of the recipe that ships."""


class Run(NamedTuple):
    """A run and what it answered."""

    example: Example
    good: bool
    answer: str | None
    written: str
    """The answer as the data set's own parser wrote it down."""
    id: str


def main() -> None:
    """Print the tables, in Markdown."""
    given = _arguments()
    traces = [t for t in load(given.data / RUNS) if isinstance(t, Trace) and t.failed is not None]
    traces = traces[:: given.thin]
    runs = [_run(t, e) for t, e in zip(traces, examples(traces), strict=True)]
    problems = {run.example.problem for run in runs}
    print(f"{len(runs)} runs of {len(problems)} problems, {given.folds} folds by problem\n")
    if given.compare:
        _compare(runs, given)
        return
    found = [run.example for run in runs]
    recipe = Recipe()
    deals: list[OutOfFold] = []
    for seed in range(given.deals):
        sys.stderr.write(f"deal {seed + 1} of {given.deals}\n")
        deals.append(out_of_fold(found, networks(recipe, bag=given.bag), given.folds, seed))
    if given.values:
        _write(runs, deals[0], given.values)
    baselines = {
        "length of the run alone": _columns(LENGTH),
        "agreement of answers alone": _columns(AGREEMENT),
    }
    rows = {"prm": deals}
    for name, predict in baselines.items():
        rows[name] = [out_of_fold(found, predict, given.folds, s) for s in range(given.deals)]
    _discrimination(runs, rows)
    _calibration(runs, deals)
    _selection(runs, deals, given.draws)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument(
        "--deals", type=int, default=3, help="deals of the folds; figures are means"
    )
    parser.add_argument("--bag", type=int, default=1, help="networks whose logits are averaged")
    parser.add_argument("--draws", type=int, default=200, help="draws of eight runs a problem")
    parser.add_argument("--compare", action="store_true", help="other losses and heads")
    parser.add_argument("--thin", type=int, default=1, help="take every so-manieth run")
    parser.add_argument("--values", type=Path, help="JSONL of values out of fold")
    return parser.parse_args()


def _run(trace: Trace, example: Example) -> Run:
    written = str(trace.extra.get("other_data", {}).get("given", ""))
    return Run(example, not trace.failed, final_answer(trace), written, trace.id)


def _columns(names: Sequence[str]) -> Predict:
    """Logistic regression on a few columns and their running means."""
    places = [COLUMNS.index(name) for name in names]

    def predict(train: Sequence[Example], test: Sequence[Example]) -> list[np.ndarray]:
        rows = [one.rows[:, places] for one in train]
        mean, scale = np.concatenate(rows).mean(axis=0), np.concatenate(rows).std(axis=0) + 1e-6
        fitted = fit_linear(
            [(each - mean) / scale for each in rows],
            [one.target for one in train], [one.weight for one in train], 10.0,
        )  # fmt: skip
        return [
            seen((one.rows[:, places] - mean) / scale) @ fitted.weight + fitted.bias for one in test
        ]

    return predict


def _discrimination(runs: Sequence[Run], rows: dict[str, list[OutOfFold]]) -> None:
    good = np.array([run.good for run in runs])
    print("| AUROC of final success after | 25 % | 50 % | 75 % | 100 % of the steps |")
    print("|---|---:|---:|---:|---:|")
    for name, deals in rows.items():
        cells = []
        for share in SHARES:
            values = [np.array([at_share(v, share) for v in deal.logits]) for deal in deals]
            cells.append(_cell(_over_problems(runs, values, good), 3))
        print(f"| {name} | {' | '.join(cells)} |")
    same = [
        _within(runs, np.array([at_share(v, share) for v in rows["prm"][0].logits]))
        for share in SHARES
    ]
    print(f"| prm, between runs of one problem | {' | '.join(_cell(e, 3) for e in same)} |\n")


def _over_problems(
    runs: Sequence[Run], values: Sequence[np.ndarray], good: np.ndarray, repeats: int = 500
) -> Estimate:
    """AUROC, mean over deals, with an interval from drawing problems again."""
    own: dict[str, list[int]] = {}
    for n, run in enumerate(runs):
        own.setdefault(run.example.problem, []).append(n)
    groups, rng = [np.array(rows) for rows in own.values()], np.random.default_rng(0)
    drawn = []
    for _ in range(repeats):
        rows = np.concatenate([groups[k] for k in rng.integers(len(groups), size=len(groups))])
        drawn.append(np.mean([auroc(v[rows], good[rows]) for v in values]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Estimate(float(np.mean([auroc(v, good) for v in values])), float(low), float(high))


def _within(runs: Sequence[Run], values: np.ndarray) -> Estimate:
    """Mean AUROC within problems that have both good and bad runs."""
    own: dict[str, list[int]] = {}
    for n, run in enumerate(runs):
        own.setdefault(run.example.problem, []).append(n)
    each = [auroc(values[rows], [runs[n].good for n in rows]) for rows in own.values()]
    return bootstrap([one for one in each if not np.isnan(one)])


def _calibration(runs: Sequence[Run], deals: Sequence[OutOfFold]) -> None:
    print(
        "| calibration after | error | of a perfect forecaster (95 % below) | Brier | of the base rate |"
    )
    print("|---|---:|---:|---:|---:|")
    good = np.array([run.good for run in runs], dtype=float)
    for share in SHARES:
        p = np.array([at_share(v, share) for v in deals[0].values])
        found = calibration(p, good, repeats=500)
        brier, base = np.mean((p - good) ** 2), good.mean() * (1 - good.mean())
        print(
            f"| {share:.0%} | {found.error:.3f} | {found.expected:.3f} ({found.high:.3f}) "
            f"| {brier:.4f} | {base:.4f} |"
        )
    p = np.array([at_share(v, 1.0) for v in deals[0].values])
    print("\n| stated after the last step | runs | mean stated | succeeded |\n|---|---:|---:|---:|")
    for low, high in ((0, 0.5), (0.5, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 1.01)):
        at = (p >= low) & (p < high)
        if at.any():
            print(
                f"| {low:.2f} to {min(high, 1):.2f} | {at.sum()} | {p[at].mean():.3f} | {good[at].mean():.3f} |"
            )
    print()


def _selection(runs: Sequence[Run], deals: Sequence[OutOfFold], draws: int) -> None:
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "majority": np.ones_like,
        "weighted by value": lambda p: p,
        "weighted by value squared": np.square,
        "weighted by odds": lambda p: p / (1 - p),
        "weighted by log-odds, if positive": lambda p: np.maximum(np.log(p / (1 - p)), 0.0),
    }
    own: dict[str, list[int]] = {}
    for n, run in enumerate(runs):
        own.setdefault(run.example.problem, []).append(n)
    names = [
        "single run",
        "majority, answers as written",
        *ways,
        "best of eight",
        "oracle of eight",
    ]
    table = np.zeros((len(own), len(names)))
    for row, members in enumerate(own.values()):
        for deal in deals:
            table[row] += _drawn(runs, members, deal, ways, draws)
    table *= 100 / len(deals)
    plain = table[:, names.index("majority")]
    print(f"| {DRAWN} runs of a problem | right, % | beside majority, points |\n|---|---:|---:|")
    for column, name in enumerate(names):
        found, gain = bootstrap(table[:, column]), bootstrap(table[:, column] - plain)
        print(f"| {name} | {_cell(found, 1)} | {_cell(gain, 1, sign=True)} |")


def _drawn(
    runs: Sequence[Run],
    members: Sequence[int],
    deal: OutOfFold,
    ways: dict[str, Callable[[np.ndarray], np.ndarray]],
    draws: int,
) -> np.ndarray:
    """How often each way is right on draws of eight runs of one problem, 0 to 1."""
    rng = np.random.default_rng(len(members))
    total = np.zeros(len(ways) + 4)
    for _ in range(draws):
        chosen = rng.choice(members, DRAWN, replace=False).tolist()
        good = np.array([runs[n].good for n in chosen])
        p = np.clip([at_share(deal.values[n], 1.0) for n in chosen], 1e-3, 1 - 1e-3)
        answers = [runs[n].answer for n in chosen]
        voted = [_vote(answers, weigh(p), good) for weigh in ways.values()]
        raw = _vote([runs[n].written for n in chosen], np.ones(DRAWN), good)
        total += [good[0], raw, *voted, good[int(np.argmax(p))], good.any()]
    return total / draws


def _vote(answers: Sequence[str | None], weights: np.ndarray, good: np.ndarray) -> float:
    """Whether the heaviest answer is right, by the outcomes of its runs; ties count in parts."""
    sums: dict[str, float] = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            sums[answer] = sums.get(answer, 0.0) + float(weight)
    if not sums:
        return 0.0
    best = [answer for answer, weight in sums.items() if weight >= max(sums.values()) - 1e-9]
    return float(np.mean([good[[a == one for a in answers]].mean() for one in best]))


def _compare(runs: Sequence[Run], given: argparse.Namespace) -> None:
    found, good = [run.example for run in runs], np.array([run.good for run in runs])
    print(
        "| loss and heads | 25 % | 50 % | 75 % | 100 % | log loss at the end | best of eight, % |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, change in VARIANTS.items():
        recipe = msgspec.structs.replace(Recipe(), **change)
        deals = [
            out_of_fold(found, networks(recipe, bag=given.bag), given.folds, seed)
            for seed in range(given.deals)
        ]
        cells = [
            np.mean([auroc([at_share(v, share) for v in deal.logits], good) for deal in deals])
            for share in SHARES
        ]
        p = np.array([at_share(v, 1.0) for v in deals[0].values])
        loss = -np.mean(np.log(np.where(good, p, 1 - p)))
        own: dict[str, list[int]] = {}
        for n, run in enumerate(runs):
            own.setdefault(run.example.problem, []).append(n)
        enough = [rows for rows in own.values() if len(rows) >= DRAWN]
        best = np.mean([_drawn(runs, rows, deals[0], {}, given.draws)[2] for rows in enough])
        print(
            f"| {name} | {' | '.join(f'{cell:.3f}' for cell in cells)} | {loss:.4f} | {100 * best:.1f} |",
            flush=True,
        )


def _write(runs: Sequence[Run], deal: OutOfFold, path: Path) -> None:
    rows = [
        {"trace": run.id, "problem": run.example.problem, "good": run.good, "values": v.tolist()}
        for run, v in zip(runs, deal.values, strict=True)
    ]
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def _cell(found: Estimate, digits: int, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    return f"{found.value:{plus}.{digits}f} ({found.low:{plus}.{digits}f} to {found.high:{plus}.{digits}f})"


if __name__ == "__main__":
    main()
