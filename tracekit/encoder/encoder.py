"""The text encoder: texts in, unit vectors out, with numpy alone.

    encoder = Encoder.load()            # the one that ships with tracekit
    vectors = encoder.encode(["The sum is 12.", "So the total is twelve."])
    similarity = vectors @ vectors.T

A text's vector depends on the text alone, not on its batch: on one machine it is the same to the
last bit, alone or among others. Between machines the matrix library may round differently; vectors
then agree within 1e-5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from tracekit.encoder.onnx import Session
from tracekit.encoder.static import Static
from tracekit.encoder.tensors import Tensors, read
from tracekit.encoder.transformer import Transformer
from tracekit.encoder.wordpiece import Characters, WordPiece
from tracekit.errors import InputError

FORMAT = "tracekit/encoder/1"
SHIPPED = "static"
"""Name of the encoder that ships with tracekit."""
LETTERS = 8
"""Characters read at each end of a text, for every piece that the encoder takes."""

Engine = Literal["numpy", "onnx"]
Body = Callable[[np.ndarray], np.ndarray]
"""Ids of one text's pieces, at least one, to a vector."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of weights says about itself."""

    kind: Literal["static", "transformer"]
    """How pieces become a vector."""
    width: int
    """Numbers in a vector."""
    pieces: int
    """Pieces of a text that are read, at most: the first and the last half of them."""
    heads: int = 0
    """Attention heads; 0 for static vectors."""


class Encoder:
    """Texts to vectors. `id` names the weights, `settings` says what they are."""

    def __init__(self, id: str, settings: Settings, words: WordPiece, body: Body) -> None:
        self.id = id
        self.settings = settings
        self._words = words
        self._body = body

    @classmethod
    def load(cls, source: str | Path = SHIPPED, engine: Engine = "numpy") -> Encoder:
        """The shipped encoder by name, or one from a `.safetensors` file; read once.

        Engine `onnx` runs the `.onnx` file beside it, and needs the extra of that name.

        Raises `InputError` when a file is missing, damaged, or not an encoder's, and `MissingExtra`
        without onnxruntime.
        """
        path = Path(shipped() if source == SHIPPED else source)
        found = _loaded(str(path))
        if engine == "numpy":
            return found
        session = Session(path.with_suffix(".onnx"), found.id)
        return cls(found.id, found.settings, found._words, session)

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self.settings.width

    def pieces(self, text: str) -> np.ndarray:
        """Ids of the pieces that are read of a text: its first and its last ones, if it is long."""
        room = self.settings.pieces
        reach = LETTERS * room
        if len(text) > 2 * reach:
            text = f"{text[:reach]} {text[-reach:]}"
        ids = np.array(self._words(text), dtype=np.int64)
        if len(ids) <= room:
            return ids
        return np.concatenate([ids[: room - room // 2], ids[len(ids) - room // 2 :]])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of unit length, float32 (n, width); zeros for a text without any piece."""
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        known: dict[str, int] = {}
        for n, text in enumerate(texts):
            first = known.setdefault(text, n)
            if first != n:
                vectors[n] = vectors[first]
            elif len(ids := self.pieces(text)):
                vector = self._body(ids)
                vectors[n] = vector / max(float(np.sqrt(np.square(vector).sum())), 1e-12)
        return vectors


@cache
def shipped() -> Path:
    """The file of the encoder that ships with tracekit; models/cards/encoder.md is its card."""
    return Path(str(files("tracekit.encoder").joinpath("weights", f"{SHIPPED}.safetensors")))


@cache
def _loaded(path: str) -> Encoder:
    tensors = read(path)
    try:
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        settings = _settings(tensors)
        words, body = _wordpiece(tensors), _body(tensors, settings)
    except (LookupError, ValueError, ArithmeticError) as error:
        raise InputError(
            f"{path}: not the weights of an encoder: {error}; export it again"
        ) from None
    return Encoder(digest[:12], settings, words, body)


def _settings(tensors: Tensors) -> Settings:
    found = tensors.metadata.get("format")
    if found != FORMAT:
        raise ValueError(f"its format is {found!r}, wanted {FORMAT!r}")
    return msgspec.json.decode(tensors.metadata["settings"], type=Settings)


def _wordpiece(tensors: Tensors) -> WordPiece:
    vocabulary = tensors.arrays["vocabulary"].tobytes().decode().split("\n")
    found = [tensors.arrays[f"characters.{kind}"] for kind in Characters._fields]
    if any(ranges.ndim != 2 or ranges.shape[1] != 2 for ranges in found):
        raise ValueError("the tables of characters are not ranges")
    kinds = [[(first, last) for first, last in ranges.tolist()] for ranges in found]
    return WordPiece(vocabulary, Characters(*kinds))


def _body(tensors: Tensors, settings: Settings) -> Body:
    words = tensors.arrays["vocabulary"].tobytes().count(b"\n") + 1
    body = (
        Static(tensors.arrays)
        if settings.kind == "static"
        else Transformer(tensors.arrays, settings.heads)
    )
    if len(tensors.arrays["words"]) != words:
        raise ValueError("the vocabulary and its vectors differ in number")
    longest = np.zeros(settings.pieces, dtype=np.int64)
    if not settings.pieces > 0 or body(longest).shape != (settings.width,):
        raise ValueError("the settings do not fit the arrays")
    return body
