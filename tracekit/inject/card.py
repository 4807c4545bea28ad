"""The card of a data set of failures: what it is, how it was made, what gives it away, its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tracekit.inject.dataset import Manifest, read_manifest, read_rows
from tracekit.inject.labels import BOUND as CHANCE
from tracekit.inject.labels import ENDLESS, LEVEL, LOOKS, TEXTS
from tracekit.inject.leaks import BOUND, FEWEST, USED, Leak, report
from tracekit.inject.modes import MODES
from tracekit.inject.rows import ABOUT, COLUMNS
from tracekit.store import atomic

COUNTED = ["kind", "split", "family", "topology", "system", "modes", "strategies", "verified"]
"""Columns that the tables of the card are made from."""
OURS = "apache-2.0"
"""Licence of what the sandbox makes."""
MARKS = {True: "kept", False: "**broken**", None: "none"}


class Tables(msgspec.Struct):
    """Rows of a data set, counted."""

    kinds: Counter[str]
    splits: Counter[tuple[str, str]]
    places: Counter[tuple[str, str]]
    strategies: Counter[str]
    explained: Counter[bool]


def write_card(
    folder: Path, *, leaks: bool = True, seed: int = 0, licence: str | None = None
) -> list[Leak]:
    """Write `README.md` and, with the leak report, `leaks.json` into a finished data set.

    What the sandbox made is under Apache-2.0; of other runs `licence` says the SPDX id, and without
    it the card says that none is stated. Returns the report. Raises `MissingExtra` when it is wanted and scikit-learn is not there.
    """
    manifest = read_manifest(folder)
    found = report(read_rows(folder, USED), seed) if leaks else []
    if leaks:
        with atomic(folder / "leaks.json") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    text = card(manifest, counted(read_rows(folder, COUNTED)), found if leaks else None, licence)
    with atomic(folder / "README.md") as stream:
        stream.write(text.encode())
    return found


def counted(rows: Iterable[dict[str, Any]]) -> Tables:
    """The counts of the card."""
    tables = Tables(Counter(), Counter(), Counter(), Counter(), Counter())
    for row in rows:
        tables.kinds[row["kind"]] += 1
        tables.splits[row["split"], row["kind"]] += 1
        if row["kind"] == "failure":
            tables.places[row["family"], row["topology"]] += 1
            tables.strategies.update(row["strategies"])
            tables.explained[row["verified"]] += 1
    return tables


def card(
    manifest: Manifest,
    tables: Tables,
    leaks: Sequence[Leak] | None,
    licence: str | None = None,
) -> str:
    """The page, with the header that the Hub reads."""
    ours = manifest.spec.system is None and not manifest.spec.recordings
    licence = licence or (OURS if ours else None)
    parts = [
        _header(manifest, tables, licence),
        _intro(manifest, tables, licence),
        "## What is in it\n\n" + _contents(tables),
        "## Failures by mode\n\n" + _modes(manifest),
        "## Failures by family and topology\n\n" + _places(tables),
        "## Labels\n\n" + _labels(),
        "## Leaks\n\n" + _leaks(leaks),
        "## Columns\n\n" + _columns(),
        LIMITS,
    ]
    return "\n\n".join(parts).rstrip("\n") + "\n"


def _header(manifest: Manifest, tables: Tables, licence: str | None) -> str:
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
        "pretty_name: tracekit injected failures",
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


def _intro(manifest: Manifest, tables: Tables, licence: str | None) -> str:
    spec, counts = manifest.spec, manifest.counts
    if spec.recordings:
        what = (
            f"{tables.kinds['offline']:,} recorded runs with a fault written into them afterwards. "
            "Nothing was replayed: the labels are those of construction, and the outcome is the "
            "recorded one, or a failure where the right answer was replaced or cut off."
        )
    else:
        where = f"the system `{spec.system}`" if spec.system else "the sandbox of tracekit"
        what = (
            f"{tables.kinds['failure']:,} failed runs of {where} with faults injected on purpose; "
            f"{tables.explained[True]:,} of them have a decisive step that replays confirm. Made from "
            f"{counts.get('clean runs', 0):,} runs without faults and "
            f"{counts.get('injected', 0):,} injections, by {counts.get('replays', 0):,} replays."
        )
    rights = (
        "Everything here is generated by programs; it holds no personal data and nothing to redact."
        if spec.system is None and not spec.recordings
        else "The runs hold whatever the system or the logs hold: redact before you publish."
    )
    rights = f"Licence: {licence or 'not stated'}. {rights}"
    return f"""# Failures of multi-agent runs whose cause is known

