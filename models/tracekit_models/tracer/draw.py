"""Answers of whole groups at once: each prompt is read once, and a token costs one graph launch.

The `generate` of transformers reads a prompt again for every answer to it, lengthens its cache by
copying it for every token, and launches hundreds of kernels for each: on a small decoder the GPU
mostly waits. Here the cache has its full length from the start, and on a GPU one decoding step is
captured as a CUDA graph. The draws are those of `generate` at the same seed, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, PreTrainedModel, StaticCache
from transformers.cache_utils import StaticLayer

from tracekit.errors import UsageError

READ = 16
"""Prompts that are read at once."""
LOOK = 16
"""Tokens between two looks whether every answer has ended: each makes the device wait."""
PLAIN = {"top_p": 1.0, "top_k": 0, "min_p": None, "repetition_penalty": 1.0}
"""Settings of drawing that are not supported otherwise."""


class OnePrecision:
    """Keys and values as autocast computes with them: a norm leaves keys in float32 beside values."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **more: Any
    ) -> tuple[Tensor, Tensor]:
        """What a cache holds after these were added."""
        device = key_states.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            key_states, value_states = key_states.to(dtype), value_states.to(dtype)
        found: tuple[Tensor, Tensor] = super().update(key_states, value_states, *args, **more)  # type: ignore[misc]
        return found


class Growing(OnePrecision, DynamicCache):
    """Grows with what is read."""


class Fixed(OnePrecision, StaticCache):
    """Has its full length from the start."""


def by_graph(model: PreTrainedModel | PeftModel) -> None:
    """From now on, the model's `generate` is that of this module.

    Raises `UsageError` for a model some of whose layers do not look at everything before.
    """
    own: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    if set(getattr(own.config, "layer_types", ["full_attention"])) != {"full_attention"}:
        raise UsageError("only models of full attention can draw by graph: set `draw: generate`")
    own.generate = partial(generate, own)


@torch.no_grad()
def generate(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    generation_config: GenerationConfig,
    **_: Any,
) -> Tensor:
    """Prompts, padded on the left, and the answers drawn to them, (answers, tokens).

    Equal prompts that follow each other are read once. Raises `UsageError` for settings that
    shape the distribution otherwise than by temperature.
    """
    how = generation_config
    for name, value in PLAIN.items() if how.do_sample else ():
        if getattr(how, name) not in (value, None):
            raise UsageError(f"{name}={getattr(how, name)} is not supported when drawing by graph")
    length = input_ids.shape[1]
    cache = Fixed(config=model.config, max_cache_len=length + how.max_new_tokens)
    logits = _read(model, input_ids, attention_mask, cache)
    step = Step(model, cache, attention_mask, how.max_new_tokens)
    ends = torch.as_tensor(how.eos_token_id, device=input_ids.device).reshape(-1)
    open_ = torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
    said: list[Tensor] = []
    while True:
        drawn = _drawn(logits, how, ends, len(said))
        said.append(torch.where(open_, drawn, how.pad_token_id))
        open_ &= ~torch.isin(drawn, ends)
        if len(said) == how.max_new_tokens or (len(said) % LOOK == 0 and not open_.any()):
            return torch.cat([input_ids, torch.stack(said, dim=1)], dim=1)
        logits = step(said[-1])


class Step:
    """One token of every answer: the logits of the next, by a graph on a GPU."""

    def __init__(
        self, model: PreTrainedModel, cache: StaticCache, attention_mask: Tensor, more: int
    ) -> None:
        self.model, self.cache = model, cache
        answers, self.length = attention_mask.shape
        self.tokens = attention_mask.new_zeros((answers, 1))
        self.positions = attention_mask.sum(1, keepdim=True)
        self.seen = torch.nn.functional.pad(attention_mask.bool(), (0, more))[:, None, None]
        self.at = torch.full((1,), self.length, device=attention_mask.device)
        self.replay: Callable[[], None] | None = None
        self.logits: Tensor | None = None

    def __call__(self, tokens: Tensor) -> Tensor:
        """Logits after these tokens, (answers, vocabulary)."""
        self.tokens.copy_(tokens[:, None])
        if not tokens.is_cuda:
            return self._run()
        if self.replay is None:
            self._capture()
        assert self.replay is not None
        assert self.logits is not None
        self.replay()
        return self.logits

    def _run(self) -> Tensor:
        self.seen.index_fill_(3, self.at, True)
        found = self.model(
            input_ids=self.tokens,
            attention_mask=self.seen,
            position_ids=self.positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.positions += 1
        self.at += 1
        logits: Tensor = found.logits[:, -1]
        return logits

    def _capture(self) -> None:
        """Runs the step twice for its allocations, undoes that, and captures it."""
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(2):
                self._run()
        torch.cuda.current_stream().wait_stream(aside)
        self.positions -= 2
        self.at -= 2
        self.seen[..., self.length :] = False
        for layer in self.cache.layers:
            assert isinstance(layer, StaticLayer)
            layer.cumulative_length.fill_(self.length)
        graph = torch.cuda.CUDAGraph()
        # Another thread may allocate meanwhile, such as the one that pins batches for the device.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self.logits = self._run()
        self.replay = graph.replay


def _read(
    model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor, cache: StaticCache
) -> Tensor:
    """Reads the prompts into the cache; the logits of each answer's first token."""
    once, which = torch.unique_consecutive(input_ids, dim=0, return_inverse=True)
    first = torch.searchsorted(which, torch.arange(len(once), device=which.device))
    masks = attention_mask[first]
    last: list[Tensor] = []
    held: list[list[tuple[Tensor, Tensor]]] = []
    for ids, mask in zip(torch.split(once, READ), torch.split(masks, READ), strict=True):
        found = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=True,
            past_key_values=Growing(config=model.config),
            logits_to_keep=1,
        )
        last.append(found.logits[:, -1])
        held.append([(layer.keys, layer.values) for layer in found.past_key_values.layers])
    for number in range(len(held[0])):
        keys = torch.cat([part[number][0] for part in held])[which]
        values = torch.cat([part[number][1] for part in held])[which]
        cache.update(keys, values, number)
    return torch.cat(last)[which]


def _drawn(logits: Tensor, how: GenerationConfig, ends: Tensor, written: int) -> Tensor:
    """The next token of every answer; the end mark is out of reach before the least length."""
    scores = logits.float()
    if written < (how.min_new_tokens or 0):
        scores = scores.index_fill(1, ends, -torch.inf)
    if not how.do_sample:
        return scores.argmax(1)
    shares = (scores / how.temperature).softmax(1)
    return torch.multinomial(shares, 1).squeeze(1)
