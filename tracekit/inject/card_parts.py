"""What cards of data sets have in common: the header, what is counted, leaks, columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tracekit.inject.dataset import Manifest
from tracekit.inject.leaks import BOUND, FEWEST, Leak
from tracekit.inject.rows import COLUMNS

COUNTED = ["kind", "split", "family", "topology", "outcome", "modes", "strategies", "verified"]
"""Columns that the tables of a card are made from."""
MARKS = {True: "kept", False: "**broken**", None: "none"}
"""Whether a bound was kept."""
LOAD = """```python
import tracekit

for trace in tracekit.load("data"):
    print(trace.id, [(label.definition, label.agent, label.step) for label in trace.labels])
```

With the Hugging Face library, `load_dataset("parquet", data_files="data/*.parquet")` gives the
columns below."""
"""How to read a set."""


class Tables(msgspec.Struct):
    """Rows of a data set, counted."""

    kinds: Counter[str]
    splits: Counter[tuple[str, str]]
    places: Counter[tuple[str, str]]
    offline: Counter[tuple[str, str, str]]
    """Mode, strategy and outcome of recordings that were changed."""
    explained: Counter[bool]


def counted(rows: Iterable[dict[str, Any]]) -> Tables:
    """The counts of the card."""
    tables = Tables(Counter(), Counter(), Counter(), Counter(), Counter())
    for row in rows:
        tables.kinds[row["kind"]] += 1
        tables.splits[row["split"], row["kind"]] += 1
        if row["kind"] == "failure":
            tables.places[row["family"], row["topology"]] += 1
            tables.explained[row["verified"]] += 1
        elif row["kind"] == "offline":
            fault = (row["modes"][0], row["strategies"][0])  # one is written into each
            tables.offline[*fault, row["outcome"]] += 1
    return tables


def header(manifest: Manifest, tables: Tables, licence: str | None, name: str) -> str:
    """What the Hub reads: licence, name, size and files."""
    splits = [s for s in ("train", "validation", "test") if any(k[0] == s for k in tables.splits)]
    files = [
        line
        for split in splits
        for line in (f"      - split: {split}", f"        path: data/{split}-*.parquet")
    ]
    rows = sum(file.rows for file in manifest.files)
    size = next(
        name
        for most, name in ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e99, "100K<n<1M"))
        if rows < most
    )  # fmt: skip
    lines = [
        "---",
        *([f"license: {licence}"] if licence else []),
        f"pretty_name: {name}",
        "language: [en]",
        "tags: [agents, multi-agent, failure-attribution, traces, synthetic, tracekit]",
        f"size_categories: [{size}]",
        "configs:",
        "  - config_name: default",
        "    data_files:",
        *files,
        "---",
    ]
    return "\n".join(lines)


def contents(tables: Tables) -> str:
    """Rows of each kind, by part of the set."""
    splits = sorted(
        {split for split, _ in tables.splits}, key=["train", "validation", "test"].index
    )
    rows = [
        [f"`{kind}`", *(f"{tables.splits[split, kind]:,}" for split in splits)]
        for kind in sorted(tables.kinds)
    ]
    return table(["kind", *splits], rows)


def leak_report(leaks: Sequence[Leak] | None) -> str:
    """How well words, place, speaker and length tell struck steps; None = not checked."""
    if leaks is None:
        return "Not checked: the set was built with `--no-leaks`."
    if not leaks:
        return f"No mode has the {FEWEST} struck steps that it takes to say anything."
    rows = [
        [leak.mode, leak.fault, leak.sees, f"{leak.n:,}", f"{leak.others:,}",
         f"{leak.auc:.3f} ({leak.low:.3f}-{leak.high:.3f})", MARKS[leak.passed]]
        for leak in leaks
    ]  # fmt: skip
    intro = (
        "How well a logistic regression that sees one trivial thing tells struck steps from others, "
        "fitted and asked on different tasks: area under the curve, 95 % interval by bootstrap over "
        "tasks. Words are compared with steps of the same role, kind, family and topology that "
        f"were not struck, and may reach {BOUND} where the fault is in what is said; faults in which "
        "messages there are (repeated, dropped, cut short, out of role) have no bound. Place, speaker "
        "and length are compared with all steps of the clean twins. Modes with too few failures are left out."
    )
    heads = ["mode", "fault in", "sees", "struck", "others", "AUC", f"bound {BOUND}"]
    return f"{intro}\n\n{table(heads, rows)}"


def column_table(about: Mapping[str, str], without: Collection[str] = ()) -> str:
    """The columns and what they hold, but for some."""
    rows = [
        [f"`{name}`", f"list of {kind[0]}" if isinstance(kind, list) else kind.rstrip("_"),
         about.get(name, "")]
        for name, kind in COLUMNS.items()
        if name not in without
    ]  # fmt: skip
    return table(["column", "type", "what it holds"], rows)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell for cell in line)} |" for line in lines)
