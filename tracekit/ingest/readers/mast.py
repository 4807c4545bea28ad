"""MAST in its early release (MASFT): one run per file with a note on its failure modes.

The trajectory is a list of named messages (AG2), a list of log lines (HyperAgent and others), or
one list of messages per agent (peer review). Texts are lists of lines. The AG2 x GSM-Plus runs
have the same layout with an empty note; `instance_id` names the problem, so that runs of one
problem share it (arXiv 2503.13657).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import Turn, add_message, add_turn, turns
from tracekit.ingest.documents import Document, each, holds
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek_items
from tracekit.ingest.readers import hyperagent_log
from tracekit.ingest.readers.generic_text import speaker_form
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import entries, strip_ansi
from tracekit.trace import Label, Outcome, Raw, Task, Trace

_SHEET = b"MultiAgentSystem Name,Task ID"
_NEVER = re.compile(r"(?!)")
_KNOWN = ("instance_id", "problem_statement", "trajectory")


class Mast:
    """Reads annotated and outcome-only runs of the first MAST release."""

    name: ClassVar[str] = "mast"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the keys of a run are in sight."""
        if head.startswith(_SHEET):
            return 0.9
        items = peek_items(head)
        keys = frozenset(items[0]) if items else frozenset[str]()
        if not {"instance_id", "problem_statement"} <= keys:
            return 0.0
        return 0.95 if keys & {"trajectory", "note"} else 0.6 if "other_data" in keys else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per run; a file holds one, or lists several."""
        if source.head.startswith(_SHEET):
            yield source.skip_file("a sheet of annotations without traces")
            return
        yield from each(
            source, holds("trajectory", str, list, dict), _run, "there is no trajectory"
        )


def _run(
    source: OpenSource, document: Document, run: dict[str, Any], where: str
) -> Iterator[Trace | Problem]:
    build = Builder(source, Mast.name, framework=_framework(run))
    trajectory = run["trajectory"]
    pointer, line = f"{where}/trajectory", document.line
    if isinstance(trajectory, dict):
        yield from _reviews(build, trajectory, pointer, line)
    elif isinstance(trajectory, list) and any(isinstance(item, dict) for item in trajectory):
        yield from _messages(build, trajectory, pointer, line)
    else:
        lines = trajectory.split("\n") if isinstance(trajectory, str) else trajectory
        prefix = "" if line is None else f"{line}:"
        yield from _log(build, lines, prefix + pointer)
    yield build.trace(
        document.id(source) + where.replace("/", "-"),
        task=Task(
            question=_text(run.get("problem_statement")),
            expected=_expected(run),
            id=as_text(run.get("instance_id")) or None,
        ),
        outcome=_outcome(run, build),
        labels=_labels(run),
        extra=rest(run, *_KNOWN),
        sha256=source.sha256,
    )


def _text(value: Any) -> str:
    """Text that may be written as a list of lines."""
    return "\n".join(map(as_text, value)) if isinstance(value, list) else as_text(value)


def _framework(run: dict[str, Any]) -> str | None:
    trajectory = run["trajectory"]
    if isinstance(trajectory, dict):
        return "peer-review"
    first = trajectory if isinstance(trajectory, str) else trajectory[0] if trajectory else None
    if isinstance(first, dict):
        return "ag2" if "name" in first else None
    return "hyperagent" if as_text(first).startswith("HyperAgent_") else None


def _messages(
    build: Builder, trajectory: list[Any], pointer: str, line: int | None
) -> Iterator[Problem]:
    for raw, item in build.source.records(trajectory, pointer, line):
        if not isinstance(item, dict):
            yield build.source.problem(raw, "a step is not an object")
            continue
        add_message(build, {**item, "content": _text(item.get("content"))}, raw)


def _log(build: Builder, lines: list[Any], pointer: str) -> Iterator[Problem]:
    """Log lines: a record runs from one logger prefix to the next.

    Of logs that are not HyperAgent's the speakers' headers are guessed, with a warning.
    """
    numbered = [
        (Raw(record=f"{pointer}/{index}", index=index), strip_ansi(as_text(line)))
        for index, line in enumerate(lines)
    ]
    if any(hyperagent_log.HEADER.match(line) for _, line in numbered):
        for entry in entries(numbered, hyperagent_log.HEADER):
            build.source.see(entry.raw.record)
            hyperagent_log.add_entry(build, entry)
        hyperagent_log.settle_team(build)
        return
    found = speaker_form(line for _, line in numbered)
    if found is not None:
        what = f"the log of an unknown system was split at lines like {found[0]!r}"
        yield build.source.problem(None, what, severity="warning", do="check the speakers")
    for entry in entries(numbered, found[2] if found else _NEVER):
        build.source.see(entry.raw.record)
        build.add(entry["name"].strip() or None if found else None, entry.text.strip(), entry.raw)


def _reviews(
    build: Builder, lists: dict[str, Any], pointer: str, line: int | None
) -> Iterator[Problem]:
    """Peers who each keep their own list: a prompt belongs to the answer that follows it.

    The order between peers is not logged; they take turns, round by round.
    """
    said: list[tuple[str, Turn]] = []
    for name, messages in lists.items():
        joined = [_joined(item) for item in messages] if isinstance(messages, list) else messages
        for turn in turns(build.source, joined, f"{pointer}/{name}", line):
            if isinstance(turn, Problem):
                yield turn
            else:
                said.append((name, turn))
    for name, turn in sorted(said, key=lambda pair: pair[1].number):
        add_turn(build, name, turn)


def _joined(item: Any) -> Any:
    """A message whose content may be written as a list of lines."""
    lines = isinstance(item, dict) and isinstance(item.get("content"), list)
    return {**item, "content": _text(item["content"])} if lines else item


def _other(run: dict[str, Any]) -> dict[str, Any]:
    other = run.get("other_data")
    return other if isinstance(other, dict) else {}


def _expected(run: dict[str, Any]) -> str | None:
    """The right answer; for a software issue the patch that closed it."""
    other = _other(run)
    return as_text(other.get("answer")) or _text(other.get("patch")) or None


def _outcome(run: dict[str, Any], build: Builder) -> Outcome:
    other = _other(run)
    answer = as_text(other.get("given")) or hyperagent_log.answer(build).answer
    correct = other.get("correct")
    by = "other_data.correct"
    if isinstance(correct, list):  # one verdict per peer; a team answers by majority
        right = sum(verdict in (True, "correct") for verdict in correct)
        correct = None if 2 * right == len(correct) else 2 * right > len(correct)
        by = "majority of other_data.correct"
    if not isinstance(correct, bool):
        return Outcome(answer=answer)
    return Outcome("success" if correct else "failure", answer=answer, by=by)


def _labels(run: dict[str, Any]) -> list[Label]:
    """The modes said to occur in the run as a whole; an empty note is no label."""
    note = run.get("note")
    options = note.get("options") if isinstance(note, dict) else None
    table = options if isinstance(options, dict) else {}
    modes = tuple(name for name, said in table.items() if said in ("yes", True))
    reason = _text(note.get("text")).strip() if isinstance(note, dict) else ""
    if not modes and not reason:
        return []
    return [Label("outcome-only", modes=modes, reason=reason or None, annotator="human")]
