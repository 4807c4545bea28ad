"""The vocabulary of a BERT tokenizer, and which characters it takes for what, as arrays.

The tables are asked of the tokenizer itself, one code point at a time, so that the runtime's plain
Python agrees with it whatever version of Unicode either was built with.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tracekit.encoder.tensors import read
from tracekit.encoder.wordpiece import Characters
from tracekit.optional import require

SURROGATES = range(0xD800, 0xE000)
"""Halves of characters, which the tokenizer cannot be asked about; Python text may hold them."""
IDEOGRAPHS = (
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0x2F800, 0x2FA1F),
)  # fmt: skip
"""What is cut out as a word; from 2B920 on, not 2B820, as in the tokenizer."""


def tables(source: Path) -> dict[str, np.ndarray]:
    """Arrays `vocabulary` and `characters.*`.

    Of the tokenizer in a folder (`tokenizer.json`), or as an encoder's `.safetensors` file has them.
    """
    if source.suffix == ".safetensors":
        arrays = read(source).arrays
        return {name: arrays[name] for name in arrays if name.startswith(("vocab", "characters."))}
    tokenizer = require("tokenizers", extra="train").Tokenizer.from_file(
        str(source / "tokenizer.json")
    )
    words = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    found = {"vocabulary": np.frombuffer("\n".join(word for word, _ in words).encode(), np.uint8)}
    for kind, ranges in characters(tokenizer)._asdict().items():
        found[f"characters.{kind}"] = np.array(ranges, dtype=np.int32)
    return found


def characters(tokenizer: object) -> Characters:
    """What an (uncased, `tokenizers`) BERT tokenizer takes each code point for."""
    normal: Callable[[str], str] = tokenizer.normalizer.normalize_str  # type: ignore[attr-defined]
    cut: Callable[[str], list[object]] = tokenizer.pre_tokenizer.pre_tokenize_str  # type: ignore[attr-defined]
    codes = [code for code in range(0x110000) if code not in SURROGATES]
    became = {code: normal(f"a{chr(code)}\u3042") for code in codes}
    # U+3042 has no accent of its own, and an accent before it would stick to the letter a
    gone = {code for code in codes if became[code] == "a\u3042"}
    spaces = {code for code in codes if became[code] == "a \u3042"}
    # controls and accents both vanish; the tokenizer does not tell them apart, and need not
    marks = {code for code in gone if unicodedata.category(chr(code))[0] == "M"}
    punctuation = {code for code in codes if len(cut(f"a{chr(code)}b")) == 3}
    return Characters(
        removed=list(runs(gone - marks | set(SURROGATES))),
        spaces=list(runs(spaces)),
        ideographs=IDEOGRAPHS,
        marks=list(runs(marks)),
        punctuation=list(runs(punctuation)),
    )


def runs(codes: set[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbours, ascending.

    >>> list(runs({1, 2, 3, 7}))
    [(1, 3), (7, 7)]
    """
    ordered = sorted(codes)
    start = 0
    for n in range(1, len(ordered) + 1):
        if n == len(ordered) or ordered[n] != ordered[n - 1] + 1:
            yield ordered[start], ordered[n - 1]
            start = n
