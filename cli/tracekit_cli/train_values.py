"""`tracekit train prm`: values fitted on the user's own runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tracekit import registry
from tracekit.analyzers.models import save_model
from tracekit.ingest.pipeline import Ingest
from tracekit.optional import require
from tracekit.prm.targets import read_targets
from tracekit_cli.output import emit, emit_json, note, report_problems
from tracekit_cli.progress import bar
from tracekit_cli.train_language import OnLanguage


class Wanted(NamedTuple):
    """What the command line says."""

    paths: list[str]
    out: Path
    targets: Path | None
    folds: int | None
    seed: int
    licence: str | None
    format: str | None
    json: bool
    quiet: bool
    language: OnLanguage = OnLanguage()


def train_prm(wanted: Wanted) -> int:
    """Fit, judge out of fold, save; returns the exit code."""
    for module in ("torch", "transformers"):
        require(module, extra="train")
    fit, card = _means(wanted)
    ingest = Ingest(wanted.paths, formats=[wanted.format] if wanted.format else None)
    traces = list(ingest.traces())
    problems = [problem for file in ingest.files for problem in file.problems]
    code = report_problems(problems, quiet=wanted.quiet)
    targets = None if wanted.targets is None else list(read_targets(wanted.targets))
    with bar("training", None, quiet=wanted.quiet) as tick:
        trained = fit(traces, targets=targets, progress=tick)
    text = card(trained, licence=wanted.licence)
    config = save_model(trained.values, wanted.out, definition="outcome-only", card=text)
    if wanted.json:
        figures = msgspec.to_builtins(trained.figures)
        emit_json({"output": str(wanted.out), "config": config, "evaluation": figures})
    elif trained.figures is not None:
        told = registry.load("tracekit_models.prm.evaluation:told")
        emit("\n".join([*told(trained.figures, None), ""]).encode())
    if trained.unevaluated:
        note(f"tracekit: no out-of-fold figures: {trained.unevaluated}")
    name = trained.values.name
    note(f"wrote {wanted.out}: {name} fitted on {trained.runs} runs", quiet=wanted.quiet)
    return int(code)


def _means(wanted: Wanted) -> tuple[Callable[..., Any], Callable[..., str]]:
    """What fits, and what writes the card: of the compact model, or on a language model."""
    if wanted.language.backbone is None:
        train = registry.load("tracekit_models.prm.evaluation:train_values")
        card = registry.load("tracekit_models.prm.evaluation:card")
        return partial(train, seed=wanted.seed, folds=wanted.folds), card
    told = wanted.language.wanted(folds=wanted.folds, seed=wanted.seed)
    train = registry.load("tracekit_models.prm.language_fit:train_language")
    return partial(train, wanted=told), registry.load("tracekit_models.prm.language_card:card")
