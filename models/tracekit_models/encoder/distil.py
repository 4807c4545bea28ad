"""Distil MiniLM into something smaller: `python -m tracekit_models.encoder.distil --help`.

    python -m tracekit_models.encoder.distil --teacher DIR --data corpus.jsonl --out DIR
    python -m tracekit_models.encoder.distil ... --kind transformer --layers 0 5 --rank 128

The student learns to give a text the vector that the teacher gives it (the cosine between them),
and two texts of a batch the similarity that the teacher sees between them. What comes out is
`<kind>.safetensors` for the numpy runtime and `<kind>.json`, which says how it was made and how
near it comes on texts that were kept back. One GPU does it in minutes; a CPU does the static one.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from tracekit.encoder.encoder import Encoder
from tracekit_models.encoder.export import alone, save_network, save_static, static_table
from tracekit_models.encoder.network import Network, cut_down, minilm, padded

HELD_OUT = 1000
"""Texts, at most a tenth, that are kept back to measure on."""
READ = 256
"""Word pieces of a text that the teacher reads."""


class Options(msgspec.Struct, frozen=True):
    """How to distil; the command line's options."""

    kind: str = "static"
    width: int = 256
    """Of static vectors."""
    layers: tuple[int, ...] = (0, 5)
    """Of the teacher, that a transformer starts from."""
    rank: int = 128
    """Of its table of word pieces; 384 is the teacher's own table."""
    pieces: int = 126
    """Of a text that the transformer reads; static vectors read as many as the teacher."""
    epochs: int = 3
    batch: int = 128
    rate: float = 0.0
    """Learning rate; 0 is 2e-3 for static vectors and 3e-4 for a transformer."""
    seed: int = 0
    device: str = "cpu"


class Pairs(NamedTuple):
    """Texts as word pieces, and what the teacher says to them."""

    ids: list[np.ndarray]
    vectors: Tensor
    """(texts, 384), unit length."""

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Indices in random order, texts of one length together so that little is padded."""
        order = rng.permutation(len(self.ids))
        for start in range(0, len(order), 50 * size):
            some = sorted(order[start : start + 50 * size], key=lambda n: len(self.ids[n]))
            parts = [np.array(some[at : at + size]) for at in range(0, len(some), size)]
            for n in rng.permutation(len(parts)):
                yield parts[n]


class Table(nn.Module):
    """Static vectors while they are learned: the mean of a text's pieces."""

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag.from_pretrained(torch.from_numpy(table), freeze=False)

    def forward(self, ids: Sequence[np.ndarray]) -> Tensor:
        """Unit vectors of texts."""
        device = self.bag.weight.device
        starts = np.cumsum([0, *map(len, ids[:-1])])
        flat = torch.from_numpy(np.concatenate(ids)).to(device)
        return nn.functional.normalize(self.bag(flat, torch.from_numpy(starts).to(device)), dim=-1)


@torch.inference_mode()
def taught(teacher: Network, ids: Sequence[np.ndarray], device: str) -> Tensor:
    """What the teacher says to texts, batched by length."""
    order = sorted(range(len(ids)), key=lambda n: len(ids[n]))
    vectors = torch.zeros(len(ids), 384)
    start = 0
    while start < len(order):
        stop = start + max(
            1, (4096 if device == "cpu" else 131_072) // (len(ids[order[start]]) + 2)
        )
        some = order[start:stop]
        found = teacher(*padded([ids[n] for n in some], device))
        vectors[some] = found.float().cpu()
        start = stop
    return vectors


def loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How far vectors are from the teacher's, and their similarities from those it sees."""
    apart = 1 - (student * teacher).sum(-1).mean()
    similar = (student @ student.T - teacher @ teacher.T).square().mean()
    return apart + 10 * similar


def fit(student: nn.Module, pairs: Pairs, targets: Tensor, options: Options) -> None:
    """Train in place: Adam, a short warm-up, then a cosine to zero."""
    rng = np.random.default_rng(options.seed)
    static = isinstance(student, Table)
    rate = options.rate or (2e-3 if static else 3e-4)
    total = options.epochs * math.ceil(len(pairs.ids) / options.batch)
    optimiser = torch.optim.AdamW(student.parameters(), rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda n: min(1, (n + 1) / (0.05 * total)) * 0.5 * (1 + math.cos(math.pi * n / total)),
    )
    for epoch in range(options.epochs):
        began, seen = time.perf_counter(), []
        for some in pairs.batches(options.batch, rng):
            vectors = forward(student, [pairs.ids[n] for n in some], options)
            error = loss(vectors, targets[some].to(options.device))
            optimiser.zero_grad(set_to_none=True)
            error.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            seen.append(error.detach())
        took = time.perf_counter() - began
        mean = torch.stack(seen).mean().item()
        sys.stderr.write(f"epoch {epoch + 1}: loss {mean:.4f}, {took:.0f} s\n")