{what} Built by tracekit {manifest.tracekit} with seed {spec.seed} and manipulator
`{spec.manipulator}`; `manifest.json` holds the specification, which gives the same bytes again, and
the hash of every file.

```python
import tracekit

for trace in tracekit.load("data"):
    print(trace.id, [(label.definition, label.agent, label.step) for label in trace.labels])
```

With the Hugging Face library, `load_dataset("parquet", data_files="data/*.parquet")` gives the
columns below.

{rights}"""


def _contents(tables: Tables) -> str:
    splits = sorted(
        {split for split, _ in tables.splits}, key=["train", "validation", "test"].index
    )
    rows = [
        [f"`{kind}`", *(f"{tables.splits[split, kind]:,}" for split in splits)]
        for kind in sorted(tables.kinds)
    ]
    text = table(["kind", *splits], rows)
    none = tables.explained[False]
    return (
        f"{text}\n\nThe parts share no task. {none:,} failures are explained by no single step and "
        "say so (`verified` is false, `undo_effect` says what taking the fault back is worth). To "
        "hold out a family or a topology, filter by the column."
    )


def _modes(manifest: Manifest) -> str:
    counts = manifest.counts
    header = ["mode", "strategy", "injected", "failed", "success of injection", "verified"]
    rows = []
    for mode, strategy in manifest.spec.faults:
        key = f"{mode}/{strategy}"
        done, failed = counts.get(f"injected/{key}", 0), counts.get(f"failed/{key}", 0)
        share = f"{failed / done:.0%}" if done else "-"
        verified = counts.get(f"verified/{key}", 0)
        name = f"{mode} {MODES[mode].name}"
        rows.append([name, strategy, f"{done:,}", f"{failed:,}", share, f"{verified:,}"])
    return table(header, rows) + (
        "\n\nWhere two faults were injected, the first one counts. An injection that did not change "
        "the outcome is a hard negative; not all of these are kept."
    )


def _places(tables: Tables) -> str:
    families = sorted({family for family, _ in tables.places})
    topologies = sorted({topology for _, topology in tables.places})
    rows = [[f or "-", *(f"{tables.places[f, t]:,}" for t in topologies)] for f in families]
    return table(["family", *(t or "-" for t in topologies)], rows)


def _labels() -> str:
    lines = [f"- `{name}`: {text}" for name, text in TEXTS.items()]
    return "\n".join(lines) + (
        f"\n\nA step is judged after {', '.join(map(str, LOOKS))} replays of each kind, at a level "
        f"of {LEVEL} for the whole run, shared out over its wrong steps and the looks. A state "
        f"counts as lost after {ENDLESS} failed replays of as many, which rules out a chance of "
        f"success above {CHANCE} (95 %). Steps that come to the same as the right action are not "
        "replayed. An independent check of the decisive labels on fresh seeds is reported in "
        "docs/benchmarks.md of tracekit."
    )


def _leaks(leaks: Sequence[Leak] | None) -> str:
    if leaks is None:
        return "Not checked: the set was built with `--no-leaks`."
    if not leaks:
        return f"No mode has the {FEWEST} failures that it takes to say anything."
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


def _columns() -> str:
    rows = [
        [f"`{name}`", f"list of {kind[0]}" if isinstance(kind, list) else kind.rstrip("_"),
         ABOUT.get(name, "")]
        for name, kind in COLUMNS.items()
    ]  # fmt: skip
    return table(["column", "type", "what it holds"], rows)


LIMITS = """## Limits

- Agents of the sandbox are programs with phrases, not language models: what is learned here about
  the flow of mistakes may carry over to real logs, what is learned about wording will not.
- `decisive` is a statement about chances under replay. An earlier mistake with a small effect can
  be missed within the replays spent on it; the interval says how sure the label is.
- The mode says how a fault was made, not how a person would name the failure that came of it.
- Do not mix the set with runs that people labelled without a column that keeps them apart."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell for cell in line)} |" for line in lines)
