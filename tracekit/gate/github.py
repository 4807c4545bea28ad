"""What GitHub's runner understands: workflow commands and the summary of a step.

A runner looks for commands in everything that a step prints, so words of a log could be one.
Whatever a gate prints there for people stands between `::stop-commands::TOKEN` and `::TOKEN::`; the
token is a hash of the words themselves, which nobody can have written into them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from tracekit.gate.decision import Decision

SHOWN = 10
"""Annotations of one kind that GitHub keeps of one step."""
SUMMARY = 1_000_000
"""Bytes, a little below the mebibyte that GitHub takes of one step."""


def data(text: str) -> str:
    """Text of a workflow command.

    >>> data("100%\\n::error::x")
    '100%25%0A::error::x'
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value(text: str) -> str:
    """Value of a property of a workflow command.

    >>> value("a,b: 1%")
    'a%2Cb%3A 1%25'
    """
    return data(text).replace(":", "%3A").replace(",", "%2C")


def commands(decision: Decision, root: str | None = None) -> Iterator[str]:
    """A workflow command for each run that a rule speaks of, at most as many as GitHub shows.

    Files are named relative to `root`, the checkout; a log elsewhere is named in the text only.
    """
    told = [
        (hit, run) for hit in decision.hits for run in decision.runs if run.verdict in hit.verdicts
    ]
    runless = [hit for hit in decision.hits if not hit.verdicts]
    room = SHOWN - len(runless)
    whole = len(told) <= room
    for hit, run in told if whole else told[: room - 1]:
        place = _place(run.path, run.line, root)
        yield f"::error {place}title={value(f'tracekit: {hit.rule}')}::{data(f'{run.id}: {run.says}')}"
    if not whole:
        yield f"::error title=tracekit::{len(told) - room + 1} more runs: see the summary of this job"
    for hit in runless:
        yield f"::error title={value(f'tracekit: {hit.rule}')}::{data(hit.says)}"


def _place(path: str, line: int | None, root: str | None) -> str:
    if not path or "!/" in path:
        return ""
    found = os.path.relpath(path, root) if root else path
    if os.path.isabs(found) or found.startswith(".."):
        return ""
    return f"file={value(found)},line={line or 1},"


def quiet(text: str) -> str:
    """Text in which the runner looks for no commands."""
    token = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return f"::stop-commands::{token}\n{text.rstrip(chr(10))}\n::{token}::\n"


def append_summary(path: str | os.PathLike[str], text: str) -> None:
    """Add to the summary of the step, cut to what GitHub takes."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > SUMMARY:
        encoded = encoded[:SUMMARY].decode("utf-8", "ignore").encode() + b"\n\n(cut)\n"
    with open(path, "ab") as stream:
        stream.write(encoded)
