"""Throughput of training a tracer on rewards: generation, rewards and update of GRPO, by settings.

    python benchmarks/tracer_gpu.py --out speed.json                          # one GPU
    accelerate launch --num_processes 2 benchmarks/tracer_gpu.py --budget 45  # how that scales
    python benchmarks/tracer_gpu.py --tiny                                    # a toy on the CPU

Decoders of Qwen3's architecture with random weights read fixed made-up runs (prompts of about 1,400
to 1,900 tokens) and write exactly `--completion` tokens each, since their end mark is banned: every
variant does the same work for each answer. Variants go from TRL's defaults to tracekit's settings,
one change at a time, then away from these. A variant that fails says why and gives no figure.

Times are of whole optimiser steps after warm-up, the device synchronised at the borders of each
part. `update` is a step less the drawing and scoring of its answers: forward, backward, optimiser.
FLOPs are those needed, without padding and without what is computed again: 2 for each weight and
token that is read or written in generation (a prompt for each answer, also where it is read once
for all); 6 in the update, 4 where weights are frozen beside an
adapter (no gradients of them); the language-model head counts for answers alone. Causal attention
adds layers * width * length for each token and pass of the same count (1, 3, 3). MFU divides by
989 TFLOP/s, the dense bfloat16 peak of an H100 or H200.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from gpu_flops import PEAK
from tracer_gpu_variants import SHAPES, TOY, Shape, Variant, flops, tiny, variants
from transformers import PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from datasets import Dataset
from tracekit.testing.traces import make_trace
from tracekit.trace import Label, Trace
from tracekit_models.tracer import base
from tracekit_models.tracer.data import Sample, grpo_row, samples
from tracekit_models.tracer.grpo import reward_functions, trainer_of
from tracekit_models.tracer.loop import processes
from tracekit_models.tracer.recipe import Grpo, Lora, Recipe
from tracekit_models.tracer.train import kept

SAID = 80
"""Words of a made-up step."""


class Timed(GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer with a clock around the parts of its step; what they do is left alone."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.read = self.written = 0
        """Tokens of prompts and of answers; an answer counts its prompt once more."""
        self.squares = 0.0
        """Sum over answers of the squared length, prompt and answer together."""
        super().__init__(*args, **more)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Adds the time of what runs inside, the device's included."""
        started = settled()
        yield
        self.seconds[name] += settled() - started

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        with self.part("prepared"):
            return super()._prepare_inputs(generation_batch)

    def _generate_single_turn(self, prompt_ids: Any, *rest: Any, **more: Any) -> Any:
        with self.part("generation"):
            found = super()._generate_single_turn(prompt_ids, *rest, **more)
        for prompt, answer in zip(prompt_ids, found[0], strict=True):
            self.read += len(prompt)
            self.written += len(answer)
            self.squares += (len(prompt) + len(answer)) ** 2
        return found

    def _calculate_rewards(self, *args: Any, **more: Any) -> Any:
        with self.part("rewards"):
            return super()._calculate_rewards(*args, **more)

    def _get_per_token_logps_and_entropies(self, *args: Any, **more: Any) -> Any:
        if torch.is_grad_enabled():
            return super()._get_per_token_logps_and_entropies(*args, **more)
        with self.part("old log-probabilities"):
            return super()._get_per_token_logps_and_entropies(*args, **more)


