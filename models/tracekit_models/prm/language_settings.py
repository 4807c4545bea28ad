"""How a value model on a language model reads, and what is known of it: no torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from torch import nn

    from tracekit_models.prm.familiar import Familiar

SETTINGS, BACKBONE, TOKENIZER = "prm-language.json", "backbone.json", "tokenizer.json"
"""Files of a folder; see `tracekit_models.prm.stored`."""

Reads = Literal["run", "message"]


class Lora(msgspec.Struct, frozen=True, kw_only=True):
    """Low-rank adapters (arXiv 2106.09685) on all linear layers of the backbone."""

    rank: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 16
    alpha: int = 32
    dropout: float = 0.05


class Backbone(msgspec.Struct, frozen=True, kw_only=True):
    """How the backbone reads a run."""

    reads: Reads = "run"
    """The run as one text with a causal LM, or message by message with an encoder."""
    length: int = 2048
    """Tokens of a window."""
    longest: int = 384
    """Tokens of a message."""
    lora: Lora | None = Lora()
    """None = all weights are trained."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is beside the weights."""

    base: str | None = None
    """The backbone on the Hub, `owner/name@commit`; None = it lies in the folder as well."""
    backbone: Backbone
    marks: dict[str, str] = {}
    """Special tokens of the tokenizer, such as `eos_token`."""
    parts: Annotated[int, msgspec.Meta(ge=1, le=999)] = 1
    """Files of weights."""
    systems: tuple[str, ...] = ()
    """Systems that the training runs came from, where it can tell which runs it knows."""
    slope: float = 1.0
    """Of the calibration: log-odds are slope * logit + shift."""
    shift: float = 0.0
    seed: int = 0
    traces: tuple[str, ...] = ()
    """Fingerprints of the runs that it was fitted, calibrated or judged on."""


class Language(NamedTuple):
    """Everything that `LanguageValues` knows."""

    model: nn.Module
    """A `CausalValues` or `MessageValues`."""
    tokenizer: Any
    settings: Settings
    familiar: Familiar | None = None
    """None = it cannot tell which runs it knows."""


def part_name(number: int) -> str:
    """Name of a file of weights, counted from 1."""
    return f"weights-{number}.safetensors"
