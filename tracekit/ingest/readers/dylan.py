"""DyLAN: a question a line, as a list per agent of its replies by round; null = not active.

Neither questions nor names are logged (arXiv 2310.02170). Whether an answer was right, and how
important each agent was, stands in a text file of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder
from tracekit.ingest.decode import decode_json, decode_text
from tracekit.ingest.documents import Document, documents
from tracekit.ingest.peek import peek
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, Task, Trace

_VERDICTS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[(?:True|False)(?:, (?:True|False))*\] [\d.]+\s")


class Dylan:
    """Reads replies of a DyLAN network."""

    name: ClassVar[str] = "dylan"

    def sniff(self, head: bytes, name: str) -> float:
        """Fairly sure of lists of lists that hold texts and nulls and nothing else."""
        if _VERDICTS.match(head):
            return 0.8
        value = peek(head)
        if not isinstance(value, list) or not value or not all(isinstance(v, list) for v in value):
            return 0.0
        replies = [reply for own in value for reply in own]
        fits = all(reply is None or isinstance(reply, str) for reply in replies)
        return 0.7 if fits and any(isinstance(reply, str) for reply in replies) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per line."""
        if _VERDICTS.match(source.head):
            yield source.skip_file("verdicts, which are read with the replies beside them")
            return
        right, importance = _verdicts(source)
        position = 0
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
                continue
            if isinstance(document.value, list):
                extra = {"importance": importance[position]} if position in importance else {}
                verdict = right.get(position)
                yield from _question(source, self.name, position, document, verdict, extra)
            else:
                yield source.problem(None, "the line is not a list", line=document.line)
            position += 1


def _question(
    source: OpenSource,
    format: str,
    position: int,
    document: Document,
    right: bool | None,
    extra: dict[str, Any],
) -> Iterator[Trace | Problem]:
    build = Builder(source, format, framework="dylan")
    replies: list[tuple[int, int, Raw, str]] = []
    prefix = "" if document.line is None else f"{document.line}:"
    for agent, own in enumerate(document.value):
        for round, reply in enumerate(own if isinstance(own, list) else [own]):
            if reply is None:
                continue
            raw = Raw(record=f"{prefix}/{agent}/{round}", line=document.line)
            source.see(raw.record)
            if isinstance(reply, str):
                replies.append((round, agent, raw, reply))
            else:
                yield source.problem(raw, "a reply is not a text")
    for round, agent, raw, reply in sorted(replies, key=lambda entry: entry[:2]):
        build.add(f"Agent {agent + 1}", reply, raw, extra={"round": round})
    for agent in range(len(document.value)):
        build.agent(f"Agent {agent + 1}")
    outcome = Outcome()
    if right is not None:
        outcome = Outcome("success" if right else "failure", by=_beside(source))
    task = Task(id=f"{source.name.rsplit('.', 1)[0]}/{position}")
    yield build.trace(
        document.id(source), task=task, outcome=outcome, extra=extra, sha256=source.sha256
    )


def _beside(source: OpenSource) -> str:
    return source.name.rsplit(".", 1)[0] + ".txt"


def _verdicts(source: OpenSource) -> tuple[dict[int, bool], dict[int, Any]]:
    """By question: whether it was answered right, and the scores of agents and rounds."""
    data = source.sibling(_beside(source))
    lines = decode_text(data).splitlines() if data else []
    right: dict[int, bool] = {}
    importance: dict[int, Any] = {}
    if lines:
        marks = lines[0].partition("]")[0].lstrip("[ ").split(",")
        right = {
            i: mark.strip() == "True" for i, mark in enumerate(marks) if mark.strip() in _WORDS
        }
    if len(lines) > 2:
        try:
            scores = decode_json(lines[2].encode())
        except ValueError:
            scores = None
        importance = dict(enumerate(scores)) if isinstance(scores, list) else {}
    return right, importance


_WORDS = ("True", "False")
