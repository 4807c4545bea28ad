"""A small language model of sandbox runs, to show what the measure `model` can see.

    python -m tracekit_models.influence.train --out DIR

It reads what agents were told and what they then said, in the wording of
`tracekit.analyzers.influence.measures`. Runs of seeds below `HELD` are for training, those from
`HELD` on for tests. The folder is one of transformers: model and tokenizer.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from tracekit.analyzers.influence.measures import heard
from tracekit.optional import require
from tracekit.replay.sandbox.families.table import FAMILIES
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES

HELD = 1_000
"""Seeds of tasks from here on are for tests."""
VOICE: dict[str, Any] = {"style": "plain", "vocabulary": 0.0}
"""How agents talk in its texts: a model this small has no room for many ways to say one thing."""
PIECES = 800
END = "<end>"
ROOM = 256
"""Tokens that it reads at once."""
RUNS = 1000
"""Runs of the sandbox that the texts are from."""
WIDTH, HEADS = 128, 2
RATE = 3e-3
"""Highest learning rate; it rises over 50 steps and falls in a line."""


def sandbox_texts(seed: int, limit: int) -> Iterator[str]:
    """What agents of the sandbox were told, and what they said to it, one turn each."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(limit):
        family, topology = rng.choice(sorted(FAMILIES)), rng.choice(sorted(TOPOLOGIES))
        sandbox = Sandbox(family, topology, skill=0.95, **VOICE)
        task = next(sandbox.tasks(seed=rng.randrange(HELD)))
        trace = sandbox.run(task, seed=rng.randrange(HELD))
        for step in trace.steps:
            told, said = heard(trace, step)
            yield "".join([*told, said])


def tokenizer_of(texts: Sequence[str]) -> Any:
    """Byte-level pieces learned from texts; numbers stand apart from words."""
    kit = require("tokenizers", extra="train")
    raw = kit.Tokenizer(kit.models.BPE())
    cut = kit.pre_tokenizers
    raw.pre_tokenizer = cut.Sequence([cut.Digits(False), cut.ByteLevel(False)])
    raw.decoder = kit.decoders.ByteLevel()
    learner = kit.trainers.BpeTrainer(vocab_size=PIECES, special_tokens=[END], show_progress=False)
    raw.train_from_iterator(texts, learner)
    wrapped = require("transformers", extra="train").PreTrainedTokenizerFast
    return wrapped(tokenizer_object=raw, eos_token=END, bos_token=END, pad_token=END)


def network_of(pieces: int, seed: int = 0) -> Any:
    """A causal language model of under a million parameters that can look up who said what."""
    transformers = require("transformers", extra="train")
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=pieces,
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=3,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS,
            attention_bias=True,
            max_position_embeddings=1024,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6},
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    with torch.no_grad():
        _copying(model, torch.Generator().manual_seed(seed))
    return model


def _copying(model: Any, drawn: torch.Generator) -> None:
    """Start with a circuit that goes on as it went on before (Olsson et al., arXiv 2209.11895).

    Such a circuit comes about by itself after millions of tokens; minutes on a processor are too
    few. The first layer looks at the token before, by position alone, and keeps it in directions
    of its own; the second looks for places after the token at hand, in the slow planes of the
    rotary positions, and the output reads what stands there. Training is free to change all of it.
    """
    first, second = (model.model.layers[k].self_attn for k in (0, 1))
    kept, read = (torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=drawn))[0] for _ in range(2))
    pieces = model.model.embed_tokens.weight.normal_(0, 0.3, generator=drawn)
    turns = model.model.rotary_emb.inv_freq
    planes = len(turns)
    first.q_proj.weight.zero_()
    first.k_proj.weight.zero_()
    first.k_proj.bias.copy_(torch.cat([torch.ones(planes), torch.zeros(planes)]).repeat(HEADS))
    first.q_proj.bias.copy_(40 * torch.cat([turns.cos(), -turns.sin()]).repeat(HEADS))
    first.v_proj.weight.copy_(torch.eye(WIDTH))
    first.o_proj.weight.copy_(0.3 * kept)
    match = torch.zeros(WIDTH, WIDTH)
    slow = [k + part for part in (0, planes) for k in range(planes // 2, planes)]
    rows = [head * 2 * planes + k for head in range(HEADS) for k in slow]
    match[rows] = 3.0 * torch.randn(len(rows), WIDTH, generator=drawn) / WIDTH**0.5
    second.q_proj.weight.copy_(match)
    second.k_proj.weight.copy_(match @ kept.T)
    second.v_proj.weight.copy_(torch.eye(WIDTH))
    second.o_proj.weight.copy_(read)
    model.lm_head.weight.copy_(0.3 * pieces @ read.T)


def train(out: Path, steps: int, seed: int = 0, runs: int = RUNS) -> dict[str, float]:
    """Train for so many steps, write the folder, say what came of it."""
    torch.manual_seed(seed)
    rng = random.Random(seed)  # noqa: S311 - no secret
    texts = list(sandbox_texts(seed, runs))
    tokenizer = tokenizer_of(texts[:4000])
    rows = [[0, *ids] for ids in tokenizer(texts)["input_ids"]]
    model = network_of(len(tokenizer), seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01, betas=(0.9, 0.98))
    began, losses = time.monotonic(), []
    for step in range(steps):
        rate = RATE * min(1.0, (step + 1) / 50) * max(0.03, 1 - step / steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        ids, labels = _batch(rows, rng)
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if step % 100 == 99:
            spent = (time.monotonic() - began) / 60
            sys.stderr.write(f"{spent:.1f} min, step {step}: {sum(losses[-100:]) / 100:.3f}\n")
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return {"steps": steps, "loss": sum(losses[-100:]) / len(losses[-100:])}


def _batch(rows: Sequence[list[int]], rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of like length, the end of long ones; padding is not learned."""
    first = rng.sample(rows, 64)
    first.sort(key=len)
    at = rng.randrange(0, 56)
    part = [row[-ROOM:] for row in first[at : at + 8]]
    longest = max(map(len, part))
    ids = torch.zeros((len(part), longest), dtype=torch.long)
    labels = torch.full((len(part), longest), -100)
    for k, row in enumerate(part):
        ids[k, : len(row)] = torch.tensor(row)
        labels[k, : len(row)] = torch.tensor(row)
    return ids, labels


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the model and write it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for model and tokenizer")
    parser.add_argument("--steps", type=int, default=300, help="batches of eight turns")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    found = train(given.out, given.steps, given.seed)
    sys.stderr.write(f"{found}: {given.out}\n")


if __name__ == "__main__":
    main()
