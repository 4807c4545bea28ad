"""Any causal language model of the transformers library as the scorer of `influence`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from tracekit.optional import require

BATCH = 4096
"""Tokens that are scored together, at most."""
SHORTEST = 16
"""Tokens of history that a long target must leave room for."""


class CausalScorer:
    """How likely a message is after others, by a causal language model; `name` says which."""

    def __init__(self, model: Any, tokenizer: Any, name: str, *, room: int | None = None) -> None:
        self.name = name
        self._model = model.eval()
        self._tokenizer = tokenizer
        longest = int(getattr(model.config, "max_position_embeddings", 0) or 2048)
        self._room = min(room or longest, longest)
        start = tokenizer.bos_token_id
        self._start = tokenizer.eos_token_id if start is None else start

    @torch.inference_mode()
    def score(self, history: Sequence[str], target: str, without: Sequence[int]) -> list[float]:
        """Log-probability of the target in nats: after the history, then without each of the items.

        The oldest tokens of the history go first where the window is too small, and the end of a
        target that leaves no room for any. NaN for an item of which nothing is in the window.
        """
        items = [self._ids(text) for text in history]
        wanted = self._ids(target)[: self._room - SHORTEST - 1]
        spare = self._room - 1 - len(wanted)
        for k in range(len(items)):
            rest = sum(map(len, items[k + 1 :]))
            items[k] = items[k][max(0, len(items[k]) + rest - spare) :]
        told = [(items, False)]
        told += [([*items[:k], *items[k + 1 :]], not items[k]) for k in without]
        rows = [[self._start, *(id for item in kept for id in item)] for kept, _ in told]
        found = self._totals(rows, wanted)
        return [math.nan if cut else total for total, (_, cut) in zip(found, told, strict=True)]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _totals(self, rows: Sequence[list[int]], wanted: list[int]) -> list[float]:
        """Log-probability of the same tokens after each row."""
        order = sorted(range(len(rows)), key=lambda k: len(rows[k]))
        totals = [0.0] * len(rows)
        while order:
            longest = len(rows[order[-1]]) + len(wanted)
            size = max(1, BATCH // longest)
            part, order = order[-size:], order[:-size]
            for k, total in zip(part, self._batch([rows[k] for k in part], wanted), strict=True):
                totals[k] = total
        return totals

    def _batch(self, rows: Sequence[list[int]], wanted: list[int]) -> list[float]:
        """Padded on the right, where a causal model does not look."""
        longest = max(map(len, rows)) + len(wanted)
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        for k, row in enumerate(rows):
            ids[k, : len(row) + len(wanted)] = torch.tensor([*row, *wanted])
        ids = ids.to(self._model.device)
        mask = torch.zeros_like(ids)
        for k, row in enumerate(rows):
            mask[k, : len(row) + len(wanted)] = 1
        logits = self._model(input_ids=ids, attention_mask=mask).logits
        right = torch.tensor(wanted, device=ids.device)
        found = []
        for k, row in enumerate(rows):
            ahead = logits[k, len(row) - 1 : len(row) - 1 + len(wanted)].float()
            logs = ahead.log_softmax(-1).gather(1, right[:, None])
            found.append(float(logs.sum()))
        return found


def load(model: str) -> CausalScorer:
    """The scorer of a folder or a Hub name; no code of the repository is executed.

    Raises what transformers raises for what is no causal language model.
    """
    transformers = require("transformers", extra="train")
    network = transformers.AutoModelForCausalLM.from_pretrained(model, trust_remote_code=False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    return CausalScorer(network, tokenizer, model)
