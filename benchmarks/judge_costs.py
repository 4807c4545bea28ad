"""What each judge costs: calls and tokens a run, before a server that always tells the truth.

    OMP_NUM_THREADS=1 python benchmarks/judge_costs.py --data $TRACEKIT_DATA

Runs every judge over the development half of Who&When against a scripted server on loopback; tokens are
estimates (`tracekit.llm.tokens`), prompts and answers together. Answers are as short as they can be, and
a judge that tells the truth ends every search as early as it can: a real one costs more. Nothing here
says how good a judge is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from tracekit import registry
from tracekit.analyzers.run import attribute_all
from tracekit.context import Context
from tracekit.eval.dataset import read
from tracekit.llm.client import Client
from tracekit.llm.endpoint import Endpoint
from tracekit.testing.chat_server import ChatServer
from tracekit.testing.judges import Oracle

SETTINGS = {"judge:shortlist": {"coverage": 1.0}}
"""A truthful judge needs the right step on the list."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    dataset = read(registry.get("benchmarks", "who-and-when"), options.data)
    print("| method | part | runs | calls a run | tokens a run | right | failed |")
    print("| --- " * 7 + "|")
    for name in sorted(n for n in registry.BUILT_IN["analyzers"] if n.startswith("judge:")):
        for part in dataset.subsets:
            runs = [item.labelled for item in dataset.items if item.subset == part]
            print(line(name, part, runs), flush=True)


def line(name: str, part: str, runs: list) -> str:
    """One method on one part."""
    with ChatServer(Oracle(runs)) as server, Client(Endpoint(url=server.url)) as client:
        context = Context(llm=client, settings={"model": "oracle", **SETTINGS.get(name, {})})
        shown = [msgspec.structs.replace(run, labels=()) for run in runs]
        found = [v for _, v in attribute_all(shown, name, concurrency=4, context=context)]
    calls = sum(verdict.cost.calls for verdict in found) / len(found)
    tokens = sum(verdict.cost.tokens for verdict in found) / len(found)
    right = sum(
        v.top is not None and v.top.step == run.labels[0].step
        for v, run in zip(found, runs, strict=True)
    )
    failed = sum(verdict.failed for verdict in found)
    return f"| `{name}` | {part} | {len(runs)} | {calls:.1f} | {tokens:,.0f} | {right} | {failed} |"


if __name__ == "__main__":
    main()
