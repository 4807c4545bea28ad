"""TraceElephant: 220 failed runs recorded through a proxy, inputs included (arXiv 2604.22708).

Public at TraceElephant/TraceElephant. The label is the earliest step after which failure was
inevitable, counted from 1. The exact layout is not known here; **assumed** is one record a run (a
JSON file, a line, or an item of a list) with `question`, `ground_truth`, a list `steps`, `history`
or `calls` of objects with `agent` (or `name`, `role`), `input` and `output` (or `content`), and the
label as `mistake_agent`, `mistake_step`, `mistake_reason`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from tracekit.attribution import Attribution
from tracekit.errors import Problem
from tracekit.eval.benchmarks.places import Places, rows
from tracekit.folds import question_key
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.metrics import gold
from tracekit.names import speaker
from tracekit.trace import Definition, Inputs, Label, Message, Outcome, Task, Trace

PLACES = Places(
    "TraceElephant", (), ("trace-elephant", "TraceElephant"), ("*.jsonl", "*.json", "data")
)
"""Where the benchmark is looked for."""

LISTS = ("steps", "history", "calls")
"""Members that may hold the steps."""

SPEAKERS = ("agent", "name", "role")
"""Members of a step that may hold its agent."""


class TraceElephantReader:
    """Reads records of the layout assumed."""

    name: ClassVar[str] = "trace-elephant"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of steps with inputs and outputs, where they are in sight."""
        return 0.9 if b'"input"' in head and b'"output"' in head else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per record."""
        if not self.sniff(source.head, source.name):
            yield source.skip_file("there are no steps with `input` and `output` in it")
            return
        for row in rows(source):
            if isinstance(row, Problem):
                yield row
                continue
            found = next((key for key in LISTS if isinstance(row.value.get(key), list)), None)
            if found is None:
                what = f"there is no list under {', '.join(LISTS)}"
                yield source.problem(None, what, line=row.line)
            else:
                yield from _trace(source, row.value, found, row.pointer, row.line)


def _trace(
    source: OpenSource, record: dict[str, Any], steps: str, pointer: str, line: int | None
) -> Iterator[Trace | Problem]:
    system = as_text(record.get("system")).casefold() or None
    build = Builder(source, TraceElephantReader.name, framework=system)
    for raw, item in source.records(record[steps], f"{pointer}/{steps}", line):
        if not isinstance(item, dict):
            yield source.problem(raw, "a step is not an object")
            continue
        who = next((as_text(item[key]) for key in SPEAKERS if item.get(key)), None)
        said = item.get("output", item.get("content"))
        known = ("input", "output", "content", *SPEAKERS)
        inputs, extra = _inputs(item.get("input")), rest(item, *known)
        build.add(who, read_content(said), raw, inputs=inputs, extra=extra)
    id = as_text(record.get("question_ID") or record.get("id"))
    place = pointer or ("" if line is None else f"-{line}")
    yield build.trace(
        id or source.default_id(position=place.replace("/", "-")),
        task=Task(
            question=as_text(record.get("question")),
            expected=as_text(record.get("ground_truth")) or None,
            id=as_text(record.get("question_ID")) or None,
        ),
        outcome=Outcome("failure", by="mistake_step"),
        labels=_labels(record, len(build.steps)),
        extra=rest(record, steps, "question", "ground_truth", "mistake_reason"),
        sha256=source.sha256,
    )


def _inputs(given: Any) -> Inputs | None:
    """What the agent was given, as messages."""
    if given in (None, "", []):
        return None
    listed = given if isinstance(given, list) else [given]
    return Inputs(
        messages=tuple(
            Message(as_text(m.get("role")) or "user", read_content(m.get("content")).text)
            if isinstance(m, dict)
            else Message("user", as_text(m))
            for m in listed
        )
    )


def _labels(record: dict[str, Any], steps: int) -> list[Label]:
    written = as_text(record.get("mistake_step")).strip()
    number = int(written) if re.fullmatch(r"\d{1,9}", written) else None
    blamed = as_text(record.get("mistake_agent"))
    if number is None and not blamed:
        return []
    return [
        Label(
            definition="first-unrecoverable",
            agent=speaker(blamed).name if blamed else None,
            step=number - 1 if number and number <= steps else None,
            reason=as_text(record.get("mistake_reason")) or None,
            base=1,
        )
    ]


class TraceElephant:
    """The labelled failures."""

    name: ClassVar[str] = "trace-elephant"
    definition: ClassVar[Definition] = "first-unrecoverable"
    base: ClassVar[int] = 1
    notes: ClassVar[tuple[str, ...]] = (
        "The layout of the files is assumed, not known.",
        (
            "The official step is right when its number contains the label's, as in Who&When; the"
            " source also leaves runs without an answer out, which is not done here."
        ),
    )

    def load(self, path: Path) -> Iterator[Trace | Problem]:
        """The records under `path`; raises `InputError` when there is no file that may hold any."""
        return PLACES.read_with(TraceElephantReader(), PLACES.find(path))

    def group(self, trace: Trace) -> str:
        """The words of the question."""
        return question_key(trace)

    def subset(self, trace: Trace) -> str:
        """The system that ran."""
        return trace.source.framework or ""

    def official(self, trace: Trace, attribution: Attribution) -> tuple[bool, bool]:
        """(agent right, step right) by substrings of names and numbers from 1."""
        label, top = gold(trace, self.definition), attribution.top
        if label is None or top is None or attribution.abstained is not None:
            return False, False
        return (
            label.agent is not None and label.agent in top.agent,
            label.step is not None and str(label.step + 1) in str(top.step + 1),
        )