class Clock(TrainerCallback):  # type: ignore[misc]
    """Starts after the warm-up and ends with the last step."""

    def __init__(self, trainer: Timed, warmup: int) -> None:
        self.trainer, self.warmup = trainer, warmup
        self.started = self.ended = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Forget the warm-up, or note the time."""
        self.ended = settled()
        if state.global_step == self.warmup:
            self.started = self.ended
            self.trainer.seconds.clear()
            self.trainer.read = self.trainer.written = 0
            self.trainer.squares = 0.0


def settled() -> float:
    """Now, in seconds, once the device has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def main(arguments: Sequence[str] | None = None) -> None:
    """Time each variant and write one JSON object."""
    given = _arguments(arguments)
    begun = time.perf_counter()
    gpus = processes()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    asked = variants(gpus) if not given.tiny else tiny()
    if given.only:
        asked = [
            v for v in asked if given.only in f"{v.shape}: {v.name}" or given.only == "scaling"
        ]
    most = max((TOY if given.tiny else SHAPES[v.shape]).runs for v in asked)
    runs = [made_up(n, given.tiny) for n in range(most * gpus * (given.warmup + given.steps))]
    texts = [step.content for run in runs[:200] for step in run.steps]
    words = base.tokenizer(texts, 600 if given.tiny else 2000)
    found = list(samples(runs, 3000, lambda text: len(words(text)["input_ids"])))
    rows: list[dict[str, Any]] = []
    for variant in asked:
        row: dict[str, Any] = {"name": variant.name, "shape": variant.shape}
        if _late(begun, given.budget):
            row["failed"] = f"not run: {given.budget} s were spent"
        else:
            row |= timed(variant, words, found, gpus, given)
        rows.append(row)
        if _first():
            sys.stderr.write(f"{msgspec.json.encode(row).decode()}\n")
            if given.out:  # after each, so that what is measured outlives what breaks
                given.out.write_bytes(_said(rows, gpus, time.perf_counter() - begun, given))
    if _first() and not given.out:
        sys.stdout.buffer.write(_said(rows, gpus, time.perf_counter() - begun, given))


def _late(begun: float, budget: float) -> bool:
    """Whether the time is spent; the first process says so for all."""
    late = [time.perf_counter() - begun > budget]
    if torch.distributed.is_initialized():
        torch.distributed.broadcast_object_list(late)
    return late[0]


def _first() -> bool:
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def timed(
    variant: Variant,
    words: PreTrainedTokenizerBase,
    found: Sequence[Sample],
    gpus: int,
    given: argparse.Namespace,
) -> dict[str, Any]:
    """The figures of one variant, or why there are none."""
    shape = TOY if given.tiny else SHAPES[variant.shape]
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
            trainer = _trainer(variant, shape, words, found, gpus, given, Path(folder))
            clock = Clock(trainer, given.warmup)
            trainer.add_callback(clock)
            if variant.compiled:
                trainer.generation_config.disable_compile = False
            trainer.train()
        return _figures(trainer, shape, variant, clock.ended - clock.started, given.steps, gpus)
    except Exception as error:
        if gpus > 1:  # the others would wait for this one
            raise
        return {"failed": f"{type(error).__name__}: {str(error)[:300]}"}
    finally:
        trainer = clock = None  # type: ignore[assignment]
        gc.collect()
        torch.cuda.empty_cache()


