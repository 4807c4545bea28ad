"""`tracekit train tracer`: a language model fine-tuned by a recipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import msgspec

from tracekit import registry
from tracekit.errors import InputError
from tracekit.optional import require
from tracekit.trace import Trace
from tracekit_cli.output import emit, emit_json, note


def train_tracer(
    recipe: Path,
    traces: Sequence[Trace],
    out: Path,
    *,
    licence: str | None,
    json: bool,
    quiet: bool,
) -> None:
    """Train by the recipe, score on held-out questions, print the figures.

    What a killed run had finished is kept: the same command goes on from there.
    """
    for module in ("torch", "transformers", "trl", "peft", "datasets"):
        require(module, extra="train")
    read = registry.load("tracekit_models.tracer.recipe:read")
    make = registry.load("tracekit_models.tracer.train:make")
    finish = registry.load("tracekit_models.tracer.card:finish")
    table = registry.load("tracekit_models.tracer.card:table")

    def told(stage: str) -> None:
        note(f"tracekit: {stage}", quiet=quiet)

    with redirect_stdout(sys.stderr):  # the trainers print their curves there
        try:
            made = make(read(recipe), traces, out, stage=told)
        except ValueError as error:  # too few questions, texts or tokens for this recipe
            raise InputError(str(error)) from error
        found = finish(made, traces, out, licence=licence)
    if made.skipped:
        note(f"tracekit: {len(made.skipped)} runs do not fit into the prompt and were left out")
    if json:
        emit_json({"output": str(found.folder), "evaluation": msgspec.to_builtins(found.figures)})
    else:
        emit("\n".join([*table(found), ""]).encode())
    note(f"wrote {found.folder}: use it with --method tracer --model {found.folder}", quiet=quiet)
