"""Decoders, their FLOPs and the ways to train them: a part of benchmarks/tracer_gpu.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from gpu_flops import forward

from tracekit_models.tracer.loop import CHECKPOINTING
from tracekit_models.tracer.recipe import Scratch, read

RECIPES = Path(__file__).parents[1] / "models" / "recipes"


class Shape(msgspec.Struct, frozen=True):
    """Dimensions of a decoder, and how many answers a step of it learns from."""

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    runs: int
    """Runs of one optimiser step on each GPU, with `group` answers each."""
    micro: int
    """Answers that are learned from at once."""
    group: int = 8


def own() -> Shape:
    """The decoder that is made from nothing, and a step of it, as its recipe says."""
    recipe = read(RECIPES / "scratch.yaml")
    made, how = recipe.base, recipe.grpo
    assert isinstance(made, Scratch)
    assert how is not None
    return Shape(
        made.hidden, made.feed_forward, made.layers, made.heads, made.kv_heads,
        made.hidden // made.heads, made.vocabulary, how.batch, how.micro, how.group,
    )  # fmt: skip


SHAPES = {
    "scratch": own(),
    "qwen3-0.6b": Shape(1024, 3072, 28, 16, 8, 128, 151_936, 8, 16),
}
TOY = Shape(32, 64, 2, 2, 1, 16, 600, 2, 2, 2)


def flops(shape: Shape, read: int, written: int, squares: float) -> float:
    """FLOPs of one pass forward over answers and their prompts, the head on the answers alone.

    `squares` is the sum of squared lengths, prompt and answer together.
    """
    width = shape.heads * shape.head
    attention = shape.hidden * (2 * width + 2 * shape.kv_heads * shape.head)
    block = attention + 3 * shape.hidden * shape.inner
    products = shape.layers * block * (read + written) + shape.hidden * shape.vocabulary * written
    return forward(products, shape.layers, width, squares)


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way to train."""

    name: str
    shape: str
    tracekit: bool = True
    """Through tracekit's recipe, or as TRL would by itself."""
    lora: bool = False
    weights: Literal["fp32", "bf16"] | None = None
    """None = as the recipe holds them."""
    share: float = 1.0
    """Of the shape's runs a step: 1 over the number of GPUs for strong scaling."""
    graph: bool = False
    """Whether tracekit draws the answers, by CUDA graphs, or transformers does."""
    compiled: bool = False
    """Whether generation is compiled, which TRL switches off."""
    settings: dict[str, Any] = {}
    """Of `GRPOConfig`, over those of the recipe or of TRL."""


def variants(gpus: int) -> list[Variant]:
    """What is timed, the most telling first; on several GPUs only how that scales."""
    small, real = "scratch", "qwen3-0.6b"
    if gpus > 1:
        return [
            Variant(name=f"{name}, {kind}", shape=shape, lora=lora, share=share, graph=graph)
            for name, shape, lora, graph in (
                ("tracekit", small, False, False),
                ("tracekit, by graph", small, False, True),
                ("tracekit, adapter, by graph", real, True, True),
                ("tracekit, adapter", real, True, False),
            )
            for kind, share in (("weak", 1.0), ("strong", 1 / gpus))
        ]
    whole = SHAPES[small].runs  # parts of 8 answers in a step
    plain = {"gradient_checkpointing": False, "gradient_accumulation_steps": whole}
    at_once = {"gradient_accumulation_steps": whole}
    static = {"cache_implementation": "static"}
    again = {CHECKPOINTING: True}
    return [
        Variant(name="TRL defaults", shape=small, tracekit=False),
        Variant(
            name="+ a step's answers drawn at once", shape=small, tracekit=False, settings=at_once
        ),
        Variant(name="+ activations kept", shape=small, tracekit=False, settings=plain),
        Variant(name="tracekit", shape=small),
        Variant(name="tracekit, adapter", shape=real, lora=True),
        Variant(name="TRL defaults", shape=real, tracekit=False),
        Variant(name="tracekit, by graph", shape=small, graph=True),
        Variant(name="tracekit, adapter, by graph", shape=real, lora=True, graph=True),
        Variant(name="tracekit, static cache", shape=small, settings=static),
        Variant(name="tracekit, bfloat16 weights", shape=small, weights="bf16"),
        Variant(name="tracekit, parts of 32", shape=small, settings=_parts(small, 32)),
        Variant(name="tracekit, adapter, static cache", shape=real, lora=True, settings=static),
        Variant(name="tracekit, all weights", shape=real),
        Variant(name="tracekit, adapter, recomputed", shape=real, lora=True, settings=again),
        Variant(name="tracekit, generation compiled", shape=small, compiled=True, settings=static),
        Variant(
            name="tracekit, continuous batching",
            shape=small,
            weights="bf16",
            settings={"use_transformers_continuous_batching": True},
        ),
        Variant(name="tracekit, update compiled", shape=small, settings={"torch_compile": True}),
    ]


def tiny() -> list[Variant]:
    """Every path once, at toy size."""
    return [
        Variant(name="TRL defaults", shape="toy", tracekit=False),
        Variant(name="tracekit", shape="toy"),
        Variant(name="tracekit, adapter, by graph", shape="toy", lora=True, graph=True),
    ]


def _parts(shape: str, micro: int) -> dict[str, Any]:
    """Bigger parts of the same step."""
    found = SHAPES[shape]
    return {
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": found.runs * found.group // micro,
    }
