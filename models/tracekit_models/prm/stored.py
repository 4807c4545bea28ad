"""A value model on a language model as a `ValueFunction`: saved in a folder, loaded, scored with.

The folder holds what training changed (`weights.safetensors`: adapters and head, or everything), how
it reads, and the tokenizer. The backbone itself is fetched by its name, or lies in a folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from torch import nn

from tracekit.errors import InputError
from tracekit.trace import Step, Trace
from tracekit_models.prm.language import Backbone, model_of, trainable
from tracekit_models.prm.language_train import score

WEIGHTS, SETTINGS = "weights.safetensors", "prm-language.json"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is beside the weights."""

    base: str
    """Name or folder of the backbone, as `AutoModel.from_pretrained` takes it."""
    backbone: Backbone


class LanguageValues:
    """See the module. Stateless between steps: `begin` scores the run anew at every step."""

    name = "prm-language"

    def __init__(self, model: nn.Module, tokenizer: Any, settings: Settings) -> None:
        self._model, self._tokenizer, self.settings = model, tokenizer, settings

    def values(self, trace: Trace) -> Sequence[float]:
        """Probability of success after each step, 0 to 1, one forward pass a window."""
        found: list[float] = self._chances(trace)[1:].tolist()
        return found

    def begin(self, trace: Trace) -> Running:
        """The value of a run that is still going on; its steps are left out."""
        return Running(self, msgspec.structs.replace(trace, steps=()))

    def save(self, folder: Path) -> None:
        """Write what training changed, how it reads, and the tokenizer."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().cpu() for name, value in trainable(self._model).items()}
        save_file(weights, folder / WEIGHTS)
        (folder / SETTINGS).write_bytes(msgspec.json.encode(self.settings))
        self._tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, folder: Path) -> LanguageValues:
        """From a folder; no code in it is run. Raises `InputError` where it is not one."""
        from safetensors.torch import load_file
        from transformers import AutoModel, AutoTokenizer

        try:
            settings = msgspec.json.decode((folder / SETTINGS).read_bytes(), type=Settings)
            weights = load_file(folder / WEIGHTS)
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise InputError(f"{folder}: no value model on a language model: {error}") from None
        body = AutoModel.from_pretrained(settings.base, trust_remote_code=False)
        model = model_of(body, settings.backbone)
        if set(trainable(model)) != set(weights):
            raise InputError(f"{folder}: weights for another backbone than {settings.base}")
        model.load_state_dict(weights, strict=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        return cls(model.eval(), tokenizer, settings)

    def _chances(self, trace: Trace) -> np.ndarray:
        logits = score(self._model, self._tokenizer, trace, self.settings.backbone)
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))))


class Running:
    """A run that goes on. Every step reads its window again."""

    def __init__(self, values: LanguageValues, trace: Trace) -> None:
        self._values, self._trace = values, trace
        self.value = float(values._chances(trace)[-1])

    def push(self, step: Step) -> float:
        """The value after one more step, 0 to 1."""
        step = msgspec.structs.replace(step, index=len(self._trace.steps))
        self._trace = msgspec.structs.replace(self._trace, steps=(*self._trace.steps, step))
        self.value = float(self._values._chances(self._trace)[-1])
        return self.value

    def fork(self) -> Running:
        """An independent copy."""
        twin = object.__new__(Running)
        twin.__dict__.update(self.__dict__)
        return twin
