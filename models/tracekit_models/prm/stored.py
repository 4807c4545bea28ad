"""`prm-language`: a value model on a language model as a `ValueFunction`, kept in a folder.

    prm-language.json      how it reads, calibration, systems and fingerprints of the training runs
    weights-N.safetensors  what training changed (adapters and head), or everything
    backbone.json          configuration of the backbone, where its weights lie here as well
    tokenizer.json         the fast tokenizer
    familiar.safetensors   which runs it knows

A backbone from the Hub stays there, pinned to a commit; any other lies in the folder. Nothing in it
is run or unpickled. Importing this costs no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np

from tracekit import registry
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.optional import require
from tracekit.trace import Trace
from tracekit_models.prm.language_settings import (
    BACKBONE,
    SETTINGS,
    TOKENIZER,
    Language,
    Settings,
    part_name,
)

if TYPE_CHECKING:
    from torch import Tensor

    from tracekit.protocols import RunningValue

TRAINER = "tracekit_models.prm.language_fit:fit"
"""What fits a model anew."""
SHARD = 2**30
"""Bytes of a file of weights, unless one array is larger."""


class LanguageValues:
    """See the module. Without weights it is but a name: they are loaded from a folder."""

    name: ClassVar[str] = "prm-language"
    version: ClassVar[str] = "1"

    def __init__(self, language: Language | None = None) -> None:
        self._language = language

    @property
    def language(self) -> Language:
        """The weights; raises `UsageError` where there are none."""
        if self._language is None:
            raise UsageError("prm-language has no weights of its own: name a folder, --model DIR")
        return self._language

    def values(self, trace: Trace) -> Sequence[float]:
        """Probability of success after each step, 0 to 1, one forward pass a window."""
        from tracekit_models.prm.language_train import score

        model, tokenizer, settings, _ = self.language
        logits = score(model, tokenizer, trace, settings.backbone)[1:]
        return [chance(settings, float(logit)) for logit in logits]

    def begin(self, trace: Trace) -> RunningValue:
        """The value of a run that is still going on; its steps are left out."""
        from tracekit_models.prm.running import RunningMessages, RunningText
        from tracekit_models.prm.windows import Reader

        model, tokenizer, settings, _ = self.language
        how = settings.backbone
        kind: Any = RunningText if how.reads == "run" else RunningMessages
        reader = Reader(tokenizer, how.length, how.longest)
        found: RunningValue = kind(model, reader, lambda logit: chance(settings, logit), trace)
        return found

    def doubts(self, trace: Trace) -> tuple[str, ...]:
        """That the run is unlike every training system, in a sentence; empty when it is not.

        A run without steps is like nothing and unlike nothing.
        """
        familiar = self.language.familiar
        if familiar is None or not trace.steps:
            return ()
        return familiar.judge(trace).doubts("this model")

    def seen(self) -> frozenset[str]:
        """Content hashes of the runs it was fitted, calibrated or judged on."""
        return frozenset(self.language.settings.traces)

    def fit(self, traces: Iterable[Trace], context: Context) -> LanguageValues:
        """A model fitted on runs with known outcomes, on the same backbone, which is on the Hub.

        Raises `UsageError` where it is not.
        """
        settings = self.language.settings
        if settings.base is None:
            raise UsageError(
                "prm-language: the backbone came from a folder and is not kept as it was: "
                "`tracekit train prm LOGS --backbone DIR`"
            )
        fitter = registry.load(TRAINER, "the trainer of prm-language")
        found: LanguageValues = fitter(list(traces), settings, seed=context.seed)
        return found

    def save(self, folder: Path) -> None:
        """Write what the module's table lists; equal weights give equal bytes."""
        from safetensors.torch import save_file

        from tracekit_models.prm.bodies import plain
        from tracekit_models.prm.language import trainable

        folder.mkdir(parents=True, exist_ok=True)
        model, tokenizer, settings, familiar = self.language
        parts = list(shards(trainable(model) if settings.base else model.state_dict()))
        for number, part in enumerate(parts, 1):
            save_file(part, folder / part_name(number))
            (folder / part_name(number)).chmod(0o644)  # it is written as nobody else's
        if settings.base is None:
            config: Any = getattr(model.body, "config")  # noqa: B009 - a module to type checkers
            text = msgspec.json.encode(plain(msgspec.json.decode(config.to_json_string())))
            (folder / BACKBONE).write_bytes(msgspec.json.format(text, indent=1))
        systems = familiar.detector.systems if familiar is not None else ()
        settings = msgspec.structs.replace(
            settings, parts=len(parts), marks=_marks(tokenizer), systems=systems
        )
        text = msgspec.json.format(msgspec.json.encode(settings), indent=1)
        (folder / SETTINGS).write_bytes(text + b"\n")
        tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
        if familiar is not None:
            familiar.save(folder)

    @classmethod
    def load(cls, folder: Path) -> LanguageValues:
        """From a folder; no code in it is run. Raises `InputError` where it is not one."""
        for module in ("torch", "transformers", "peft"):
            require(module, extra="train")
        from tracekit_models.prm.loading import load

        return cls(load(folder))


def chance(settings: Settings, logit: float) -> float:
    """The calibrated probability of success of a logit, 0 to 1."""
    odds = settings.slope * logit + settings.shift
    return float(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def shards(weights: Mapping[str, Tensor], size: int = SHARD) -> Iterator[dict[str, Tensor]]:
    """Weights in parts of at most so many bytes, each array whole and in memory of its own."""
    part: dict[str, Tensor] = {}
    room = size
    for name, value in weights.items():
        if part and value.nbytes > room:
            yield part
            part, room = {}, size
        part[name] = value.detach().cpu().contiguous().clone()
        room -= value.nbytes
    yield part


def _marks(tokenizer: Any) -> dict[str, str]:
    """The special tokens that readers look for."""
    names = ("eos_token", "pad_token", "sep_token", "cls_token", "unk_token")
    found = {name: getattr(tokenizer, name, None) for name in names}
    return {name: str(token) for name, token in found.items() if token is not None}
