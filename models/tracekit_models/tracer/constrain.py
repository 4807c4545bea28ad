"""Keeps the last line of an answer to what it may be: an agent of the roster and a step of the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor, PreTrainedTokenizerBase

from tracekit.analyzers.tracer.answer import CLOSE

Trie = dict[int, "Trie"]


def trie(lines: Iterable[str], words: PreTrainedTokenizerBase, end: int) -> Trie:
    """The tokens of every line, and `end` after it."""
    root: Trie = {}
    for line in lines:
        node = root
        for token in [*words(line, add_special_tokens=False)["input_ids"], end]:
            node = node.setdefault(token, {})
    return root


class AnswerLine(LogitsProcessor):
    """Leaves the reasoning alone; from its closing tag on, only lines of the trie can be written.

    One instance serves one call of `generate`, one trie a row. Where the close of the reasoning is
    never written nothing is constrained: such an answer is invalid, and stays so.
    """

    def __init__(self, tries: Sequence[Trie], words: PreTrainedTokenizerBase, prompt: int) -> None:
        self._words = words
        self._prompt = prompt
        self._root = list(tries)
        self._node: list[Trie | None] = [None] * len(tries)
        newline = words("\n", add_special_tokens=False)["input_ids"]
        self._newline: int = newline[-1]
        self._waiting = [False] * len(tries)
        """Whether the reasoning is closed, and its line not yet ended."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (rows, vocabulary) with -inf where a token may not come next."""
        ends = input_ids[:, self._prompt :][:, -2 * len(CLOSE) :].tolist()  # one copy for all rows
        for row, end in enumerate(ends):
            allowed = self._allowed(row, end)
            if allowed is not None:
                kept = torch.full_like(scores[row], -torch.inf)
                kept[allowed] = scores[row, allowed]
                scores[row] = kept
        return scores

    def _allowed(self, row: int, end: list[int]) -> list[int] | None:
        """The tokens that may come after the last ones written; None = any."""
        node = self._node[row]
        if node is not None:
            self._node[row] = node = node.get(end[-1], {})
            return list(node) or None  # after the end whatever, it is padding
        if self._waiting[row]:
            self._waiting[row] = False
            self._node[row] = self._root[row]
            return list(self._root[row])
        if end and CLOSE in self._words.decode(end, skip_special_tokens=False):
            self._waiting[row] = True
            return [self._newline]
        return None
