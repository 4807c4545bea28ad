"""Bases of a tracer: one by name, or one made here from nothing, tokenizer included.

The one made here is a Qwen3-style decoder, trained to go on with transcripts that tracekit's own
sandbox and injector wrote: no text of anybody else goes into it.
"""

from __future__ import annotations

import random
import shutil
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    Trainer,
    TrainingArguments,
    set_seed,
)

from tracekit.analyzers.together import chunks
from tracekit_models.tracer.finite import Finite
from tracekit_models.tracer.loop import board, compile_layers, processes, resumable, save
from tracekit_models.tracer.recipe import Scratch

END, PAD, START, STOP = "<|endoftext|>", "<|pad|>", "<|im_start|>", "<|im_end|>"
THINK = ("<think>", "</think>")
SPECIAL = (END, PAD, START, STOP)

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def named(
    base: str, precision: str, revision: str | None = None, *, device: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model and its tokenizer, from the Hub or a folder; no code of it is run."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=kind,
        revision=revision,
        device_map=device,
        trust_remote_code=False,
        use_safetensors=True,
    )
    return model, words_of(base, revision)


def words_of(base: str | Path, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, with a token to pad with."""
    words = AutoTokenizer.from_pretrained(str(base), revision=revision, trust_remote_code=False)
    if words.pad_token is None:
        words.pad_token = words.eos_token
    return words


def tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Byte-level pairs fitted on texts, with the marks of a chat and of reasoning as one token each."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token=STOP,
        pad_token=PAD,
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
    )
    fast.add_tokens(list(THINK))
    fast.chat_template = TEMPLATE
    return fast


def decoder(scratch: Scratch, words: PreTrainedTokenizerBase, seed: int) -> Qwen3ForCausalLM:
    """A decoder with fresh weights, drawn by seed."""
    set_seed(seed)
    config = Qwen3Config(
        vocab_size=-(-len(words) // 64) * 64,  # a multiple of 64 suits the hardware
        hidden_size=scratch.hidden,
        intermediate_size=scratch.feed_forward,
        num_hidden_layers=scratch.layers,
        num_attention_heads=scratch.heads,
        num_key_value_heads=scratch.kv_heads,
        head_dim=scratch.hidden // scratch.heads,
        max_position_embeddings=scratch.context,
        tie_word_embeddings=True,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        bos_token_id=None,
    )
    return Qwen3ForCausalLM(config)


def blocks(texts: Sequence[str], words: PreTrainedTokenizerBase, length: int) -> NDArray[np.uint32]:
    """The texts, shuffled, one after another, each ended, cut into blocks, (blocks, length).

    What is left over is dropped; raises `ValueError` when they do not fill one.
    """
    drawn = list(texts)
    random.Random(0).shuffle(drawn)  # noqa: S311
    (end,) = words(END, add_special_tokens=False)["input_ids"]
    stream = array("I")
    for some in chunks(drawn, 1024):  # threads of the tokenizer share a batch
        for ids in words(some, add_special_tokens=False)["input_ids"]:
            stream.extend([*ids, end])
    if len(stream) < length:
        raise ValueError(f"the texts do not fill one block of {length} tokens")
    return np.array(stream[: len(stream) // length * length], np.uint32).reshape(-1, length)


class Blocks(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Blocks of tokens that are their own labels."""

    def __init__(self, found: NDArray[np.unsignedinteger[Any]]) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, at: int) -> dict[str, torch.Tensor]:
        ids = torch.from_numpy(self._found[at].astype(np.int64))
        return {"input_ids": ids, "labels": ids}


def pretrain(
    scratch: Scratch,
    found: NDArray[np.unsignedinteger[Any]],
    words: PreTrainedTokenizerBase,
    out: Path,
    *,
    precision: str,
    seed: int,
    compiled: bool = False,
    **more: Any,
) -> Path:
    """A base trained on blocks of tokens, written to a folder in the form that `named` reads.

    `words` is the tokenizer that made them; `more` goes to `TrainingArguments`. A folder that is
    there already is taken as it is, and training that was cut short goes on from its last
    checkpoint.
    """
    if (out / "config.json").is_file():
        return out
    model = decoder(scratch, words, seed)
    if compiled:
        compile_layers(model)
    work = out.with_name(out.name + ".work")
    arguments = TrainingArguments(
        output_dir=str(work),
        max_steps=scratch.steps,
        per_device_train_batch_size=max(1, scratch.tokens // (scratch.context * processes())),
        learning_rate=scratch.rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, scratch.steps // 50),
        weight_decay=0.1,
        adam_beta2=0.95,
        bf16=precision == "bf16",
        logging_steps=max(1, scratch.steps // 100),
        save_steps=max(1, scratch.steps // 5),
        save_total_limit=1,
        report_to=[],
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=seed,
        **more,
    )
    trainer = Trainer(
        model=model, args=arguments, train_dataset=Blocks(found), callbacks=[Finite(), *board(out)]
    )
    trainer.train(resume_from_checkpoint=resumable(work))
    save(trainer, precision, out)
    if trainer.is_world_process_zero():
        (out / "training_args.bin").unlink(missing_ok=True)  # a pickle
        words.save_pretrained(str(out))
        trainer.state.save_to_json(str(out / "curves.json"))
        shutil.rmtree(work)
    trainer.accelerator.wait_for_everyone()
    return out
