"""TracerTraj, the code part: failed MetaGPT (MGX) runs, one per JSON line or file.

Roles have first names in the messages they send: Mike leads, Alice manages the product, Bob is the
architect, Alex the engineer. Steps count from 0 (arXiv 2509.03312).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import Document, each, holds
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.peek import peek_items
from tracekit.ingest.sources import OpenSource
from tracekit.names import speaker
from tracekit.trace import Label, Outcome, StepKind, Task, Trace

_FIRST_NAMES = {
    "Mike": "Team Leader", "Alice": "Product Manager", "Bob": "Architect", "Alex": "Engineer",
    "David": "Data Analyst",
}  # fmt: skip
_SENDS = re.compile(r"sends to (?P<to>[^:\n]{1,60}):")
_KNOWN = (
    "history", "question", "question_ID", "ground_truth", "mistake_agent", "mistake_step",
    "mistake_reason",
)  # fmt: skip


class TracerTraj:
    """Reads rows of the TracerTraj test sets."""

    name: ClassVar[str] = "tracertraj"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the steps of a labelled history carry their own number."""
        for row in peek_items(head)[:1]:
            history = row.get("history")
            first = history[0] if isinstance(history, list) and history else None
            if isinstance(first, dict) and {"content", "step"} <= first.keys():
                return 0.97 if "question" in row or "mistake_step" in row else 0.6
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per row; a file of one list holds several rows."""
        return each(
            source, holds("history", list), _trace, "there is no list of steps under `history`"
        )


def _trace(
    source: OpenSource, document: Document, row: dict[str, Any], where: str
) -> Iterator[Trace | Problem]:
    build = Builder(source, TracerTraj.name, framework="metagpt")
    for raw, item in source.records(row["history"], f"{where}/history", document.line):
        if not isinstance(item, dict):
            yield source.problem(raw, "a step is not an object")
            continue
        who = as_text(item.get("name")) or None
        content = read_content(item.get("content"))
        kind, to = _addressed(who or "", content.text)
        extra = rest(item, "content", "name")
        build.add(who, content, raw, kind=kind, to=to, extra=extra)
    id = as_text(row.get("question_ID")) or None
    position = "" if document.line is not None else where
    yield build.trace(
        id or document.id(source) + position.replace("/", "-"),
        task=Task(as_text(row.get("question")), as_text(row.get("ground_truth")) or None, id),
        outcome=Outcome(status="failure", by="mistake_step") if _labelled(row) else Outcome(),
        labels=_labels(row, build),
        extra=rest(row, *_KNOWN),
        sha256=source.sha256,
    )


def _addressed(who: str, text: str) -> tuple[StepKind | None, str | None]:
    """`Engineer thinking: …` and `Team Leader sends to Alex: …` say what a step is."""
    head = text[: len(who) + 80].removeprefix(who).lstrip()
    if head.startswith("thinking:"):
        return "thought", None
    found = _SENDS.match(head)
    if found is None:
        return None, None
    return None, _FIRST_NAMES.get(found["to"].strip(), found["to"].strip())


def _labelled(row: dict[str, Any]) -> bool:
    return bool(as_text(row.get("mistake_agent")) or as_text(row.get("mistake_step")))


def _labels(row: dict[str, Any], build: Builder) -> list[Label]:
    """The label points to the `step` that the source wrote down, which is its index."""
    if not _labelled(row):
        return []
    wanted = as_text(row.get("mistake_step")).strip()
    step = next((s.index for s in build.steps if as_text(s.extra.get("step")) == wanted), None)
    return [
        Label(
            definition="decisive",
            agent=speaker(as_text(row.get("mistake_agent"))).name,
            step=step,
            reason=as_text(row.get("mistake_reason")) or None,
            base=0,
        )
    ]
