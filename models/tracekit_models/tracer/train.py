"""Makes a tracer by a recipe: base, supervised fine-tuning, rewards; each stage goes on after a kill.

    python -m tracekit_models.tracer.train models/recipes/scratch.yaml injected/ -o my-tracer
    accelerate launch -m tracekit_models.tracer.train models/recipes/qwen3-8b-lora.yaml ...

The same as `tracekit train tracer --recipe`, in the form that `accelerate launch` takes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tracekit.analyzers.tracer.prompt import Count
from tracekit.errors import InputError
from tracekit.folds import fingerprint
from tracekit.ingest.pipeline import load
from tracekit.trace import Trace
from tracekit_models.tracer import base, grpo, sft
from tracekit_models.tracer.data import Sample, samples, split
from tracekit_models.tracer.recipe import Recipe, Scratch, asked, read

LEAST = 4
"""Runs with a labelled step below which nothing is trained."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipe came to; `made.json` in the folder."""

    recipe: Recipe
    prompts: tuple[str, ...]
    """Templates by name and version."""
    train: int
    """Samples that were trained on."""
    held_out: int
    """Samples that training stopped by."""
    fingerprints: tuple[str, ...]
    """Of every run that was looked at, sorted."""
    skipped: tuple[str, ...]
    """Ids of labelled runs whose step does not fit into the budget."""
    stages: tuple[str, ...]
    """Folders of the stages, in order, below the output."""


def make(
    recipe: Recipe,
    traces: Sequence[Trace],
    out: Path,
    *,
    stage: Callable[[str], None] = lambda _: None,
    **more: Any,
) -> Made:
    """Train by a recipe on labelled runs; `stage` is told what begins. Finished stages are kept.

    `more` goes to the trainers' configurations (tests shorten them). Raises `InputError` when too
    few runs carry a step.
    """
    out.mkdir(parents=True, exist_ok=True)
    folder = _base(recipe, traces, out, stage)
    model: PreTrainedModel | PeftModel
    model, words = base.named(str(folder), kept(recipe))
    skipped: list[str] = []
    found = _samples(recipe, traces, counter(words), skipped)
    train, held = split(found, recipe.held_out, recipe.seed)
    stages = ["base"] if isinstance(recipe.base, Scratch) else []
    if recipe.sft is not None:
        stage("supervised fine-tuning")
        sft.train(recipe, model, words, train, held, out / "sft", **more)
        model, words = trained(out / "sft", recipe)
        stages.append("sft")
    if recipe.grpo is not None:
        stage("training on rewards")
        grpo.train(recipe, model, words, train, held, out / "grpo", **more)
        stages.append("grpo")
    done = Made(
        recipe=recipe,
        prompts=asked(recipe).prompts,
        train=len(train),
        held_out=len(held),
        fingerprints=tuple(sorted({fingerprint(sample.trace) for sample in found})),
        skipped=tuple(skipped),
        stages=tuple(stages),
    )
    (out / "made.json").write_bytes(msgspec.json.format(msgspec.json.encode(done), indent=2))
    return done


def _base(
    recipe: Recipe, traces: Sequence[Trace], out: Path, stage: Callable[[str], None]
) -> str | Path:
    """The name of the base, or the folder of the one that is made here."""
    if not isinstance(recipe.base, Scratch):
        return recipe.base
    if (out / "base" / "config.json").is_file():
        return out / "base"
    stage("pre-training the base")
    texts = [text for trace in traces for text in transcript(trace)]
    words = base.tokenizer(texts, recipe.base.vocabulary)
    return base.pretrain(
        recipe.base,
        base.blocks(texts, words, recipe.base.context),
        words,
        out / "base",
        precision=recipe.precision,
        seed=recipe.seed,
        compiled=recipe.compiled,
    )


def transcript(trace: Trace) -> list[str]:
    """A run as text to go on with: the log as prompts show it, no label and no outcome."""
    from tracekit.analyzers.judges.shown import Shown

    return [Shown(trace).log()]


def held_out(recipe: Recipe, traces: Sequence[Trace], count: Count) -> list[Sample]:
    """The samples that training stops by; the same for the same recipe and runs."""
    return split(_samples(recipe, traces, count, []), recipe.held_out, recipe.seed)[1]


def counter(words: PreTrainedTokenizerBase) -> Count:
    """What counts the tokens of a text by a tokenizer."""
    return lambda text: len(words(text, add_special_tokens=False)["input_ids"])


def _samples(
    recipe: Recipe, traces: Sequence[Trace], count: Count, skipped: list[str]
) -> list[Sample]:
    prompt = recipe.prompt
    found = list(
        samples(
            traces,
            prompt.budget,
            count,
            with_answer=prompt.with_answer,
            skipped=lambda trace, _: skipped.append(trace.id),
        )
    )
    if len(found) < LEAST:
        raise InputError(
            f"{len(found)} runs have a labelled step; at least {LEAST} are needed, with 2 questions"
        )
    return found


def kept(recipe: Recipe) -> Literal["bf16", "fp32"]:
    """How weights are held while they are trained.

    All weights are held in float32, whatever the products are computed in: bfloat16 keeps 8 bits, and
    an update of 1e-6 to a weight of 0.02 would be rounded away. An adapter is float32 by itself, and
    what it is put on stays as it is.
    """
    return "fp32" if recipe.lora is None else recipe.precision


def trained(
    folder: Path, recipe: Recipe
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """The model of a finished stage; an adapter stays trainable."""
    if recipe.lora is None:
        return base.named(str(folder), kept(recipe))
    origin = recipe.base if isinstance(recipe.base, str) else str(folder.parent / "base")
    model, _ = base.named(origin, kept(recipe))
    return PeftModel.from_pretrained(model, str(folder), is_trainable=True), base.words_of(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train a tracer by a recipe."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("recipe", type=Path, help="a file such as models/recipes/scratch.yaml")
    parser.add_argument("logs", nargs="+", help="labelled runs: injected, or your own")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for every stage")
    given = parser.parse_args(arguments)
    traces = [trace for path in given.logs for trace in load(path)]
    make(read(given.recipe), traces, given.out, stage=_tell)


def _tell(stage: str) -> None:
    sys.stderr.write(f"{stage}\n")


if __name__ == "__main__":
    main()