def _trainer(
    variant: Variant,
    shape: Shape,
    words: PreTrainedTokenizerBase,
    found: Sequence[Sample],
    gpus: int,
    given: argparse.Namespace,
    work: Path,
) -> Timed:
    """A trainer that is ready to go, on fresh weights."""
    length = 8 if given.tiny else given.completion
    runs = max(1, round(shape.runs * gpus * variant.share))
    how = Grpo(
        steps=given.warmup + given.steps, rate=1e-6, group=shape.group, batch=runs,
        micro=min(shape.micro, runs * shape.group // gpus), completion=length,
        draw="graph" if variant.graph else "generate",
    )  # fmt: skip
    recipe = Recipe(
        name="speed", base="none", grpo=how, checkpointing=False,
        lora=Lora(r=32, alpha=64) if variant.lora else None,
        precision="fp32" if given.tiny else "bf16",
    )  # fmt: skip
    model = decoder(shape, words, variant.weights or kept(recipe), given.tiny)
    same: dict[str, Any] = {
        "max_steps": how.steps, "max_completion_length": length, "logging_strategy": "no",
        "generation_kwargs": {"min_new_tokens": length}, "report_to": [], "disable_tqdm": True,
        "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False,
        "use_cpu": given.tiny, "dataloader_pin_memory": not given.tiny,
        **variant.settings,
    }  # fmt: skip
    if variant.tracekit:
        made = trainer_of(recipe, model, words, found, found[:1], work, Timed, **same)
        assert isinstance(made, Timed)
        return made
    return Timed(
        model=model,
        reward_funcs=[function for function, _ in reward_functions(how)],
        args=GRPOConfig(output_dir=str(work), **({"bf16": False} if given.tiny else {}), **same),
        train_dataset=Dataset.from_list([grpo_row(sample) for sample in found]),
        processing_class=words,
    )


def decoder(
    shape: Shape, words: PreTrainedTokenizerBase, weights: str, tiny: bool
) -> Qwen3ForCausalLM:
    """A decoder with random weights, made where it will run."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=max(shape.vocabulary, len(words)),
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        bos_token_id=None,
    )
    with torch.device("cpu" if tiny else f"cuda:{torch.cuda.current_device()}"):
        model = Qwen3ForCausalLM(config)
    return model.to(torch.bfloat16 if weights == "bf16" else torch.float32)


def _figures(
    trainer: Timed, shape: Shape, variant: Variant, seconds: float, steps: int, gpus: int
) -> dict[str, Any]:
    """Times of a step in seconds, tokens per second over all GPUs, MFU of the update."""
    cuda = torch.cuda.is_available()
    spent = trainer.seconds
    drawing = spent["generation"]
    update = seconds - spent["prepared"]
    scored = spent["rewards"] + spent["old log-probabilities"]
    tokens = trainer.read + trainer.written
    forward = flops(shape, trainer.read, trainer.written, trainer.squares)
    needed = (2 if variant.lora else 3) * forward
    return {
        "answers_per_step": gpus * trainer.written // (trainer.max_completion_length * steps),
        "tokens_per_answer": round(tokens * trainer.max_completion_length / trainer.written),
        "seconds_per_step": round(seconds / steps, 4),
        "generation": round(drawing / steps, 4),
        "rewards": round(spent["rewards"] / steps, 4),
        "old_log_probabilities": round(spent["old log-probabilities"] / steps, 4),
        "other_preparation": round((spent["prepared"] - drawing - scored) / steps, 4),
        "update": round(update / steps, 4),
        "tokens_per_second": round(gpus * tokens / seconds),
        "written_per_second_of_generation": round(gpus * trainer.written / drawing),
        "update_tokens_per_second": round(gpus * tokens / update),
        "generation_mfu": round(forward / drawing / PEAK, 4) if cuda else None,
        "update_mfu": round(needed / update / PEAK, 4) if cuda else None,
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1) if cuda else None,
        "weights": str(next(trainer.model.parameters()).dtype),
    }


def made_up(number: int, tiny: bool = False) -> Trace:
    """A run of three agents who say nothing sensible, the same for the same number."""
    rng = random.Random(number)
    lengths = range(2, 4) if tiny else range(9, 15)
    steps = [
        (rng.choice(("Planner", "Solver", "Checker")), " ".join(rng.choices(WORDS, k=SAID)))
        for _ in range(rng.choice(lengths))
    ]
    labels = (Label("injected", steps[1][0], 1, reason="the second step is to blame"),)
    return make_trace(f"made-up-{number}", steps, labels=labels)


WORDS = tuple(
    a + b + c for a in ("ka", "lo", "mi", "ne") for b in ("ra", "tu", "so", "") for c in "nsdl"
)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, help="file for the JSON; standard output without it")
    parser.add_argument("--only", help="part of a variant's `shape: name`")
    parser.add_argument("--steps", type=int, default=2, help="optimiser steps that are measured")
    parser.add_argument("--warmup", type=int, default=1, help="steps before that")
    parser.add_argument("--completion", type=int, default=128, help="tokens of every answer")
    parser.add_argument("--budget", type=float, default=130, help="seconds; none begins after that")
    parser.add_argument("--tiny", action="store_true", help="a toy on the CPU: does it run?")
    return parser.parse_args(arguments)


def _said(
    rows: list[dict[str, Any]], gpus: int, seconds: float, given: argparse.Namespace
) -> bytes:
    import transformers
    import trl

    said = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "devices": gpus,
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
        "trl": trl.__version__,
        "shapes": {}
        if given.tiny
        else {name: msgspec.structs.asdict(s) for name, s in SHAPES.items()},
        "steps": given.steps,
        "completion": given.completion,
        "seconds": round(seconds, 1),
        "variants": rows,
    }
    return msgspec.json.format(msgspec.json.encode(said), indent=1) + b"\n"


if __name__ == "__main__":
    main()
