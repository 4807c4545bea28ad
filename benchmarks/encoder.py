"""What encoders cost and how near they come to MiniLM: the table of models/cards/encoder.md.

    OMP_NUM_THREADS=1 python benchmarks/encoder.py --teacher DIR [FILE ...] [--data $TRACEKIT_DATA]

DIR is all-MiniLM-L6-v2 (`model.safetensors`, `tokenizer.json`); FILEs are encoders beside the
shipped one. On one core: time to load, and the median time of 10 and of 130 steps of 200 tokens,
beside one pass of the whole MiniLM in torch over the same text. With --data, on the steps of the
labelled logs: the mean cosine with MiniLM where the vectors live in the same space, and the mean,
over runs, of Spearman's correlation between the similarities of all pairs of steps.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tracekit import load
from tracekit.encoder.encoder import Encoder, shipped
from tracekit_models.encoder.distil import taught
from tracekit_models.encoder.export import save_network
from tracekit_models.encoder.network import Network, minilm

SETS = ("who-and-when", "agentrx", "mast-masft", "tracertraj-code-test", "agenterrorbench-gaia",
        "trail")  # fmt: skip
WORDS = [
    "the",
    "team",
    "agent",
    "checks",
    "result",
    "of",
    "question",
    "search",
    "page",
    "answer",
    "code",
    "error",
    "value",
    "total",
    "number",
    "next",
    "step",
    "please",
    "verify",
    "plan",
    "table",
    "returned",
    "file",
    "output",
    "then",
    "we",
    "should",
    "because",
]


def steps(count: int, tokens: int = 200) -> list[str]:
    """Texts of so many words, each of which is one token."""
    rng = random.Random(0)
    return [" ".join(rng.choices(WORDS, k=tokens)) for _ in range(count)]


def median(call: Callable[[], object], repeats: int = 3) -> float:
    """Median processor time in milliseconds, after one warm-up; an idle core takes as long."""
    times = []
    for _ in range(repeats + 1):
        began = time.process_time()
        call()
        times.append(1000 * (time.process_time() - began))
    return statistics.median(times[1:])


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, ties in order; ties are rare among similarities."""
    return values.argsort(kind="stable").argsort(kind="stable")


def likeness(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Spearman's correlation of the similarities of all pairs of rows."""
    upper = np.triu_indices(len(ours), 1)
    one, other = (ranks((rows @ rows.T)[upper]) for rows in (ours, theirs))
    return float(np.corrcoef(one, other)[0, 1])


def runs(data: Path, seed: int = 0, few: int = 15, longest: int = 60) -> list[list[str]]:
    """Distinct texts of the steps of some runs of every labelled set."""
    found = []
    for name in SETS:
        traces = sorted(load(data / "labeled" / name), key=lambda trace: trace.id)
        for trace in random.Random(seed).sample(traces, min(few, len(traces))):
            texts = list(dict.fromkeys(step.content for step in trace.steps))[:longest]
            found.append([text for text in texts if text.strip()])
    return [texts for texts in found if len(texts) >= 4]


def speed(path: Path, folder: str, plain: dict[int, float]) -> dict[str, float]:
    """Size, time to load, and time for the two fixtures."""
    copy = Path(folder) / path.name  # what was read before is remembered by its path
    shutil.copy(path, copy)
    began = time.process_time()
    encoder = Encoder.load(copy)
    row = {"MB": path.stat().st_size / 1e6, "load ms": 1000 * (time.process_time() - began)}
    for count, base in plain.items():
        texts = steps(count)
        row[f"{count} steps ms"] = taken = median(lambda texts=texts: encoder.encode(texts))
        row[f"{count} steps ratio"] = taken / base
    return row


def nearness(path: Path, texts: list[list[str]], theirs: list[np.ndarray]) -> dict[str, float]:
    """How near the vectors of real steps, and what they say is alike, come to MiniLM."""
    encoder = Encoder.load(path)
    ours = [encoder.encode(some) for some in texts]
    row = {"rank correlation": statistics.mean(map(likeness, ours, theirs))}
    if encoder.width == theirs[0].shape[1]:
        row["cosine"] = float((np.concatenate(ours) * np.concatenate(theirs)).sum(1).mean())
    return row


def main() -> int:
    """Print a row for each encoder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        parser.error("set OMP_NUM_THREADS=1: the figures are those of one core")
    torch.set_num_threads(1)
    teacher = minilm(options.teacher)
    ours = shipped()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole" / "minilm.safetensors"
        whole.parent.mkdir()
        save_network(whole, teacher, ours, "all-MiniLM-L6-v2", small=True)
        read = Encoder.load(whole).pieces
        plain = {
            count: median(lambda count=count: said(teacher, read, steps(count)))
            for count in (10, 130)
        }
        print(json.dumps({"encoder": "MiniLM in torch", **plain}))
        texts = runs(options.data) if options.data else []
        theirs = [said(teacher, read, some) for some in texts]
        for path in (ours, whole, *options.files):
            row = {"encoder": path.stem, **speed(path, folder, plain)}
            row |= nearness(path, texts, theirs) if texts else {}
            print(json.dumps({k: round(v, 4) if k != "encoder" else v for k, v in row.items()}))
            sys.stdout.flush()
    return 0


def said(teacher: Network, read: Callable[[str], np.ndarray], texts: list[str]) -> np.ndarray:
    """The whole MiniLM's vectors, in torch."""
    return taught(teacher, [read(text) for text in texts], "cpu").numpy()


if __name__ == "__main__":
    sys.exit(main())
