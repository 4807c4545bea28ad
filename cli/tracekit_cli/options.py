"""Arguments and options that several commands share: one meaning and one wording each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tracekit.ingest.redact import Redaction
from tracekit.ingest.sources import Limits

LIMITS = Limits()
"""The caps when no flag is given."""
DEEPEST = 500
"""Levels; Python's own stack ends not far beyond."""

Logs = Annotated[
    list[str], typer.Argument(metavar="DIR", help="Folders, files or archives of logs.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors: no progress, no notes.")
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="NAME", help="Read every file as this format instead of detecting it."
    ),
]
WithAnswer = Annotated[
    bool, typer.Option("--with-answer", help="Let methods see the expected answer of the task.")
]
MaxFileBytes = Annotated[
    int,
    typer.Option("--max-file-bytes", min=1, metavar="N", help="Largest document read whole."),
]
MaxLineBytes = Annotated[
    int, typer.Option("--max-line-bytes", min=1, metavar="N", help="Longest line.")
]
MaxDepth = Annotated[
    int,
    typer.Option("--max-depth", min=1, max=DEEPEST, metavar="N", help="Deepest nesting of JSON."),
]
MaxExpandedBytes = Annotated[
    int,
    typer.Option(
        "--max-expanded-bytes", min=1, metavar="N", help="Largest compressed file, once expanded."
    ),
]
MaxRatio = Annotated[
    int,
    typer.Option(
        "--max-ratio", min=1, metavar="N", help="Most that a file above 64 MiB may expand, times."
    ),
]
MaxMembers = Annotated[
    int, typer.Option("--max-members", min=1, metavar="N", help="Most files in one archive.")
]
Redact = Annotated[
    bool,
    typer.Option(
        "--redact/--no-redact",
        help="Take out keys, tokens, passwords, e-mail addresses and home folders.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of every random choice.")]
OutcomeFrom = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|MODULE:FUNC",
        help="Who knows how runs ended: a CSV or JSONL of id and status, or a function.",
    ),
]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON line per run on stdout.")]
Tasks = Annotated[
    Path | None, typer.Option(metavar="FILE", help="JSONL of tasks; else those the system has.")
]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Also write a report to open in a browser.")
]
Pii = Annotated[
    bool,
    typer.Option(
        "--pii",
        help="Take out card, bank, phone and social security numbers and IP addresses as well "
        "(extra `pii`).",
    ),
]


def redaction(*, redact: bool, pii: bool) -> Redaction:
    """What the two options ask for together."""
    return "personal" if pii else "secrets" if redact else "none"


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds on what is read."""

    max_file_bytes: MaxFileBytes = LIMITS.file_bytes
    max_line_bytes: MaxLineBytes = LIMITS.line_bytes
    max_depth: MaxDepth = LIMITS.depth
    max_expanded_bytes: MaxExpandedBytes = LIMITS.expanded_bytes
    max_ratio: MaxRatio = LIMITS.ratio
    max_members: MaxMembers = LIMITS.members

    def limits(self) -> Limits:
        """The same for the library."""
        return Limits(
            file_bytes=self.max_file_bytes,
            line_bytes=self.max_line_bytes,
            depth=self.max_depth,
            expanded_bytes=self.max_expanded_bytes,
            ratio=self.max_ratio,
            members=self.max_members,
        )
