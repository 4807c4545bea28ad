"""Values of runs that go on, on language models: a new message costs its own tokens and no others."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from tracekit.prm.network import advance, start
from tracekit.trace import Step, Trace
from tracekit_models.prm.data import state_of
from tracekit_models.prm.language import CausalValues, MessageValues
from tracekit_models.prm.windows import Reader, Reading

Chance = Callable[[float], float]
"""A probability of success for a logit."""


class RunningText:
    """A run read as one text. What attention needs of the window so far, its keys and values, is kept.

    When the window is full, the next one begins with the task and the latest messages, which are
    read once more: the same windows as in one pass, hence the same values.
    """

    def __init__(self, model: CausalValues, reader: Reader, chance: Chance, trace: Trace) -> None:
        self._model, self._chance = model, chance
        self._reading = Reading(reader, trace)
        self._cache: Any = None
        self._shared = False
        self.value = self._read(self._reading.begin)

    def push(self, step: Step) -> float:
        """The value after one more step, 0 to 1."""
        part = self._reading.take(step)
        if part.fresh:
            self._cache = None
        elif self._shared:
            self._cache = copy.deepcopy(self._cache)
        self._shared = False
        self.value = self._read(part.ids)
        return self.value

    def fork(self) -> RunningText:
        """An independent copy. Keys and values are copied when either of the two goes on."""
        self._shared = True
        twin = copy.copy(self)
        twin._reading = self._reading.copy()
        return twin

    def _read(self, ids: Sequence[int]) -> float:
        where = self._model.value.weight.device
        with torch.inference_mode():
            found = self._model.body(
                input_ids=torch.tensor([ids], device=where),
                past_key_values=self._cache,
                use_cache=True,
            )
            logit = self._model.value(found.last_hidden_state[0, -1].float())
        self._cache = found.past_key_values
        return self._chance(float(logit))


class RunningMessages:
    """A run read message by message: the encoder reads the new one, the state of the others is kept."""

    def __init__(self, model: MessageValues, reader: Reader, chance: Chance, trace: Trace) -> None:
        self._model, self._reader, self._chance = model, reader, chance
        self._shape = model.values.shape
        self._weights = {
            name: np.asarray(value, dtype=np.float64)
            for name, value in state_of(model.values).items()
        }
        self._state = start(self._shape)
        self.value = self._read(reader.task(trace))

    def push(self, step: Step) -> float:
        """The value after one more step, 0 to 1."""
        self.value = self._read(self._reader.message(step))
        return self.value

    def fork(self) -> RunningMessages:
        """An independent copy; the state is never changed in place."""
        return copy.copy(self)

    def _read(self, ids: Sequence[int]) -> float:
        row = torch.tensor([ids], device=next(self._model.parameters()).device)
        with torch.inference_mode():
            mean = self._model.means(row, torch.ones_like(row)).double().cpu().numpy()
        logits, self._state = advance(self._weights, self._shape, self._state, mean)
        return self._chance(float(logits[0]))
