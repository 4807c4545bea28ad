"""Training throughput of a value model from scratch: a causal transformer of about 100 M parameters.

    python benchmarks/prm_gpu.py                                       # one GPU, length 4,096
    accelerate launch --num_processes 2 benchmarks/prm_gpu.py          # data-parallel
    python benchmarks/prm_gpu.py --sweep                               # a handful of settings beside it
    python benchmarks/prm_gpu.py --tiny                                # the same code on a CPU, in seconds

The model reads a run as one text and gives a value at every separator, as `CausalValues` does with
a model of the transformers library; here it is written out, so that nothing stands in the way of
`torch.compile`. Weights are float32, products and the states between blocks bfloat16, attention is
`scaled_dot_product_attention` under its causal flag (flash kernels). Tokens and targets are drawn
at random: what is measured is speed. Prints one JSON object, with `--sweep` one for each setting,
in a list; a setting that fails says why.

MFU is (6 N + attention) * tokens per second over 989 TFLOP/s, the dense bfloat16 peak of an H100 or
H200. N counts the weights that are multiplied with (no embeddings); causal attention costs
6 * layers * width * length FLOPs a token, forward and backward: half of what full attention would.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import torch
from gpu_flops import PEAK, forward
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

if TYPE_CHECKING:
    from accelerate import Accelerator


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


class Setting(NamedTuple):
    """How it is trained; what is computed stays the same, up to rounding."""

    name: str = "default"
    batch: int = 16
    mode: str = "default"
    """Of `torch.compile`, or none."""
    states: Literal["bf16", "fp32"] = "bf16"
    """What blocks hand on to each other."""
    attention: Literal["torch", "cudnn", "flash"] = "torch"
    """Kernels that are asked for first; torch = its own choice."""
    weights: Literal["fp32", "bf16"] = "fp32"
    """bf16 has no master copies here: a bound on what these could save, no way to train."""


def settings(given: Setting) -> list[Setting]:
    """The given one and its neighbours, each with one thing changed."""
    return [
        given,
        given._replace(name="cuDNN attention", attention="cudnn"),
        given._replace(name="states in float32", states="fp32"),
        given._replace(name="twice the batch", batch=2 * given.batch),
        given._replace(name="bfloat16 weights", weights="bf16"),
        given._replace(name="flash attention", attention="flash"),
        given._replace(name="products tuned", mode="max-autotune-no-cudagraphs"),
    ]


class Norm(nn.RMSNorm):
    """Root-mean-square norm in the precision of what it is given, so that one kernel does it."""

    def forward(self, x: Tensor) -> Tensor:
        """The normed states, in the type of `x`."""
        return functional.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class Block(nn.Module):
    """Causal attention with rotary positions, then a gated layer; RMS norms before each."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.width
        self.heads = sizes.heads
        self.before, self.after = Norm(width), Norm(width)
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

    def __init__(self, sizes: Sizes, states: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        self.states = states
        self.embed = nn.Embedding(sizes.vocabulary, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.leave = Norm(sizes.width)
        self.value = nn.Linear(sizes.width, 1)
        size = sizes.width // sizes.heads
        rate = 10_000.0 ** (-torch.arange(0, size, 2) / size)
        angle = torch.arange(sizes.length)[:, None] * rate[None]
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, ids: Tensor, ends: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the values at `ends`, (messages,), against targets (runs, messages)."""
        h = self.embed(ids).to(self.states)
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
    return 3 * forward(weights, sizes.layers, sizes.width, sizes.length)


def main() -> None:
    """Train for some steps and print how fast that was."""
    given = _arguments()
    from accelerate import Accelerator, DistributedDataParallelKwargs

    begun = time.perf_counter()
    # Gradients live in the buckets that are summed over GPUs: no copy, and no second 0.5 GB.
    sharing = DistributedDataParallelKwargs(gradient_as_bucket_view=True)
    accelerator = Accelerator(cpu=given.tiny, kwargs_handlers=[sharing])
    torch.set_float32_matmul_precision("high")
    asked = Setting("default", given.batch, given.mode, given.states, given.attention)
    if not given.sweep:
        found: object = measured(asked, accelerator, given)
    else:
        found = [_tried(each, accelerator, given, begun) for each in settings(asked)]
    if accelerator.is_main_process:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    accelerator.end_training()


def _tried(
    setting: Setting, accelerator: Accelerator, given: argparse.Namespace, begun: float
) -> dict[str, Any]:
    """The figures of one setting of several, or why there are none."""
    late = torch.tensor(time.perf_counter() - begun > given.budget, device=accelerator.device)
    if bool(accelerator.reduce(late.float(), "max")):  # all processes go on, or none
        return {"setting": setting._asdict(), "failed": f"not run: {given.budget} s were spent"}
    try:
        found = measured(setting, accelerator, given)
    except RuntimeError as error:
        if accelerator.num_processes > 1:  # the others would wait for this one
            raise
        found = {"setting": setting._asdict(), "failed": str(error)[:300]}
    gc.collect()
    torch.cuda.empty_cache()
    torch.compiler.reset()
    return found


def measured(
    setting: Setting, accelerator: Accelerator, given: argparse.Namespace
) -> dict[str, Any]:
    """Speed of one setting, after warm-up."""
    sizes = TINY if given.tiny else Sizes(batch=setting.batch)
    torch.manual_seed(0)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    states = torch.bfloat16 if setting.states == "bf16" else torch.float32
    plain = Values(sizes, states).to(accelerator.device)
    if setting.weights == "bf16":
        plain.to(torch.bfloat16)
    counts = multiplied(plain), sum(p.numel() for p in plain.parameters())
    model = torch.compile(plain, mode=setting.mode) if setting.mode != "none" else plain
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
        with torch.autocast(accelerator.device.type, torch.bfloat16), _kernels(setting):
            loss = model(*batches[step % len(batches)])
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    _settled(accelerator)
    seconds = (time.perf_counter() - started) / given.steps
    ends = [float(losses[0]), float(losses[-1])]
    return _figures(accelerator.num_processes, setting, sizes, counts, seconds, ends)


@contextlib.contextmanager
def _kernels(setting: Setting) -> Iterator[None]:
    """Attention by the kernels that are asked for, and by no others."""
    if setting.attention == "torch":
        yield
        return
    kind = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}
    with sdpa_kernel(kind[setting.attention]):
        yield


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--batch", type=int, default=16, help="runs a step on each GPU")
    parser.add_argument("--steps", type=int, default=30, help="steps that are measured")
    parser.add_argument("--warmup", type=int, default=6, help="steps before that")
    parser.add_argument(
        "--mode",
        default="default",
        help="of torch.compile, or none: max-autotune-no-cudagraphs, ...",
    )
    parser.add_argument("--states", choices=["bf16", "fp32"], default="bf16", help="between blocks")
    parser.add_argument("--attention", choices=["torch", "cudnn", "flash"], default="torch")
    parser.add_argument("--sweep", action="store_true", help="neighbouring settings, too")
    parser.add_argument(
        "--budget", type=float, default=90, help="seconds; no further setting begins after that"
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


def _settled(accelerator: Accelerator) -> None:
    accelerator.wait_for_everyone()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _figures(
    gpus: int,
    setting: Setting,
    sizes: Sizes,
    counts: tuple[int, int],
    seconds: float,
    losses: list[float],
) -> dict[str, Any]:
    tokens = gpus * sizes.batch * sizes.length / seconds
    cuda = torch.cuda.is_available()
    return {
        "setting": setting._asdict(),
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


if __name__ == "__main__":
    main()
