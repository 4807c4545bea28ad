"""`tracekit train prm --backbone`: values on a language model, judged on problems it did not see.

Fitting a language model once for each fold costs too much. Some problems are held out instead: the
weights never see them, the calibration is fitted on them, and the figures come from them. So that
no figure flatters, the calibration that a run is judged by was fitted on the other half of these
problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tracekit.errors import UsageError
from tracekit.prm.targets import Target
from tracekit.trace import Trace
from tracekit_models.prm import bodies
from tracekit_models.prm.calibration import Platt, platt
from tracekit_models.prm.crossfit import deal
from tracekit_models.prm.data import Example, examples
from tracekit_models.prm.evaluation import Figures, figures_of
from tracekit_models.prm.familiar import familiar
from tracekit_models.prm.language_settings import Backbone, Language, Lora, Settings
from tracekit_models.prm.language_train import Recipe, score, train
from tracekit_models.prm.stored import LanguageValues
from tracekit_models.prm.train import Progress, check_enough

HELD, SHARE = 4, 5
"""Problems that are held out at the least, and one of how many where nothing else is said."""
CURVED, PARTS = 16, 8
"""Held-out problems below which nothing is calibrated, and parts that are judged in turn."""
LENGTH, LONGEST = 2048, 384
"""Tokens of a window and of a message, where the backbone can read as many."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to fit, and how."""

    base: str
    """Folder of a model of the transformers library, or `owner/name[@revision]` on the Hub."""
    lora: Lora | None = Lora()
    """None = all weights are trained."""
    length: int | None = None
    """Tokens of a window; None = 2,048, or as many as the backbone can read."""
    recipe: Recipe = Recipe()
    folds: int | None = None
    """One in so many problems is held out; None = one in five, four at the least."""
    seed: int = 0


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A value model on a language model, and what is known of its quality."""

    values: LanguageValues
    wanted: Wanted
    runs: int
    problems: int
    held: int
    """Problems that the weights did not see."""
    succeeded: float
    """Share of the runs, or mean target of their ends, 0 to 1."""
    systems: tuple[str, ...]
    source: str
    """Where the targets come from: outcome, mc, mcts, or several."""
    figures: Figures | None
    unevaluated: str | None = None
    """Why there are no figures."""


class Case(NamedTuple):
    """A run and what its prefixes are worth."""

    trace: Trace
    example: Example


def train_language(
    traces: Iterable[Trace],
    wanted: Wanted,
    *,
    targets: Sequence[Target] | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Fit a value model on runs with outcomes, or on targets of their prefixes, and judge it.

    Raises `UsageError` for too few runs, runs that all ended alike, and more folds than problems
    allow; `InputError` and `BackendError` for a backbone that cannot be had.
    """
    tell = progress or (lambda _: None)
    cases = _cases(traces, targets)
    check_enough([case.example for case in cases])
    held, why = held_out(cases, wanted)
    base = bodies.base_of(wanted.base)
    body = bodies.body_of(base.folder, frozen=wanted.lora is not None)
    tokenizer = bodies.tokenizer_of(base.folder)
    backbone = reading(body, wanted)
    tell(f"{len(cases)} runs, read by {backbone.reads}")
    model = train(
        body,
        tokenizer,
        [case.trace for case in cases if case.example.problem not in held],
        targets=targets,
        backbone=backbone,
        recipe=wanted.recipe,
        seed=wanted.seed,
        device=bodies.device(),
    )
    unseen = [case for case in cases if case.example.problem in held]
    tell(f"held out: {len(unseen)} runs")
    logits = [score(model, tokenizer, case.trace, backbone) for case in unseen]
    known = familiar([case.example for case in cases])
    curve = curve_of(unseen, logits)
    settings = Settings(
        base=base.pinned,
        backbone=backbone,
        systems=known.detector.systems,
        slope=round(curve.slope, 6),
        shift=round(curve.shift, 6),
        seed=wanted.seed,
        traces=tuple(sorted({case.example.print for case in cases})),
    )
    return Trained(
        values=LanguageValues(Language(model, tokenizer, settings, known)),
        wanted=wanted,
        runs=len(cases),
        problems=len({case.example.problem for case in cases}),
        held=len(held),
        succeeded=float(np.mean([_end(case) for case in cases])),
        systems=known.detector.systems,
        source=", ".join(sorted({t.source for t in targets})) if targets else "outcome",
        figures=judged(unseen, logits, wanted.seed) if unseen else None,
        unevaluated=why,
    )


