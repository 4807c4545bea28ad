"""tau-bench results: an agent, its tools and a simulated user, with the reward of the run.

A file is one record or a list of them (arXiv 2406.12045).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import add_message, is_message, note_prompt
from tracekit.ingest.documents import Document, each, holds
from tracekit.ingest.meters import as_number
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek_items
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Task, Trace

_KNOWN = ("traj", "task_id", "reward")


class TauBench:
    """Reads result files of tau-bench."""

    name: ClassVar[str] = "tau-bench"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of `traj` beside `reward` or `task_id`."""
        for item in peek_items(head)[:1]:
            if isinstance(item.get("traj"), list):
                if any(
                    isinstance(message, dict) and "index" in message for message in item["traj"]
                ):
                    return 0.6  # numbered by whoever labelled the run
                return 0.95 if item.keys() & {"reward", "task_id", "trial"} else 0.4
            if item.keys() >= {"task_id", "reward", "info"}:
                return 0.8
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per record."""
        return each(source, holds("traj", list), _record, "there is no trajectory")


def _record(
    source: OpenSource, document: Document, record: dict[str, Any], pointer: str
) -> Iterator[Trace | Problem]:
    build = Builder(source, TauBench.name, framework="tau-bench")
    for raw, item in source.records(record["traj"], f"{pointer}/traj", document.line):
        if is_message(item):
            given = {key: value for key, value in item.items() if value is not None}
            add_message(build, {"content": None, **given}, raw)
        else:
            yield source.problem(raw, "this is not a chat message")
    note_prompt(build)
    info = record.get("info")
    info = info if isinstance(info, dict) else {}
    task = info.get("task")
    task = task if isinstance(task, dict) else {}
    task_id, trial = as_text(record.get("task_id")), as_text(record.get("trial"))
    position = "".join(f"-{part}" for part in (task_id, trial) if part)
    expected = task.get("outputs") or task.get("actions")
    yield build.trace(
        document.id(source) + (position or pointer.replace("/", "-")),
        task=Task(as_text(task.get("instruction")), as_text(expected) or None, task_id or None),
        outcome=_outcome(record, info),
        extra=rest(record, *_KNOWN),
        sha256=source.sha256,
    )


def _outcome(record: dict[str, Any], info: dict[str, Any]) -> Outcome:
    reward = as_number(record.get("reward"))
    reason = as_text(info.get("error")) or None
    if reward is None:
        return Outcome(reason=reason)
    return Outcome(
        "success" if reward >= 1 else "failure", score=reward, reason=reason, by="reward"
    )
