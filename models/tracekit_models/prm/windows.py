"""Runs as tokens: the task, then every message and a separator, at which its value is read.

A run longer than the model's length is read in windows that begin with the task and some of the
messages before. Where a window begins depends on what came before it alone, so that nothing looks
ahead.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tracekit.prm.features import said
from tracekit.trace import Step, Trace


class Window(NamedTuple):
    """Tokens of a part of a run."""

    ids: tuple[int, ...]
    ends: tuple[int, ...]
    """Place of the separator after each message that is valued here."""
    first: int
    """The first of these messages: row 0 is the task, row n + 1 is step n."""


class Reader:
    """Turns runs into windows for one tokenizer. Texts are never obeyed as special tokens."""

    def __init__(self, tokenizer: Any, length: int, longest: int) -> None:
        self._tokenizer = tokenizer
        self.length = length
        """Tokens of a window."""
        self.longest = longest
        """Tokens of a message that are read: its first and its last ones."""
        found = [tokenizer.eos_token_id, tokenizer.sep_token_id, tokenizer.cls_token_id]
        self.separator = int(next(id for id in found if id is not None))
        if not 8 <= longest < length // 2:
            raise ValueError(f"messages of {longest} tokens do not fit windows of {length}")

    def task(self, trace: Trace) -> tuple[int, ...]:
        """Tokens of the task and its separator."""
        return self._ids(f"Task: {trace.task.question}")

    def message(self, step: Step) -> tuple[int, ...]:
        """Tokens of a message and its separator."""
        return self._ids(f"{step.agent} ({step.kind}): {said(step)}")

    def windows(self, trace: Trace) -> Iterator[Window]:
        """All windows; every message is valued in one of them."""
        reading = Reading(self, trace)
        ids, ends, first = list(reading.begin), [len(reading.begin) - 1], 0
        for row, step in enumerate(trace.steps, 1):
            part = reading.take(step)
            if part.fresh:
                yield Window(tuple(ids), tuple(ends), first)
                ids, ends, first = [], [], row
            ids += part.ids
            ends.append(len(ids) - 1)
        yield Window(tuple(ids), tuple(ends), first)

    def _ids(self, text: str) -> tuple[int, ...]:
        reach = 8 * self.longest
        if len(text) > 2 * reach:
            text = f"{text[:reach]} {text[-reach:]}"
        ids = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        room = self.longest - 1
        if len(ids) > room:
            ids = [*ids[: room - room // 2], *ids[len(ids) - room // 2 :]]
        return (*(id for id in ids if id != self.separator), self.separator)


class Part(NamedTuple):
    """What one more message adds."""

    ids: tuple[int, ...]
    """Tokens to read, the separator of the message last."""
    fresh: bool
    """Whether a new window begins with them: the task and what is kept stand in front."""


class Reading:
    """A run that is read message by message.

    A window that is full gives way to a new one, which begins with the task and the latest messages,
    half of the length at most: every token is read twice at most in the long run.
    """

    def __init__(self, reader: Reader, trace: Trace) -> None:
        self._reader = reader
        self.begin = reader.task(trace)
        """Tokens of the task, with which every window begins."""
        self._used = len(self.begin)
        self._kept: tuple[tuple[int, ...], ...] = ()

    def take(self, step: Step) -> Part:
        """One more message."""
        tokens, length = self._reader.message(step), self._reader.length
        part = Part(tokens, fresh=self._used + len(tokens) > length)
        if part.fresh:
            self._kept = _latest(self._kept, length // 2 - len(self.begin))
            self._used = len(self.begin) + sum(map(len, self._kept))
            again = (token for each in (self.begin, *self._kept) for token in each)
            part = Part((*again, *tokens), fresh=True)
        self._kept = (*self._kept, tokens)
        self._used += len(tokens)
        return part

    def copy(self) -> Reading:
        """An independent copy; nothing in it is changed in place."""
        return copy.copy(self)


def _latest(messages: Sequence[tuple[int, ...]], room: int) -> tuple[tuple[int, ...], ...]:
    """The latest messages that fit."""
    found: list[tuple[int, ...]] = []
    for tokens in reversed(messages):
        room -= len(tokens)
        if room < 0:
            break
        found.insert(0, tokens)
    return tuple(found)
