"""Supervised fine-tuning of a tracer on written answers, by TRL's `SFTTrainer`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import EarlyStoppingCallback, PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from datasets import Dataset
from tracekit_models.tracer.data import Sample, ordered, sft_row
from tracekit_models.tracer.finite import Finite
from tracekit_models.tracer.loop import (
    adapter,
    batches,
    board,
    common,
    compile_layers,
    finish,
    resumable,
    unmasked,
)
from tracekit_models.tracer.recipe import Recipe

ROUND = 64
"""Lengths of batches are multiples of it: memory of one shape serves the next."""
WORKERS = 4
"""Most processes that make batches while a GPU is busy."""


def workers() -> int:
    """How many do: none without a GPU, which nobody would wait for."""
    return min(WORKERS, os.cpu_count() or 1) if torch.cuda.is_available() else 0


def train(
    recipe: Recipe,
    model: PreTrainedModel | PeftModel,
    words: PreTrainedTokenizerBase,
    train: Sequence[Sample],
    held: Sequence[Sample],
    out: Path,
    **more: Any,
) -> Path:
    """Fit the model; keeps the weights with the least loss on the held-out runs.

    The loss counts the answer alone. `more` goes to `SFTConfig`. Returns the folder, adapter and
    tokenizer in it; a folder that is finished already is taken as it is.
    """
    how = recipe.sft
    assert how is not None
    if (out / "DONE").is_file():
        return out
    work = out / "work"
    steps = how.max_steps if how.max_steps > 0 else batches(len(train), how.batch, how.epochs)
    every = max(1, steps // how.evaluations)
    settings = {
        **common(recipe, how.batch, how.micro, every),
        "max_steps": steps,
        "learning_rate": how.rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(how.warmup * steps),
        "train_sampling_strategy": "group_by_length",  # less padding
        "max_length": None,  # the prompt is cut to its budget already
        "pad_to_multiple_of": ROUND,
        "dataloader_num_workers": workers(),
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
        "per_device_eval_batch_size": how.micro,
        **more,
    }
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(output_dir=str(work), **settings),
        train_dataset=Dataset.from_list([sft_row(s) for s in ordered(train, recipe.seed)]),
        eval_dataset=Dataset.from_list([sft_row(s) for s in held]),
        processing_class=words,
        peft_config=adapter(recipe, model),
        callbacks=[Finite(), EarlyStoppingCallback(how.patience), *board(out)],
    )
    if recipe.compiled:
        compile_layers(model)
    with unmasked(model):  # the trainer pads on the right
        trainer.train(resume_from_checkpoint=resumable(work))
    return finish(trainer, recipe, words, out)
