"""Reinforcement learning of a tracer on its rewards, by TRL's `GRPOTrainer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import EarlyStoppingCallback, PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer

from datasets import Dataset
from tracekit.analyzers.tracer.answer import parse
from tracekit.errors import UsageError
from tracekit.store import decode_trace
from tracekit.trace import Trace
from tracekit_models.tracer import rewards
from tracekit_models.tracer.clip import ShrinkingClip
from tracekit_models.tracer.data import Sample, grpo_row, ordered
from tracekit_models.tracer.draw import by_graph
from tracekit_models.tracer.finite import Finite
from tracekit_models.tracer.loop import (
    adapter,
    board,
    common,
    compile_layers,
    finish,
    resumable,
    without_cudnn,
)
from tracekit_models.tracer.recipe import Grpo, Recipe

Completions = list[list[dict[str, str]]]
Reward = Callable[..., list[float | None]]


def train(
    recipe: Recipe,
    model: PreTrainedModel | PeftModel,
    words: PreTrainedTokenizerBase,
    train: Sequence[Sample],
    held: Sequence[Sample],
    out: Path,
    **more: Any,
) -> Path:
    """Train the model on what its answers earn; keeps the best weights on the held-out runs.

    Runs come in the order of the curriculum. `more` goes to `GRPOConfig`.
    """
    if (out / "DONE").is_file():
        return out
    work = out / "work"
    trainer = trainer_of(recipe, model, words, train, held, work, **more)
    for callback in board(out):
        trainer.add_callback(callback)
    with without_cudnn():  # prompts are padded on the left
        trainer.train(resume_from_checkpoint=resumable(work))
    return finish(trainer, recipe, words, out)


def trainer_of(
    recipe: Recipe,
    model: PreTrainedModel | PeftModel,
    words: PreTrainedTokenizerBase,
    train: Sequence[Sample],
    held: Sequence[Sample],
    work: Path,
    kind: type[GRPOTrainer] = GRPOTrainer,
    **more: Any,
) -> GRPOTrainer:
    """The trainer that a recipe asks for, not started; `more` goes to `GRPOConfig`.

    All answers of a step are drawn at once, and learned from in parts of `micro`.
    """
    how = recipe.grpo
    assert how is not None
    if how.draw == "graph":
        by_graph(model)
    named = reward_functions(how)
    asked = ordered(train, recipe.seed, how.steps * how.batch)
    settings = {**_settings(recipe, how), **more}
    clip = ShrinkingClip(how.clip, how.clip_floor)
    stop = [EarlyStoppingCallback(how.patience)] if settings["load_best_model_at_end"] else []
    trainer = kind(
        model=model,
        reward_funcs=[function for function, _ in named],
        args=GRPOConfig(output_dir=str(work), **settings),
        train_dataset=Dataset.from_list([grpo_row(sample) for sample in asked]),
        eval_dataset=Dataset.from_list([grpo_row(s) for s in held]),
        processing_class=words,
        peft_config=adapter(recipe, model),
        callbacks=[Finite(), clip, *stop],
    )
    clip.trainer = trainer
    if recipe.compiled:
        compile_layers(model)
    return trainer


def _settings(recipe: Recipe, how: Grpo) -> dict[str, Any]:
    """Of `GRPOConfig`, from a recipe."""
    shared = common(recipe, how.batch * how.group, how.micro, max(1, how.steps // how.evaluations))
    return {
        **shared,
        "steps_per_generation": _parts(recipe, how, shared["gradient_accumulation_steps"]),
        "max_steps": how.steps,
        "learning_rate": how.rate,
        "lr_scheduler_type": "constant",
        "num_generations": how.group,
        "max_completion_length": how.completion,
        "temperature": how.temperature,
        "beta": how.beta,
        "epsilon": how.clip,
        "shuffle_dataset": False,
        "reward_weights": [weight for _, weight in reward_functions(how)],
        "multi_objective_aggregation": (
            "normalize_then_sum" if how.rewards == "separate" else "sum_then_normalize"
        ),
        "metric_for_best_model": "eval_reward",
        "greater_is_better": True,
        "per_device_eval_batch_size": how.micro,
        "dataloader_pin_memory": False,  # rows are text; its thread must not touch a graph's capture
    }


def _parts(recipe: Recipe, how: Grpo, step: int) -> int:
    """How many micro batches are drawn together, of the `step` that an optimiser step has."""
    if how.at_once == 0:
        return step
    parts = min(step, how.at_once // how.micro)
    if how.at_once % how.micro or step % parts:
        raise UsageError(
            f"{recipe.name}: {how.at_once} answers at once do not divide a step of {step} times "
            f"{how.micro} answers evenly"
        )
    return parts


def reward_functions(how: Grpo) -> list[tuple[Reward, float]]:
    """The rewards in the form that TRL calls them, with their weights."""
    if how.pair and how.rewards == "separate":
        raise UsageError("`pair` is a part of the combined reward: set `rewards: combined`")

    def blame(
        completions: Completions, trace: list[str], agent: list[str], step: list[int], **_: Any
    ) -> list[float | None]:
        weights = {"share": how.share, "sigma": how.sigma, "pair": how.pair}
        return [
            rewards.combined(text_of(said), run, who, when, **weights)
            for said, run, who, when in zip(completions, decoded(trace), agent, step, strict=True)
        ]

    def right_agent(
        completions: Completions, trace: list[str], agent: list[str], **_: Any
    ) -> list[float | None]:
        found = (_read(said, run) for said, run in zip(completions, decoded(trace), strict=True))
        return [
            0.0 if one is None else rewards.agent_reward(one[0], who)
            for one, who in zip(found, agent, strict=True)
        ]

    def right_step(
        completions: Completions, trace: list[str], step: list[int], **_: Any
    ) -> list[float | None]:
        found = (_read(said, run) for said, run in zip(completions, decoded(trace), strict=True))
        return [
            0.0 if one is None else rewards.step_reward(one[1], when, how.sigma)
            for one, when in zip(found, step, strict=True)
        ]

    def length(completion_ids: list[list[int]], **_: Any) -> list[float | None]:
        return [rewards.length_reward(len(ids), how.completion) for ids in completion_ids]

    parts: list[tuple[Reward, float]] = (
        [(blame, 1.0)]
        if how.rewards == "combined"
        else [(right_step, how.share), (right_agent, 1 - how.share)]
    )
    return parts + ([(length, how.length)] if how.length else [])


def text_of(completion: list[dict[str, str]]) -> str:
    """What the model wrote."""
    return completion[-1]["content"]


def decoded(runs: Sequence[str]) -> list[Trace]:
    """Traces from their JSON; the answers of a group share theirs, which is read once."""
    known = {run: decode_trace(run) for run in set(runs)}
    return [known[run] for run in runs]


def _read(completion: list[dict[str, str]], run: Trace) -> tuple[str, int] | None:
    """(agent, step) of an answer that can be read: the format gate of every part."""
    try:
        said = parse(text_of(completion), run)
    except ValueError:
        return None
    return said.agent, said.step
