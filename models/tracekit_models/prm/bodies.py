"""Backbones of the transformers library, read as the work of strangers: safetensors, and no code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging

from tracekit.errors import InputError, UsageError
from tracekit_models.hub import backbone_folder
from tracekit_models.prm.language_settings import Reads

CONFIG = "config.json"
PINNED = re.compile(r"(?P<repo>[\w][\w.-]{0,95}/[\w][\w.-]{0,95})@(?P<commit>[0-9a-f]{40})")
_NAMED = re.compile(r"(?P<repo>[\w][\w.-]{0,95}/[\w][\w.-]{0,95})(?:@(?P<revision>[\w][\w./-]*))?")
_COMMANDS = frozenset({"attn_implementation", "auto_map", "experts_implementation"})
"""Keys of a config that can name code to fetch and run."""
_LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
MOST_LAYERS = 1000
"""A configuration of more is not built, not even without memory for its weights."""
PROBE, CLOSE = 6, 0.02
"""Tokens of the probe, and how far its states may lie apart, as a share of the largest."""


class Base(NamedTuple):
    """A backbone on this machine."""

    folder: Path
    pinned: str | None
    """`owner/name@commit` on the Hub; None = a folder of the user's own."""


def base_of(name: str) -> Base:
    """The backbone in a folder, or of `owner/name[@revision]` on the Hub, fetched and verified.

    A folder of that name wins. Raises `UsageError` for what is neither.
    """
    place, named = Path(name).expanduser(), _NAMED.fullmatch(name)
    if place.is_dir():
        return Base(place, None)
    if named is None or name.startswith((".", "/", "~")):
        raise UsageError(f"{name}: no such folder, and not of the form owner/name[@revision]")
    folder = backbone_folder(named["repo"], named["revision"])
    return Base(folder, f"{named['repo']}@{folder.name}")


def body_of(folder: Path, *, frozen: bool) -> Any:
    """The backbone whose weights lie in a folder; raises `InputError`.

    Weights that are `frozen` are bfloat16 on a GPU; all others are float32, since small steps of
    training would be lost.
    """
    config = config_of(folder / CONFIG)
    if (folder / "adapter_config.json").exists():
        raise InputError(f"{folder}: adapters without their base: merge them first")
    try:
        with _silent():
            return AutoModel.from_pretrained(
                folder,
                config=config,
                dtype=torch.bfloat16 if frozen and device() == "cuda" else torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
            ).to(device())
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder}: the backbone does not load: {error}") from None


def config_of(path: Path) -> Any:
    """The configuration in a file, without what could name code; raises `InputError`."""
    try:
        found = plain(msgspec.json.decode(path.read_bytes(), type=dict[str, Any]))
        if any(isinstance(n, int) and n > MOST_LAYERS for n in map(found.get, _LAYERS)):
            raise ValueError(f"more than {MOST_LAYERS} layers")
        return AutoConfig.for_model(found.pop("model_type"), **found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: no configuration that transformers knows: {error}") from None


def tokenizer_of(folder: Path) -> Any:
    """The fast tokenizer of a backbone; raises `InputError`."""
    try:
        found = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: the tokenizer does not load: {error}") from None
    if not found.is_fast:
        raise InputError(f"{folder}: the tokenizer has no fast form (tokenizer.json)")
    return found


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without private keys and without those that can name code, at every depth.

    >>> plain({"layers": 2, "auto_map": {"AutoModel": "evil.py"}, "text": [{"_name_or_path": "x"}]})
    {'layers': 2, 'text': [{}]}
    """
    return {
        key: _plain(value)
        for key, value in config.items()
        if not key.startswith("_") and key not in _COMMANDS
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return plain(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def reads_of(body: Any) -> Reads:
    """How a backbone can read: `run` if it reads left to right and can go on from what it kept.

    Tried, not believed: the states of a few tokens, read at once and in two parts. Everything else
    is an encoder, which reads by messages.
    """
    if "past_key_values" not in inspect.signature(body.forward).parameters:
        return "message"
    ids = torch.arange(PROBE, device=body.device)[None] % int(body.config.vocab_size)
    body.eval()
    with torch.inference_mode():
        whole = body(input_ids=ids).last_hidden_state
        first = body(input_ids=ids[:, : PROBE // 2], use_cache=True)
        kept = getattr(first, "past_key_values", None)
        if kept is None:
            return "message"
        rest = body(input_ids=ids[:, PROBE // 2 :], past_key_values=kept, use_cache=True)
    parts = torch.cat([first.last_hidden_state, rest.last_hidden_state], dim=1)
    apart = float((whole - parts).abs().max() / whole.abs().max().clamp(min=1e-9))
    return "run" if apart < CLOSE else "message"


def longest_of(body: nn.Module, most: int) -> int:
    """Tokens that a backbone can read at once, `most` if it does not say or can read more."""
    said = getattr(body.config, "max_position_embeddings", None)
    return most if not isinstance(said, int) else min(most, said)


def device() -> str:
    """Where models run on this machine."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def _silent() -> Iterator[None]:
    """No bars of the library, and no report of a head for words that is not needed."""
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
