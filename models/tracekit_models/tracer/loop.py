"""What both trainings share: their common settings, the adapter, going on after a kill."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.integrations.integration_utils import TensorBoardCallback

from tracekit.analyzers.tracer.trained import write
from tracekit.errors import UsageError
from tracekit_models.tracer.recipe import Recipe, asked

CHECKPOINTING = (
    "activation_checkpointing"  # its name from transformers 5.20 on
    if "activation_checkpointing" in TrainingArguments.__dataclass_fields__
    else "gradient_checkpointing"
)
LOGS = "logs"
"""Folder for TensorBoard, beside those of the stages."""
DONE = "DONE"
"""An empty file that says that a stage is finished."""


def processes() -> int:
    """How many processes train together, one on each device, as the launcher says.

    Raises `UsageError` where a single process sees several GPUs: the trainers would share its
    batch among them by threads, which is slow and which TRL refuses.
    """
    found = int(os.environ.get("WORLD_SIZE", "1"))
    seen = torch.cuda.device_count()
    if found == 1 and seen > 1:
        raise UsageError(
            f"one process sees {seen} GPUs: train on all of them by `accelerate launch "
            f"--num_processes {seen} -m tracekit_models.tracer.train ...`, or show it a single one "
            "by CUDA_VISIBLE_DEVICES=0"
        )
    return found


def common(recipe: Recipe, batch: int, micro: int, every: int) -> dict[str, Any]:
    """Settings of either trainer; raises `UsageError` when the batch does not come out even."""
    devices = processes()
    if batch % (micro * devices):
        raise UsageError(
            f"{recipe.name}: {batch} at a step do not divide into {micro} in each of {devices} "
            "processes"
        )
    return {
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": batch // (micro * devices),
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "logging_steps": max(1, every // 10),
        "report_to": [],  # `board` does, outside of the folder of checkpoints
        "bf16": recipe.precision == "bf16",
        CHECKPOINTING: recipe.checkpointing,
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "push_to_hub": False,
    }


def compile_layers(model: PreTrainedModel | PeftModel) -> None:
    """Have torch compile the layers of a decoder for any length; without a GPU nothing is done.

    They are compiled one by one, for they are alike: the first is waited for, the others are not.
    Answers are drawn by the layers as they were: a cache that grows would have them compiled again
    and again, until torch gives up on them.
    """
    if not torch.cuda.is_available():
        return
    own: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    for layer in own.get_decoder().layers:
        layer.compile(dynamic=True)
    drawn = own.generate

    def generate(*given: Any, **named: Any) -> Any:
        with torch.compiler.set_stance("force_eager"):
            return drawn(*given, **named)

    own.generate = generate


@contextmanager
def unmasked(model: PreTrainedModel | PeftModel) -> Iterator[None]:
    """Inside, the model gets no mask of padding: for batches that are padded on the right.

    No token looks ahead, so that none sees the padding, and without a mask attention takes its fast
    way.
    """
    own: Any = model.get_base_model() if isinstance(model, PeftModel) else model

    def without(_: torch.nn.Module, given: Any, named: dict[str, Any]) -> Any:
        return given, {**named, "attention_mask": None}

    hook = own.register_forward_pre_hook(without, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def without_cudnn() -> Iterator[None]:
    """Inside, attention is never computed by cuDNN.

    Under a mask of padding on the left its gradients were not numbers at one length of 35 that were
    tried (2,112; cuDNN 9.19, torch 2.11, an H200); torch's other kernels had none at any.
    """
    before = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def adapter(recipe: Recipe, model: PreTrainedModel | PeftModel) -> LoraConfig | None:
    """The adapter to put on; None for all weights, and for a model that has one already."""
    if recipe.lora is None or isinstance(model, PeftModel):
        return None
    how = recipe.lora
    return LoraConfig(
        r=how.r,
        lora_alpha=how.alpha,
        lora_dropout=how.dropout,
        target_modules=how.targets,
        task_type="CAUSAL_LM",
    )


def batches(runs: int, batch: int, epochs: float) -> int:
    """Optimiser steps of so many epochs, at least one.

    >>> batches(100, 32, 2)
    7
    """
    return max(1, math.ceil(runs * epochs / batch))


def resumable(work: Path) -> bool:
    """Whether there is a checkpoint to go on from."""
    return any(work.glob("checkpoint-*/trainer_state.json"))


def finish(trainer: Trainer, recipe: Recipe, words: PreTrainedTokenizerBase, out: Path) -> Path:
    """Write weights, tokenizer, curves, and how the model is to be asked; the checkpoints go.

    Weights are held in float32 while all are trained, and written in the precision of the recipe.
    """
    save(trainer, recipe.precision if recipe.lora is None else "fp32", out)
    if trainer.is_world_process_zero():
        words.save_pretrained(str(out))
        write(asked(recipe), out)
        (out / "training_args.bin").unlink(missing_ok=True)  # a pickle; the recipe says it all
        trainer.state.save_to_json(str(out / "curves.json"))
        shutil.rmtree(out / "work", ignore_errors=True)
        (out / DONE).touch()
    trainer.accelerator.wait_for_everyone()  # nobody reads what is not written yet
    return out


def save(trainer: Trainer, precision: str, out: Path) -> None:
    """Write the weights, held in float32, in a precision; what several devices share stays as it is."""
    if precision == "bf16" and not trainer.is_fsdp_enabled:
        assert trainer.model is not None
        torch.nn.Module.to(trainer.model, dtype=torch.bfloat16)
    trainer.save_model(str(out))


def board(out: Path) -> list[TrainerCallback]:
    """What writes a stage's curves for TensorBoard; nothing where that is not installed.

    They go to `logs/STAGE` beside the stage: its own folder is published, its checkpoints go. One
    process writes.
    """
    if find_spec("tensorboard") is None or int(os.environ.get("RANK", "0")):
        return []
    from torch.utils.tensorboard import SummaryWriter

    return [TensorBoardCallback(SummaryWriter(str(out.parent / LOGS / out.name)))]