def fit(traces: Sequence[Trace], settings: Settings, *, seed: int) -> LanguageValues:
    """A model like one that is known, on other runs; its backbone must be on the Hub."""
    assert settings.base is not None
    how = settings.backbone
    wanted = Wanted(base=settings.base, lora=how.lora, length=how.length, seed=seed)
    return train_language(traces, wanted).values


def held_out(cases: Sequence[Case], wanted: Wanted) -> tuple[frozenset[str], str | None]:
    """Problems that the weights do not see; none, and why, where there are too few of them.

    Raises `UsageError` where so many folds were asked for that too few problems remain.
    """
    problems = sorted({case.example.problem for case in cases})
    count = len(problems) // wanted.folds if wanted.folds else max(HELD, len(problems) // SHARE)
    if wanted.folds and count < HELD:
        raise UsageError(
            f"--folds {wanted.folds}: one in {wanted.folds} of {len(problems)} problems is fewer "
            f"than the {HELD} that have to be held out"
        )
    if len(problems) < 2 * HELD:
        return frozenset(), f"{len(problems)} problems are too few to hold some out"
    order = np.random.default_rng(wanted.seed).permutation(len(problems)).tolist()
    held = frozenset(problems[k] for k in order[:count])
    for side in (True, False):
        ends = {_end(case) > 0.5 for case in cases if (case.example.problem in held) is side}
        if len(ends) < 2:
            which = "held out" if side else "learned from"
            return frozenset(), f"runs of the problems {which} all ended alike"
    return held, None


def reading(body: Any, wanted: Wanted) -> Backbone:
    """How the backbone reads; raises `UsageError` for a window that it has no places for."""
    reads = bodies.reads_of(body)
    most = bodies.longest_of(body, LENGTH if wanted.length is None else wanted.length)
    if reads == "message":
        return Backbone(
            reads=reads, length=2 * LENGTH, longest=min(most, LONGEST), lora=wanted.lora
        )
    if wanted.length is not None and most < wanted.length:
        raise UsageError(f"--length {wanted.length}: the backbone reads {most} tokens at most")
    return Backbone(reads=reads, length=most, longest=min(LONGEST, most // 4), lora=wanted.lora)


def _cases(traces: Iterable[Trace], targets: Sequence[Target] | None) -> list[Case]:
    """Runs about which something is known."""
    own: dict[str, list[Target]] = {}
    for target in targets or ():
        own.setdefault(target.trace, []).append(target)
    return [
        Case(trace, example)
        for trace in traces
        for example in examples([trace], None if targets is None else own.get(trace.id, []))
    ]


def judged(cases: Sequence[Case], logits: Sequence[np.ndarray], seed: int) -> Figures:
    """On held-out problems, each part of them under the calibration of the others."""
    found = [case.example for case in cases]
    part = deal(found, PARTS, seed)
    values = [np.zeros(0)] * len(cases)
    for k in range(PARTS):
        curve = curve_of(cases, logits, where=part != k)
        for n in np.flatnonzero(part == k).tolist():
            values[n] = 1 / (1 + np.exp(-(curve.slope * logits[n] + curve.shift)))
    return figures_of(found, logits, values)


def curve_of(
    cases: Sequence[Case], logits: Sequence[np.ndarray], where: np.ndarray | None = None
) -> Platt:
    """The calibration of held-out runs, fitted on those that are meant; neutral for few problems."""
    if len({case.example.problem for case in cases}) < CURVED:
        return Platt()
    chosen = np.flatnonzero(np.ones(len(cases)) if where is None else where).tolist()
    return platt(
        np.concatenate([logits[n] for n in chosen]),
        np.concatenate([cases[n].example.target for n in chosen]),
        np.concatenate([cases[n].example.weight for n in chosen]),
    )


def _end(case: Case) -> float:
    """What the longest prefix with a target is worth."""
    return float(case.example.target[case.example.weight > 0][-1])
