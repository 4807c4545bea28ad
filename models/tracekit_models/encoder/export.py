"""Weights to one file that the numpy runtime reads.

python -m tracekit_models.encoder.export --teacher DIR --out minilm.safetensors
python -m tracekit_models.encoder.export --teacher DIR --out static.safetensors --static
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch

from tracekit.encoder.encoder import FORMAT, Settings
from tracekit.encoder.table import rounded
from tracekit.encoder.tensors import write
from tracekit_models.encoder.network import Network, arrays_of, minilm, padded
from tracekit_models.encoder.vocabulary import tables

SPECIAL = 104
"""Ids below are markers and unused places; they carry no meaning."""
CHARACTERS = 999
"""Ids below are single characters, whose order says nothing of how frequent they are."""
RAREST = 1.0
"""Weight of a single character; other pieces weigh the logarithm of their rank, 7 to 10."""


def save(
    path: Path, arrays: Mapping[str, np.ndarray], settings: Settings, tokenizer: Path, origin: str
) -> None:
    """Write an encoder: its arrays, its settings, and a tokenizer (`vocabulary.tables`)."""
    metadata = {
        "format": FORMAT,
        "settings": msgspec.json.encode(settings).decode(),
        "licence": "Apache-2.0",
        "origin": origin,
    }
    write(path, {**arrays, **tables(tokenizer)}, metadata)


def save_network(
    path: Path, network: Network, tokenizer: Path, origin: str, *, small: bool
) -> None:
    """Write a transformer, as bytes or as floats."""
    settings = Settings("transformer", 384, network.pieces, network.heads)
    save(path, arrays_of(network, small=small), settings, tokenizer, origin)


def save_static(path: Path, table: np.ndarray, tokenizer: Path, origin: str, pieces: int) -> None:
    """Write static vectors as bytes; `table` is (words, width)."""
    numbers, steps = rounded(table)
    arrays = {"words": numbers, "words.step": steps}
    save(path, arrays, Settings("static", table.shape[1], pieces), tokenizer, origin)


@torch.inference_mode()
def alone(teacher: Network, device: str = "cpu") -> np.ndarray:
    """What the teacher says to every word piece alone, unit length, (words, 384)."""
    words = teacher.words.num_embeddings
    found = []
    for start in range(0, words, 512):
        ids = [np.array([n]) for n in range(start, min(words, start + 512))]
        found.append(teacher(*padded(ids, device)).float().cpu().numpy())
    return np.concatenate(found)


def static_table(vectors: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A table of static vectors from pieces' own, and the (384, width) projection it is in.

    Principal components after taking off the mean, which all pieces have in common and which so
    says nothing; frequent pieces weigh less, by their rank in the vocabulary, as Zipf's law has it
    (the smooth inverse frequency of Arora et al. 2017, with ranks for counts).
    """
    centred = vectors - vectors[CHARACTERS:].mean(axis=0)
    _, _, directions = np.linalg.svd(centred[CHARACTERS:], full_matrices=False)
    projection = directions[:width].T
    ranks = np.arange(len(vectors))
    weights = np.where(ranks < CHARACTERS, RAREST, np.log1p(ranks))
    weights[:SPECIAL] = 0
    return (centred @ projection * weights[:, None]).astype(np.float32), projection


def main() -> int:
    """Export the teacher itself, or static vectors made from it without any text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--static", action="store_true", help="static vectors")
    parser.add_argument("--width", type=int, default=256, help="of static vectors")
    parser.add_argument("--float", action="store_true", help="float32 instead of bytes")
    options = parser.parse_args()
    teacher = minilm(options.teacher)
    if options.static:
        table, _ = static_table(alone(teacher), options.width)
        origin = "all-MiniLM-L6-v2, each word piece alone"
        save_static(options.out, table, options.teacher, origin, pieces=254)
    else:
        origin = "all-MiniLM-L6-v2"
        save_network(options.out, teacher, options.teacher, origin, small=not options.float)
    return 0


if __name__ == "__main__":
    sys.exit(main())
