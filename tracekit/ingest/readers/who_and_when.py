"""Who&When: one failed run of a CaptainAgent (AG2) or Magentic-One team per JSON file.

Algorithm-Generated files name the speaker in `name`; Hand-Crafted ones in `role`, decorated as
`Orchestrator (-> WebSurfer)`. Steps count from 0 in both (arXiv 2505.00212).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import Document, each, holds
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.peek import peek_items
from tracekit.ingest.sources import OpenSource
from tracekit.names import speaker
from tracekit.trace import Label, Outcome, Task, Trace


class WhoAndWhen:
    """Reads both layouts of the Who&When benchmark."""

    name: ClassVar[str] = "who-and-when"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the label keys are in sight; long files hold them only at the end."""
        rows = peek_items(head)
        keys = rows[0].keys() if rows else frozenset[str]()
        if keys >= {"history", "mistake_agent", "mistake_step"}:
            return 0.95
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if (
            text[:1] not in (b"{", b"[")
            or text.count(b'"history"') != 1
            or b'"content"' not in text
        ):
            return 0.0
        if b'"mistake_agent"' in text and b'"mistake_step"' in text:
            return 0.95
        history_first = 0 <= text.find(b'"history"') < 200
        return 0.5 if history_first or b'"question_ID"' in text else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per run; a file holds one, or lists several."""
        return each(
            source, holds("history", list), self._trace, "there is no list of steps under `history`"
        )

    def _trace(
        self, source: OpenSource, document: Document, record: dict[str, Any], where: str
    ) -> Iterator[Trace | Problem]:
        prompts = record.get("system_prompt")
        prompts = prompts if isinstance(prompts, dict) else {}
        by_name = any(isinstance(item, dict) and "name" in item for item in record["history"])
        build = Builder(source, self.name, framework="ag2" if by_name else "magentic-one")
        for raw, item in source.records(record["history"], f"{where}/history", document.line):
            if not isinstance(item, dict):
                yield source.problem(raw, "a step is not an object")
                continue
            who = as_text(item.get("name") if by_name else item.get("role")) or None
            extra = rest(item, "content", "name" if by_name else "role")
            build.add(who, read_content(item.get("content")), raw, extra=extra)
        for name, prompt in prompts.items():
            build.agent(str(name), system_prompt=as_text(prompt))
        if "human" in {step.agent for step in build.steps}:
            build.agent("human", role="user")
        question = as_text(record.get("question"))
        yield build.trace(
            document.id(source) + where.replace("/", "-"),
            task=Task(
                question=question,
                expected=as_text(record.get("ground_truth")) or None,
                id=as_text(record.get("question_ID")) or None,
            ),
            outcome=_outcome(record),
            labels=_labels(record, len(build.steps)),
            extra=rest(record, *_KNOWN),
            sha256=source.sha256,
        )


_KNOWN = (
    "history", "question", "question_ID", "ground_truth", "mistake_agent", "mistake_step",
    "mistake_reason", "is_correct", "is_corrected", "system_prompt",
)  # fmt: skip


def _outcome(record: dict[str, Any]) -> Outcome:
    for key in ("is_correct", "is_corrected"):
        if isinstance(record.get(key), bool):
            return Outcome(status="success" if record[key] else "failure", by=key)
    return Outcome()


def _labels(record: dict[str, Any], steps: int) -> list[Label]:
    if "mistake_agent" not in record and "mistake_step" not in record:
        return []
    written = as_text(record.get("mistake_step")).strip()
    step = int(written) if written.isdecimal() and len(written) < 10 else steps
    return [
        Label(
            definition="decisive",
            agent=speaker(as_text(record.get("mistake_agent"))).name,
            step=step if step < steps else None,
            reason=as_text(record.get("mistake_reason")) or None,
            base=0,
            extra={} if step < steps else {"mistake_step": record.get("mistake_step")},
        )
    ]
