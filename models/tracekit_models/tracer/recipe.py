"""Recipes: everything that training a tracer depends on, in one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from tracekit.analyzers.tracer.prompt import ASK, SYSTEM
from tracekit.analyzers.tracer.trained import Trained
from tracekit.errors import InputError
from tracekit.optional import require

Positive = Annotated[int, msgspec.Meta(ge=1)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Prompt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model reads."""

    budget: Positive = 6144
    """Tokens of the prompt."""
    with_answer: bool = False
    """Whether it sees the correct answer of the task."""


class Lora(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A low-rank adapter; a recipe without one trains all weights."""

    r: Positive = 64
    alpha: Positive = 128
    dropout: Share = 0.0
    targets: str | list[str] = "all-linear"


class Scratch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A base that is made here: a tokenizer and a Qwen3-style decoder, trained on transcripts."""

    vocabulary: Positive = 8192
    hidden: Positive = 512
    layers: Positive = 8
    heads: Positive = 8
    kv_heads: Positive = 4
    feed_forward: Positive = 1536
    context: Positive = 4096
    steps: Positive = 3000
    """Optimiser steps of the pre-training."""
    tokens: Positive = 65536
    """Of one optimiser step."""
    rate: Rate = 1e-3


class Sft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Supervised fine-tuning on written answers."""

    epochs: Annotated[float, msgspec.Meta(gt=0)] = 2.0
    rate: Rate = 1e-4
    batch: Positive = 32
    """Runs of one optimiser step, over all devices."""
    micro: Positive = 2
    """Runs that one device holds at once."""
    warmup: Share = 0.03
    patience: Positive = 3
    """Evaluations without a better loss before it stops."""
    evaluations: Positive = 10
    """Over the whole of it."""
    max_steps: int = -1
    """Optimiser steps; -1 = as `epochs` says."""


class Grpo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reinforcement learning on rewards; the defaults are those of AgenTracer, where it says them."""

    steps: Positive = 300
    rate: Rate = 1e-6
    group: Annotated[int, msgspec.Meta(ge=2)] = 8
    """Answers for each run."""
    batch: Positive = 32
    """Runs of one optimiser step, over all devices."""
    micro: Positive = 8
    """Answers that one device holds at once; a multiple of what `group` needs."""
    at_once: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Answers that one device draws together, a multiple of `micro`; 0 = its share of a whole step.

    More is faster, and holds the keys and values of more prompts at once.
    """
    completion: Positive = 1024
    """Most tokens of an answer."""
    temperature: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    draw: Literal["generate", "graph"] = "generate"
    """How answers are drawn: by transformers, or each prompt once and a token by one CUDA graph."""
    beta: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Weight of the KL term; 0 = none, and no reference model."""
    clip: Share = 0.2
    """Clip range at the start (B_0, which the paper does not give)."""
    clip_floor: Share = 0.2
    """Share of it that is left at the end: max(floor, 1 - step / steps) of `clip`."""
    share: Share = 0.5
    """Weight of the step against the agent (lambda)."""
    sigma: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """Width of the reward over steps."""
    pair: Share = 0.0
    """Part of the combined reward that is for agent and step both right; 0 is AgenTracer's."""
    length: Annotated[float, msgspec.Meta(ge=0)] = 0.1
    """Weight of the bound on length; 0 = none."""
    rewards: Literal["combined", "separate"] = "combined"
    """One reward as in AgenTracer, or one for each part, normalised before they are added."""
    patience: Positive = 3
    evaluations: Positive = 6


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a tracer is made."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9.-]{0,60}$")]
    base: str | Scratch
    """Name on the Hub or folder of a causal language model, or one that is made here."""
    prompt: Prompt = Prompt()
    lora: Lora | None = None
    sft: Sft | None = Sft()
    grpo: Grpo | None = Grpo()
    precision: Literal["bf16", "fp32"] = "bf16"
    checkpointing: bool = True
    """Whether activations are computed again instead of kept."""
    compiled: bool = False
    """Whether layers are compiled on a GPU: the first steps are slow, small models gain."""
    held_out: Share = 0.1
    """Share of the questions that training never sees and stops by."""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


def asked(recipe: Recipe) -> Trained:
    """How the models of a recipe are to be asked, as their folders say."""
    return Trained(
        recipe=recipe.name,
        prompts=(SYSTEM.id, ASK.id),
        budget=recipe.prompt.budget,
        max_tokens=recipe.grpo.completion if recipe.grpo else None,
        with_answer=recipe.prompt.with_answer,
    )


def read(path: Path, **changes: Any) -> Recipe:
    """The recipe in a file, with fields replaced; raises `InputError` that says which is wrong.

    `changes` are fields of the recipe by name, whole.
    """
    require("yaml", extra="train")
    try:
        text = path.read_bytes()
        recipe = msgspec.yaml.decode(text, type=Recipe)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{path}: {error}") from None
    return msgspec.structs.replace(recipe, **changes)
