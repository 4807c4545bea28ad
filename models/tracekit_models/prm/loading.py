"""Reading a folder of `prm-language`, which comes from a stranger: sizes are checked before memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedTokenizerFast

from tracekit.errors import InputError
from tracekit_models.prm import bodies
from tracekit_models.prm.familiar import Familiar
from tracekit_models.prm.language import model_of, trainable
from tracekit_models.prm.language_settings import (
    BACKBONE,
    SETTINGS,
    TOKENIZER,
    Backbone,
    Language,
    Settings,
    part_name,
)
from tracekit_models.prm.windows import Reader


def load(folder: Path) -> Language:
    """The model of a folder; raises `InputError`."""
    try:
        settings = msgspec.json.decode((folder / SETTINGS).read_bytes(), type=Settings)
        weights = _weights(folder, settings.parts)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / TOKENIZER), **settings.marks
        )
        how = settings.backbone
        Reader(tokenizer, how.length, how.longest)  # raises for sizes that make no sense
        familiar = Familiar.load(folder, settings.systems) if settings.systems else None
        model = _model(folder, settings, weights)
    except InputError:
        raise
    except Exception as error:  # tokenizers raises plain exceptions
        raise InputError(f"{folder}: no value model on a language model: {error}") from None
    return Language(model.eval(), tokenizer, settings, familiar)


def _weights(folder: Path, parts: int) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for number in range(1, parts + 1):
        found |= load_file(folder / part_name(number))
    if not found or not all(bool(torch.isfinite(value).all()) for value in found.values()):
        raise ValueError("weights that are not finite, or none")
    return found


def _model(folder: Path, settings: Settings, weights: dict[str, Tensor]) -> nn.Module:
    how = settings.backbone
    if settings.base is None:
        model = _whole(folder / BACKBONE, how, weights)
    else:
        if bodies.PINNED.fullmatch(settings.base) is None:
            raise ValueError(f"the backbone {settings.base[:100]!r} is not pinned to a commit")
        model = model_of(
            bodies.body_of(bodies.base_of(settings.base).folder, frozen=how.lora is not None), how
        )
        if set(trainable(model)) != set(weights):
            raise ValueError(f"weights for another backbone than {settings.base}")
    model.load_state_dict(weights, strict=settings.base is None)
    return model.to(bodies.device())


def _whole(path: Path, how: Backbone, weights: dict[str, Tensor]) -> nn.Module:
    """A model of the backbone that a file describes, once it is known to be as large as its weights."""
    config: Any = bodies.config_of(path)
    with torch.device("meta"):
        sizes = model_of(AutoModel.from_config(config, trust_remote_code=False), how)
    wanted = {name: value.shape for name, value in sizes.state_dict().items()}
    if wanted != {name: value.shape for name, value in weights.items()}:
        raise ValueError("weights for another backbone than the folder describes")
    return model_of(AutoModel.from_config(config, trust_remote_code=False), how)
