"""What both trainings share: their common settings, the adapter, going on after a kill."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments

from tracekit.errors import UsageError
from tracekit_models.tracer.recipe import Recipe

CHECKPOINTING = (
    "activation_checkpointing"  # its name from transformers 5.20 on
    if "activation_checkpointing" in TrainingArguments.__dataclass_fields__
    else "gradient_checkpointing"
)
DONE = "DONE"
"""An empty file that says that a stage is finished."""


def common(recipe: Recipe, batch: int, micro: int, every: int) -> dict[str, Any]:
    """Settings of either trainer; raises `UsageError` when the batch does not come out even."""
    devices = max(1, torch.cuda.device_count()) if torch.cuda.is_available() else 1
    if batch % (micro * devices):
        raise UsageError(
            f"{recipe.name}: {batch} at a step do not divide into {micro} on each of {devices} devices"
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
        "report_to": ["tensorboard"] if _has_tensorboard() else [],
        "bf16": recipe.precision == "bf16",
        CHECKPOINTING: recipe.checkpointing,
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "push_to_hub": False,
    }


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


def finish(trainer: Trainer, words: PreTrainedTokenizerBase, out: Path) -> Path:
    """Write the weights, the tokenizer and the curves; the checkpoints go."""
    trainer.save_model(str(out))
    words.save_pretrained(str(out))
    (out / "training_args.bin").unlink(missing_ok=True)  # a pickle; the recipe says it all
    trainer.state.save_to_json(str(out / "curves.json"))
    shutil.rmtree(out / "work", ignore_errors=True)
    (out / DONE).touch()
    return out


def _has_tensorboard() -> bool:
    from importlib.util import find_spec

    return find_spec("tensorboard") is not None
