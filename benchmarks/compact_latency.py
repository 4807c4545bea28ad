"""How long the default method takes for a run of 10 and of 130 steps of 200 tokens, on one core.

    OMP_NUM_THREADS=1 python benchmarks/compact_latency.py [--teacher DIR] [--json]

The runs are made up and fixed: three agents, code and reports of its runs among the talk. Medians
of the whole attribution, from trace to verdict with evidence; processor and wall time, after one
warm-up; time to load in fresh interpreters. With --teacher (all-MiniLM-L6-v2: `model.safetensors`,
`tokenizer.json`) beside one pass of that encoder in torch over the same text. 1 when a limit is
exceeded: 300 ms, 3 s, and 1 s to load.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import tracekit as tk
from tracekit.trace import Agent, Outcome, Source, Step, Task, Trace

LIMITS = {10: 300.0, 130: 3000.0}
"""Milliseconds for so many steps."""
LOAD_LIMIT = 1000.0
"""Milliseconds until the first verdict can be asked for."""
TOKENS = 200
LONGEST = 254
"""Pieces that MiniLM reads of a text."""
REPEATS, STARTS = 9, 7
WORDS = (
    *(
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
    ),
    *("error", "value", "total", "number", "next", "step", "please", "verify", "plan", "table"),
    *("returned", "file", "output", "then", "we", "should", "because", "however", "correct"),
    *("assume", "based", "on", "12", "1937", "Mara", "Oslo", "4.5", "report", "data"),
)
LOAD = (
    "import time; began = time.perf_counter();"
    "from tracekit.analyzers.compact.analyzer import shipped;"
    "from tracekit.encoder.encoder import Encoder;"
    "shipped(); Encoder.load(); print(1000 * (time.perf_counter() - began))"
)


def fixture(count: int) -> Trace:
    """A run of so many steps of 200 tokens each; every sixth is code, the next its report."""
    rng = random.Random(0)
    steps = []
    for index in range(count):
        words = " ".join(rng.choices(WORDS, k=TOKENS - 12))
        opening = {3: "```python\nimport this\n```\n", 4: "exitcode: 0 (execution succeeded)\n"}
        agent = "Runner" if index % 6 == 4 else ("Planner", "Coder", "Checker")[index % 3]
        steps.append(Step(index=index, agent=agent, content=opening.get(index % 6, "") + words))
    team = tuple(Agent(name, name) for name in ("Planner", "Coder", "Checker", "Runner"))
    return Trace(
        id=f"fixture-{count}",
        source=Source(format="made-up", framework="ag2"),
        task=Task(" ".join(rng.choices(WORDS, k=40))),
        agents=team,
        steps=tuple(steps),
        outcome=Outcome("failure"),
    )


def timed(call: Callable[[], object], repeats: int = REPEATS) -> dict[str, float]:
    """Median processor and wall time in milliseconds, after one warm-up."""
    processor, wall = [], []
    for _ in range(repeats + 1):
        began, clock = time.process_time(), time.perf_counter()
        call()
        processor.append(1000 * (time.process_time() - began))
        wall.append(1000 * (time.perf_counter() - clock))
    return {"cpu ms": statistics.median(processor[1:]), "wall ms": statistics.median(wall[1:])}


def load_time() -> float:
    """Median wall time in milliseconds to import and load everything in a fresh interpreter."""
    command = [sys.executable, "-c", LOAD]
    times = [
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(STARTS)
    ]
    return statistics.median(times)


def plain(folder: Path, texts: list[str]) -> Callable[[], object]:
    """One pass of MiniLM in torch over the texts, as benchmarks/encoder.py measures it."""
    import torch

    from tracekit.encoder.encoder import Encoder
    from tracekit_models.encoder.distil import taught
    from tracekit_models.encoder.network import minilm

    torch.set_num_threads(1)
    teacher, read = minilm(folder), Encoder.load().pieces

    def call() -> object:
        return taught(teacher, [read(text)[:LONGEST] for text in texts], "cpu")

    return call


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        parser.error("set OMP_NUM_THREADS=1: the figures are those of one core")
    rows: dict[str, dict[str, float]] = {"load": {"wall ms": load_time()}}
    for count in LIMITS:
        trace = fixture(count)
        row = timed(partial(tk.attribute, trace, "compact"))
        if options.teacher:
            texts = [step.content for step in trace.steps]
            beside = timed(plain(options.teacher, texts), 3)["cpu ms"]
            row |= {"MiniLM ms": beside, "ratio": row["cpu ms"] / beside}
        rows[f"{count} steps"] = row
    if options.json:
        print(json.dumps(rows))
    else:
        for name, row in rows.items():
            cells = "  ".join(f"{key} {value:9.3f}" for key, value in row.items())
            print(f"{name:10}  {cells}")
    slow = any(rows[f"{count} steps"]["cpu ms"] > limit for count, limit in LIMITS.items())
    return int(slow or rows["load"]["wall ms"] > LOAD_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
