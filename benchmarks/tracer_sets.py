"""Stages of a generative tracer on public benchmarks that it was not trained on.

    python benchmarks/tracer_sets.py --data $TRACEKIT_DATA/labeled --out sets.json \\
        sft=out/stages/seed0/sft,out/stages/seed1/sft grpo=out/stages/seed0/grpo,out/stages/seed1/grpo

Each argument is an arm: a name and the folders of its seeds. Every run is read as `tracekit
attribute --method tracer` does: windows and a second pass where it is long, greedily, the last line
kept to the roster and the steps; budget and length of the answer are those that the model was trained
with. Nothing of these sets was trained on, so all of it is out of fold;
that also means other systems, other tasks and real text, for a model that has read the sandbox alone.
Constant, random and `compact` on the same runs are in docs/benchmarks.md ("Six benchmarks").
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from tracekit import registry
from tracekit.analyzers.tracer.analyzer import DEFAULTS, Tracer
from tracekit.context import Context
from tracekit.eval.dataset import Item, read
from tracekit.metrics import chance, score
from tracekit.stats import bootstrap
from tracekit_models.tracer.local import load

SETS = ("who-and-when", "agentrx", "tracertraj")
BATCH = 256
"""Texts that are written at once."""


def verdicts(folder: Path, items: list[Item], more: dict[str, int]) -> list[dict[str, float]]:
    """What one model gets right: agent, step, both, and whether there is a verdict at all."""
    settings = {"batch": BATCH, "model": str(folder), **more}
    model = load(str(folder), {**DEFAULTS, **settings})
    context = Context(settings=settings)
    said = Tracer(model).attribute_many([i.trace for i in items], context)
    rows = []
    for item, verdict in zip(items, said, strict=True):
        worth = score(verdict, item.labels, len(item.trace.steps))
        rows.append(
            {
                "agent": worth.agent or 0.0,
                "step": worth.step or 0.0,
                "both": worth.joint or 0.0,
                "verdict": float(verdict.abstained is None),
            }
        )
    return rows


def table(
    name: str, items: list[Item], arms: dict[str, list[Path]], more: dict[str, int]
) -> list[dict[str, Any]]:
    """One row an arm, the mean over its seeds, with intervals over questions."""
    groups = [item.group for item in items]
    rows: list[dict[str, Any]] = [{"set": name, "arm": "chance", "n": len(items), **_chance(items)}]
    for arm, folders in arms.items():
        seeds = [verdicts(folder, items, more) for folder in folders]
        row: dict[str, Any] = {"set": name, "arm": arm, "n": len(items), "seeds": len(seeds)}
        for part in seeds[0][0]:
            values = [sum(seed[i][part] for seed in seeds) / len(seeds) for i in range(len(items))]
            row[part] = bootstrap(values, groups)
        rows.append(row)
    return rows


def _chance(items: list[Item]) -> dict[str, float]:
    found = [chance(item.trace, item.labels) for item in items]
    return {
        part: sum(getattr(one, key) or 0.0 for one in found) / len(found)
        for part, key in (("agent", "agent"), ("step", "step"), ("both", "joint"))
    }


def main() -> None:
    """Score every arm on every set, subset by subset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arms", nargs="+", help="NAME=FOLDER[,FOLDER...]")
    parser.add_argument("--data", type=Path, required=True, help="folder of the benchmarks")
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    parser.add_argument("--most", type=int, help="only so many runs of each (to try things out)")
    parser.add_argument("--budget", type=int, help="tokens of a prompt, else as it was trained")
    parser.add_argument("--max-tokens", type=int, help="of an answer, else as it was trained")
    given = parser.parse_args()
    asked = {"budget": given.budget, "max_tokens": given.max_tokens}
    more = {name: value for name, value in asked.items() if value is not None}
    arms = {
        name: [Path(folder) for folder in folders.split(",")]
        for name, _, folders in (arm.partition("=") for arm in given.arms)
    }
    rows: list[dict[str, Any]] = []
    for name in SETS:
        found = list(read(registry.get("benchmarks", name), given.data).items)[: given.most]
        for subset in sorted({item.subset for item in found}):
            items = [item for item in found if item.subset == subset]
            rows += table(f"{name} {subset}".strip(), items, arms, more)
            given.out.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
            sys.stderr.write(f"{name} {subset}: {len(items)} runs\n")
    for row in rows:
        cells = [
            _cell(row[part]) if part in row else "" for part in ("agent", "step", "both", "verdict")
        ]
        print(f"| {row['set']} ({row['n']}) | {row['arm']} | " + " | ".join(cells) + " |")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{100 * value:.1f}"
    return f"{100 * value.value:.1f} ({100 * value.low:.0f} to {100 * value.high:.0f})"


if __name__ == "__main__":
    main()