def forward(student: nn.Module, ids: Sequence[np.ndarray], options: Options) -> Tensor:
    """Unit vectors of texts, long ones cut to their ends as the runtime does."""
    found: Tensor
    if isinstance(student, Table):
        found = student(ids)
    else:
        found = student(*padded([ends(row, options.pieces) for row in ids], options.device))
    return found


def ends(ids: np.ndarray, room: int) -> np.ndarray:
    """The first and the last pieces, as many as there is room for.

    >>> ends(np.arange(6), 3).tolist()
    [0, 1, 5]
    """
    if len(ids) <= room:
        return ids
    return np.concatenate([ids[: room - room // 2], ids[len(ids) - room // 2 :]])


def distil(
    folder: Path, tokenizer: Path, data: Path, out: Path, options: Options
) -> dict[str, float]:
    """Distil, write the student, and return how near it comes to the teacher."""
    torch.manual_seed(options.seed)
    teacher = minilm(folder).to(options.device)
    out.mkdir(parents=True, exist_ok=True)
    start = out / "start.safetensors"
    table, projection = static_table(alone(teacher, options.device), options.width)
    save_static(start, table, tokenizer, "all-MiniLM-L6-v2, each word piece alone", pieces=READ - 2)
    ids = [row for row in map(Encoder.load(start).pieces, texts_of(data)) if len(row)]
    vectors = taught(teacher, ids, options.device)
    kept = min(HELD_OUT, len(ids) // 10)
    pairs, test = Pairs(ids[kept:], vectors[kept:]), Pairs(ids[:kept], vectors[:kept])
    origin = f"all-MiniLM-L6-v2, distilled on {len(pairs.ids)} texts"
    at = out / f"{options.kind}.safetensors"
    student: nn.Module
    if options.kind == "static":
        student = Table(table).to(options.device)
        onto = torch.from_numpy(projection)
        fit(student, pairs, nn.functional.normalize(pairs.vectors @ onto, dim=-1), options)
        save_static(at, student.bag.weight.detach().cpu().numpy(), tokenizer, origin, READ - 2)
        near = fidelity(student, test._replace(vectors=test.vectors @ onto), options)
    else:
        student = cut_down(teacher.cpu(), options.layers, options.rank, options.pieces)
        student.to(options.device)
        fit(student.train(), pairs, pairs.vectors, options)
        network = student.eval()
        save_network(at, network, tokenizer, origin, small=True)
        near = fidelity(network, test, options)
    start.unlink()
    report = {"texts": len(pairs.ids), "held_out": kept, **near, **msgspec.to_builtins(options)}
    (out / f"{options.kind}.json").write_text(json.dumps(report, indent=1) + "\n")
    return near


@torch.inference_mode()
def fidelity(student: nn.Module, test: Pairs, options: Options) -> dict[str, float]:
    """On texts kept back: mean cosine with the teacher, rank correlation of similarities."""
    size = 64
    rows = [test.ids[at : at + size] for at in range(0, len(test.ids), size)]
    found = torch.cat([forward(student, some, options).float().cpu() for some in rows])
    wanted = nn.functional.normalize(test.vectors, dim=-1)
    cosine = (found * wanted).sum(-1).mean().item()
    upper = np.triu_indices(len(found), 1)
    one, other = ((v @ v.T).numpy()[upper].argsort().argsort() for v in (found, test.vectors))
    return {"cosine": cosine, "rank_correlation": float(np.corrcoef(one, other)[0, 1])}


def texts_of(data: Path) -> Iterator[str]:
    """The texts of a JSON Lines file with a member `text` in each line."""
    with data.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def main() -> int:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--tokenizer", type=Path, help="an encoder's file; default: the teacher's")
    parser.add_argument("--data", type=Path, required=True, help="JSON Lines with `text`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kind", choices=["static", "transformer"], default="static")
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 5])
    for name in ("width", "rank", "pieces", "epochs", "batch", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Options(), name))
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = vars(parser.parse_args())
    folder, tokenizer, data, out = (
        given.pop(name) for name in ("teacher", "tokenizer", "data", "out")
    )
    near = distil(folder, tokenizer or folder, data, out, msgspec.convert(given, Options))
    sys.stderr.write(f"{near}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
