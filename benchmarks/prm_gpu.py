"""Training throughput of a value model from scratch: a causal transformer of about 100 M parameters.

    python benchmarks/prm_gpu.py                                       # one GPU, length 4,096
    accelerate launch --num_processes 2 benchmarks/prm_gpu.py          # data-parallel
    python benchmarks/prm_gpu.py --tiny                                # the same code on a CPU, in seconds

The model reads a run as one text and gives a value at every separator, as `CausalValues` does with
a model of the transformers library; here it is written out, so that nothing stands in the way of
`torch.compile`. Weights are float32, products bfloat16, attention is `scaled_dot_product_attention`
under its causal flag (flash kernels). Tokens and targets are drawn at random: what is measured is
speed. Prints one JSON object.

MFU is (6 N + attention) * tokens per second over 989 TFLOP/s, the dense bfloat16 peak of an H100 or
H200. N counts the weights that are multiplied with (no embeddings); causal attention costs
6 * layers * width * length FLOPs a token, forward and backward: half of what full attention would.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import NamedTuple

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

PEAK = 989e12
"""FLOP/s of one H100 or H200, bfloat16, dense."""


class Sizes(NamedTuple):
    """What is trained, and on how much at once."""

    width: int = 1024
    layers: int = 8
    heads: int = 8
    inner: int = 2816
    """Width of the gated layers."""
    vocabulary: int = 32_000
    length: int = 4096
    batch: int = 16
    """Runs a step on each GPU."""
    message: int = 128
    """Tokens from one separator to the next."""


TINY = Sizes(32, 2, 2, 64, 100, 64, 2, 16)


class Block(nn.Module):
    """Causal attention with rotary positions, then a gated layer; RMS norms before each."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.width
        self.heads = sizes.heads
        self.before, self.after = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 2 * sizes.inner, bias=False)
        self.down = nn.Linear(sizes.inner, width, bias=False)

    def forward(self, h: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        """States after this block, (runs, tokens, width)."""
        runs, tokens, width = h.shape
        qkv = self.qkv(self.before(h)).view(runs, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(
            _turned(q, turn), _turned(k, turn), v, is_causal=True
        )
        h = h + self.mix(mixed.transpose(1, 2).reshape(runs, tokens, width))
        gate, up = self.gate(self.after(h)).chunk(2, dim=2)
        found: Tensor = h + self.down(functional.silu(gate) * up)
        return found


class Values(nn.Module):
    """Tokens to the loss of the values at the separators."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embed = nn.Embedding(sizes.vocabulary, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.leave = nn.RMSNorm(sizes.width)
        self.value = nn.Linear(sizes.width, 1)
        size = sizes.width // sizes.heads
        rate = 10_000.0 ** (-torch.arange(0, size, 2) / size)
        angle = torch.arange(sizes.length)[:, None] * rate[None]
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, ids: Tensor, ends: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the values at `ends`, (messages,), against targets (runs, messages)."""
        h = self.embed(ids)
        turn = self.cos.to(h.dtype), self.sin.to(h.dtype)
        for block in self.blocks:
            h = block(h, turn)
        logits = self.value(self.leave(h[:, ends])).squeeze(2)
        return functional.binary_cross_entropy_with_logits(logits.float(), targets)


def multiplied(model: nn.Module) -> int:
    """Weights that are multiplied with: all but embeddings and norms."""
    return sum(part.weight.numel() for part in model.modules() if isinstance(part, nn.Linear))


def flops(sizes: Sizes, weights: int) -> float:
    """FLOPs of training on one token, forward and backward."""
    return 6.0 * weights + 6.0 * sizes.layers * sizes.width * sizes.length


def main() -> None:
    """Train for some steps and print how fast that was."""
    given = _arguments()
    sizes = TINY if given.tiny else Sizes(batch=given.batch)
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=given.tiny)
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    plain = Values(sizes).to(accelerator.device)
    weights, total = multiplied(plain), sum(p.numel() for p in plain.parameters())
    model = torch.compile(plain, mode=given.mode) if given.mode != "none" else plain
    model = accelerator.prepare_model(model)
    fused = accelerator.device.type == "cuda"
    optimizer = torch.optim.AdamW(plain.parameters(), lr=3e-4, fused=fused)
    batches = [_batch(sizes, accelerator.device, accelerator.process_index, n) for n in range(4)]
    losses: list[Tensor] = []
    started = time.perf_counter()
    for step in range(given.warmup + given.steps):
        if step == given.warmup:
            _settled(accelerator)
            started = time.perf_counter()
        with torch.autocast(accelerator.device.type, dtype=torch.bfloat16):
            loss = model(*batches[step % len(batches)])
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    _settled(accelerator)
    seconds = (time.perf_counter() - started) / given.steps
    if accelerator.is_main_process:
        _say(accelerator, sizes, (weights, total), seconds, [float(losses[0]), float(losses[-1])])
    accelerator.end_training()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--batch", type=int, default=16, help="runs a step on each GPU")
    parser.add_argument("--steps", type=int, default=50, help="steps that are measured")
    parser.add_argument("--warmup", type=int, default=10, help="steps before that")
    parser.add_argument(
        "--mode",
        default="default",
        help="of torch.compile, or none: max-autotune-no-cudagraphs, ...",
    )
    parser.add_argument("--tiny", action="store_true", help="a toy on the CPU: does it run?")
    return parser.parse_args()


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions (arXiv 2104.09864): pairs of numbers turned by an angle of the place."""
    one, two = x.chunk(2, dim=3)
    cos, sin = turn
    return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=3).to(x.dtype)


def _batch(sizes: Sizes, device: torch.device, rank: int, number: int) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(1000 * rank + number)
    ends = torch.arange(sizes.message - 1, sizes.length, sizes.message)
    ids = torch.randint(sizes.vocabulary, (sizes.batch, sizes.length), generator=rng)
    targets = torch.rand((sizes.batch, len(ends)), generator=rng)
    return ids.to(device), ends.to(device), targets.to(device)


def _settled(accelerator: object) -> None:
    accelerator.wait_for_everyone()  # type: ignore[attr-defined]
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _say(
    accelerator: object, sizes: Sizes, counts: tuple[int, int], seconds: float, losses: list[float]
) -> None:
    gpus = int(accelerator.num_processes)  # type: ignore[attr-defined]
    tokens = gpus * sizes.batch * sizes.length / seconds
    cuda = torch.cuda.is_available()
    found = {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "devices": gpus,
        "torch": str(torch.__version__),
        "sizes": sizes._asdict(),
        "parameters": counts[1],
        "multiplied": counts[0],
        "seconds_per_step": round(seconds, 5),
        "tokens_per_second": round(tokens),
        "mfu": round(flops(sizes, counts[0]) * tokens / gpus / PEAK, 4) if cuda else None,
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1) if cuda else None,
        "loss_first_last": losses,
    }
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


if __name__ == "__main__":
    main()
