"""What the linear method learns from injected failures, and where it carries over.

    tracekit inject --n 5000 -o out/injected
    python benchmarks/injected_transfer.py --data out/injected [--who-and-when $TRACEKIT_DATA]

Four questions, with 95 % intervals (bootstrap over tasks): how well is it on tasks it has not seen;
on topologies it has not seen; on families it has not seen; and does adding injected failures to its
training help on Who&When, out of fold? Beside it stand the constant step, first and last speaker,
and chance, as in every table of tracekit.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tracekit import registry, stats
from tracekit.analyzers.linear import Linear
from tracekit.analyzers.run import attribute
from tracekit.context import Context
from tracekit.eval.benchmarks.injected import Injected, place
from tracekit.eval.dataset import Item, read
from tracekit.folds import grouped_folds
from tracekit.metrics import chance, score
from tracekit.protocols import Analyzer, Fitted
from tracekit.trace import Trace

REFERENCES = ("constant", "first-speaker", "last-speaker")
FOLDS = 5
CONTEXT = Context(seed=0)


def verdicts(
    method: str, train: Sequence[Trace], test: Sequence[Item]
) -> list[tuple[float, float]]:
    """(step, agent) right or not for each item, by a method fitted on `train` where it fits."""
    if method == "chance":
        expected = [chance(item.trace, item.labels) for item in test]
        return [(one.step, one.agent) for one in expected]
    analyzer = registry.get("analyzers", method)
    if isinstance(analyzer, Fitted):
        analyzer = analyzer.fit(train, CONTEXT)
    return verdicts_of(analyzer, test)


def verdicts_of(analyzer: Analyzer, test: Sequence[Item]) -> list[tuple[float, float]]:
    """(step, agent) right or not for each item."""
    found = []
    for item in test:
        said = attribute(item.trace, analyzer, context=CONTEXT, even_success=True)
        worth = score(said, item.labels, len(item.trace.steps))
        found.append((worth.step, worth.agent))
    return found


def folded(items: Sequence[Item], key: Callable[[int], Any], method: str) -> list[Any]:
    """Every item scored by a method fitted on the items of other keys."""
    results: list[Any] = [None] * len(items)
    for value in sorted({key(i) for i in range(len(items))}):
        test = [i for i in range(len(items)) if key(i) == value]
        groups = {items[i].group for i in test}
        train = [
            item.labelled
            for i, item in enumerate(items)
            if key(i) != value and item.group not in groups
        ]
        for i, found in zip(test, verdicts(method, train, [items[i] for i in test]), strict=True):
            results[i] = found
    return results


def table(title: str, items: Sequence[Item], rows: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Print and return one table."""
    groups = [item.group for item in items]
    print(f"\n{title}, {len(items)} failures on {len(set(groups))} tasks\n")
    print("| method | step % | agent % |\n| --- | --- | --- |")
    found = []
    for name, results in rows.items():
        row: dict[str, Any] = {"table": title, "method": name}
        for at, what in enumerate(("step", "agent")):
            e = stats.bootstrap([result[at] for result in results], groups)
            row[what] = [e.value, e.low, e.high]
        cells = [
            f"{100 * row[w][0]:.1f} ({100 * row[w][1]:.1f}-{100 * row[w][2]:.1f})"
            for w in ("step", "agent")
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
        found.append(row)
    return found


def transfer(items: Sequence[Item], places: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """In distribution, across topologies, across families."""
    names = ("linear", *REFERENCES, "chance")
    folds = grouped_folds([i.labelled for i in items], lambda t: t.task.id or t.id, FOLDS, 0)
    keys: dict[str, Callable[[int], Any]] = {
        "tasks not seen": lambda i: int(folds[i]),
        "topology not seen": lambda i: places[items[i].trace.id][1],
        "family not seen": lambda i: places[items[i].trace.id][0],
    }
    found = []
    for title, key in keys.items():
        rows = {name: folded(items, key, name) for name in names}
        found += table(title, items, rows)
        for value in sorted({str(key(i)) for i in range(len(items))}):
            if title != "tasks not seen":
                part = [i for i in range(len(items)) if str(key(i)) == value]
                some = [items[i] for i in part]
                found += table(
                    f"{title}: {value}",
                    some,
                    {n: [rows[n][i] for i in part] for n in ("linear", "chance")},
                )
    return found


def added(data: Path, injected: Sequence[Trace], sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Who&When out of fold, with more and more injected failures beside its own."""
    bench = registry.get("benchmarks", "who-and-when")
    items = read(bench, data).items
    group = {item.labelled.id: item.group for item in items}
    folds = grouped_folds([i.labelled for i in items], lambda t: group[t.id], 10, 0)
    rows: dict[str, list[Any]] = {}
    for size in sizes:
        more = list(injected[:size])
        results: list[Any] = [None] * len(items)
        for fold in range(10):
            test = [i for i, f in enumerate(folds) if f == fold]
            train = [items[i].labelled for i, f in enumerate(folds) if f != fold]
            made = verdicts_of(Linear().fit([*train, *more], CONTEXT), [items[i] for i in test])
            for i, found in zip(test, made, strict=True):
                results[i] = found
        rows[f"own runs and {size} injected"] = results
        if size:
            rows[f"{size} injected alone"] = verdicts_of(Linear().fit(more, CONTEXT), items)
    return table("Who&When", items, rows)


def main() -> int:
    """Print the tables, and write them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of tracekit inject")
    parser.add_argument("--who-and-when", type=Path, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--most", type=int, default=5000, help="failures to use")
    parser.add_argument("--sizes", default="0,90,500,2000", help="injected failures added")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    bench = Injected()
    places = {t.id: place(t) for t in bench.load(asked.data) if isinstance(t, Trace)}
    whole = read(bench, asked.data).items
    items = whole[:: -(-len(whole) // asked.most)]
    found = transfer(items, places)
    if asked.who_and_when is not None:
        sizes = [int(size) for size in asked.sizes.split(",")]
        found += added(asked.who_and_when, [item.labelled for item in items], sizes)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
