"""The torch side of the transformer: read from MiniLM's weights, cut down, trained, written out.

The same arithmetic as `tracekit.encoder.transformer`, for batches of padded texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tracekit.encoder.encoder import Settings
from tracekit.encoder.table import matrix, rounded
from tracekit.encoder.tensors import read
from tracekit.encoder.transformer import END, EPSILON, START

PARTS = {
    "attention.output.dense": "attended",
    "attention.output.LayerNorm": "after_attention",
    "intermediate.dense": "inner",
    "output.dense": "outer",
    "output.LayerNorm": "after_inner",
}
"""BERT's names for the parts of a layer, and ours."""


class Layer(nn.Module):
    """Attention and a feed-forward part, each with a residual and a norm after it."""

    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.mixed = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.after_attention = nn.LayerNorm(width, eps=EPSILON)
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)
        self.after_inner = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """(texts, tokens, width) to the same; `there` is False for padding."""
        texts, tokens, width = x.shape
        mixed = self.mixed(x).view(texts, tokens, 3, self.heads, width // self.heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=there[:, None, None, :]
        )
        seen = seen.transpose(1, 2).reshape(texts, tokens, width)
        x = self.after_attention(x + self.attended(seen))
        y: Tensor = self.after_inner(x + self.outer(nn.functional.gelu(self.inner(x))))
        return y


class Network(nn.Module):
    """Padded ids to unit vectors. `rank` below `width` factors the table of word pieces."""

    def __init__(
        self, pieces: int, layers: int, *, rank: int = 384, positions: int = 512, words: int = 30522
    ) -> None:
        super().__init__()
        width, inner, self.heads, self.pieces = 384, 1536, 12, pieces
        self.words = nn.Embedding(words, rank)
        self.raised = nn.Linear(rank, width, bias=False) if rank < width else None
        self.positions = nn.Parameter(torch.zeros(positions, width))
        self.first = nn.LayerNorm(width, eps=EPSILON)
        self.layers = nn.ModuleList(Layer(width, inner, self.heads) for _ in range(layers))

    def forward(self, ids: Tensor, there: Tensor) -> Tensor:
        """(texts, tokens) and which of them are no padding, to (texts, width)."""
        x = self.words(ids)
        if self.raised is not None:
            x = self.raised(x)
        x = self.first(x + self.positions[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x, there)
        kept = there[:, :, None].to(x.dtype)
        return nn.functional.normalize((x * kept).sum(1) / kept.sum(1), dim=-1)


def minilm(folder: Path, pieces: int = 254) -> Network:
    """All-MiniLM-L6-v2 from a folder with `model.safetensors`."""
    arrays = read(folder / "model.safetensors").arrays
    found = {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}
    made = {
        "words.weight": found["embeddings.word_embeddings.weight"],
        # one sequence is all there is: the vector of its type is added to every position
        "positions": found["embeddings.position_embeddings.weight"]
        + found["embeddings.token_type_embeddings.weight"][0],
        "first.weight": found["embeddings.LayerNorm.weight"],
        "first.bias": found["embeddings.LayerNorm.bias"],
    }
    network = Network(pieces, layers=6, words=len(made["words.weight"]))
    for n in range(6):
        for kind in ("weight", "bias"):
            old = f"encoder.layer.{n}"
            parts = [found[f"{old}.attention.self.{q}.{kind}"] for q in ("query", "key", "value")]
            made[f"layers.{n}.mixed.{kind}"] = torch.cat(parts)
            for theirs, ours in PARTS.items():
                made[f"layers.{n}.{ours}.{kind}"] = found[f"{old}.{theirs}.{kind}"]
    network.load_state_dict(made)
    return network.eval()


def cut_down(teacher: Network, layers: Sequence[int], rank: int, pieces: int) -> Network:
    """A smaller network that starts from some layers of a larger one.

    The table of word pieces is factored by its singular values, which is the nearest of that rank.
    """
    state = teacher.state_dict()
    words = len(state["words.weight"])
    network = Network(pieces, len(layers), rank=rank, positions=pieces + 2, words=words)
    made = {name: value for name, value in state.items() if name.startswith("first.")}
    made["positions"] = state["positions"][: pieces + 2]
    table = state["words.weight"]
    if rank < table.shape[1]:
        left, values, right = torch.linalg.svd(table, full_matrices=False)
        made["words.weight"] = left[:, :rank] * values[:rank]
        made["raised.weight"] = right[:rank].T.contiguous()
    else:
        made["words.weight"] = table
    for new, old in enumerate(layers):
        for name, value in state.items():
            if name.startswith(f"layers.{old}."):
                made[name.replace(f"layers.{old}.", f"layers.{new}.", 1)] = value
    network.load_state_dict(made)
    return network


def padded(ids: Sequence[np.ndarray], device: str) -> tuple[Tensor, Tensor]:
    """Pieces of texts with their markers, as `Network` takes them."""
    length = max(map(len, ids)) + 2
    batch = np.zeros((len(ids), length), dtype=np.int64)
    there = np.zeros((len(ids), length), dtype=bool)
    for n, row in enumerate(ids):
        batch[n, 0], batch[n, 1 : len(row) + 1], batch[n, len(row) + 1] = START, row, END
        there[n, : len(row) + 2] = True
    return torch.from_numpy(batch).to(device), torch.from_numpy(there).to(device)


def arrays_of(network: Network, *, small: bool = True) -> dict[str, np.ndarray]:
    """Parameters by the runtime's names; matrices as bytes where `small`, else float32."""
    arrays: dict[str, np.ndarray] = {}
    for name, value in network.state_dict().items():
        array: np.ndarray[Any, Any] = value.detach().cpu().float().numpy()
        if small and array.ndim == 2:
            arrays[named(name)], arrays[f"{named(name)}.step"] = rounded(array)
        else:
            arrays[named(name)] = array
    return arrays


def network_of(arrays: Mapping[str, np.ndarray], settings: Settings) -> Network:
    """The network of an encoder's file: the way back from `arrays_of`."""
    words, rank = arrays["words"].shape
    layers = sum(name.endswith(".inner.weight") for name in arrays)
    positions = len(arrays["positions"])
    network = Network(settings.pieces, layers, rank=rank, positions=positions, words=words)
    state = {
        name: torch.from_numpy(matrix(arrays, named(name)).copy()) for name in network.state_dict()
    }
    network.load_state_dict(state)
    return network.eval()


def named(name: str) -> str:
    """The runtime's name of a parameter.

    >>> named("layers.0.after_inner.weight"), named("words.weight")
    ('layer.0.after_inner.scale', 'words')
    """
    names = {"words.weight": "words", "raised.weight": "raise"}
    ours = names.get(name, name.replace("layers.", "layer.", 1))
    if ".after_" in ours or ours.startswith("first."):
        ours = ours.replace(".weight", ".scale").replace(".bias", ".shift")
    return ours
