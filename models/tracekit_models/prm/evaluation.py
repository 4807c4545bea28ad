"""A process reward model fitted on a user's own runs, and how good it is on problems held out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from tracekit.analyzers.models import card_header
from tracekit.errors import UsageError
from tracekit.prm.model import Prm
from tracekit.prm.targets import Target
from tracekit.stats import Estimate, auroc, calibration
from tracekit.trace import Trace
from tracekit.version import __version__
from tracekit_models.prm.crossfit import at_share, networks, out_of_fold
from tracekit_models.prm.data import Example, examples
from tracekit_models.prm.train import Progress, Recipe, fit_model

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Shares of the steps after which a value is judged."""
FEWEST = 4
"""Problems below which none is held out."""
REPEATS = 500
"""Draws of problems for an interval."""
UNPROVEN = (
    "**Not shown to be better than chance**: the interval after all steps reaches 0.5. More problems, with "
    "successes and failures of each, would tell."
)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How good values are out of fold."""

    auroc: tuple[Estimate, ...]
    """Chance that a good run stands above a bad one, after each of `SHARES`."""
    length: tuple[float, ...]
    """The same for the number of steps alone, whichever sign is better."""
    error: float
    """Calibration error after the last step."""
    expected: float
    """What a perfect forecaster would show."""


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A value model and what is known of its quality."""

    values: Prm
    runs: int
    problems: int
    succeeded: float
    """Share of the runs, or mean target of their ends, 0 to 1."""
    systems: tuple[str, ...]
    source: str
    """Where the targets come from: outcome, mc, mcts, or several."""
    seed: int
    figures: Figures | None
    unevaluated: str | None = None
    """Why there are no figures."""


def train_values(
    traces: Iterable[Trace],
    *,
    targets: Sequence[Target] | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    folds: int | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Fit `prm` on runs with outcomes, or on targets of their prefixes, and judge it out of fold.

    Folds keep runs of one problem together; None = ten, or one problem each where they are fewer.
    Raises `UsageError` for too few runs, runs that all ended alike, or more `folds` than problems.
    """
    chosen, tell = recipe or Recipe(), progress or (lambda _: None)
    found = examples(traces, targets)
    problems = len({one.problem for one in found})
    if folds is not None and problems < max(folds, FEWEST):
        raise UsageError(
            f"--folds {folds}: {problems} problems, {max(folds, FEWEST)} needed, since runs of one "
            "problem stay together"
        )
    tell(f"{len(found)} runs")
    model = fit_model(found, chosen, seed, tell)
    figures, why = _figures(found, chosen, seed, folds, tell)
    return Trained(
        values=Prm(model),
        runs=len(found),
        problems=problems,
        succeeded=float(np.mean([_end(one) for one in found])),
        systems=model.settings.systems,
        source=", ".join(sorted({t.source for t in targets})) if targets else "outcome",
        seed=seed,
        figures=figures,
        unevaluated=why,
    )


def _figures(
    found: Sequence[Example], recipe: Recipe, seed: int, folds: int | None, tell: Progress
) -> tuple[Figures | None, str | None]:
    problems = sorted({one.problem for one in found})
    if len(problems) < FEWEST:
        return None, f"{len(problems)} problems are too few to hold some out"
    tell("out of fold")
    held = out_of_fold(found, networks(recipe, seed), folds or min(10, len(problems)), seed)
    return figures_of(found, held.logits, held.values), None


def figures_of(
    found: Sequence[Example], logits: Sequence[np.ndarray], values: Sequence[np.ndarray]
) -> Figures:
    """How good logits and calibrated values of runs are, by models that did not know them.

    Both are (n_steps + 1,) for each run, the first entry before the first step.
    """
    good = np.array([_end(one) > 0.5 for one in found])
    rows: dict[str, list[int]] = {}
    for n, one in enumerate(found):
        rows.setdefault(one.problem, []).append(n)
    groups = [np.array(each) for each in rows.values()]
    shares = [np.array([at_share(v, share) for v in logits]) for share in SHARES]
    lengths = [np.array([np.ceil(share * len(one.rows)) for one in found]) for share in SHARES]
    ends = calibration([at_share(v, 1.0) for v in values], good.astype(float).tolist(), repeats=500)
    return Figures(
        auroc=tuple(interval(each, good, groups) for each in shares),
        length=tuple(max(auroc(x, good), auroc(-x, good)) for x in lengths),
        error=ends.error,
        expected=ends.expected,
    )


def interval(values: np.ndarray, good: np.ndarray, groups: Sequence[np.ndarray]) -> Estimate:
    """AUROC with its interval from drawing problems again."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(REPEATS):
        rows = np.concatenate([groups[k] for k in rng.integers(len(groups), size=len(groups))])
        drawn.append(auroc(values[rows], good[rows]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Estimate(auroc(values, good), float(low), float(high))


def _end(one: Example) -> float:
    """What the longest prefix with a target is worth."""
    return float(one.target[one.weight > 0][-1])


def card(trained: Trained, *, licence: str | None = None) -> str:
    """The model card: a YAML header, what it was fitted on, for whom it holds, and how good it is."""
    return "\n".join(
        [
            *card_header("process-reward-model", "multi-agent", licence=licence),
            f"# prm, fitted on {trained.runs} runs",
            "",
            "Weights of tracekit's `prm`: how likely an unfinished run is to end well. Use:",
            "",
            "    tracekit score LOGS --model FOLDER",
            "",
            (
                f"- Targets: {trained.source}; {trained.runs} runs of {trained.problems} problems, "
                f"{trained.succeeded:.1%} succeeded. Systems: {', '.join(trained.systems)}."
            ),
            "- Values hold for these systems, as they were. A changed prompt, model or order of agents",
            "  is another system; runs unlike these are flagged by their features, not by their names.",
            "- Fingerprints of the runs: `fingerprints.txt`. Their text is not in this folder.",
            f"- Made by tracekit {__version__} with seed {trained.seed}.",
            "",
            "## Out of fold",
            "",
            *told(trained.figures, trained.unevaluated),
            "",
        ]
    )


def told(found: Figures | None, why_not: str | None) -> list[str]:
    """The figures as they stand in a card, in Markdown, or why there are none."""
    if found is None:
        return [f"None: {why_not}."]
    cells = [f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in found.auroc]
    plain = [f"{one:.3f}" for one in found.length]
    return [
        "Problems held out; intervals of 95 % by bootstrap over problems. Chance is 0.5.",
        "",
        "| AUROC of success after | 25 % | 50 % | 75 % | 100 % of the steps |",
        "|---|---:|---:|---:|---:|",
        f"| prm | {' | '.join(cells)} |",
        f"| number of steps alone | {' | '.join(plain)} |",
        "",
        (
            f"Calibration error after the last step {found.error:.3f}; a perfect forecaster would show "
            f"{found.expected:.3f}."
        ),
        *(["", UNPROVEN] if unproven(found) else []),
    ]


def unproven(found: Figures) -> bool:
    """Whether even whole runs are not told apart for sure: the interval reaches chance."""
    return found.auroc[-1].low <= 0.5
