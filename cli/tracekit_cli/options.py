"""Arguments and options that several commands share: one meaning and one wording each."""

from __future__ import annotations

from typing import Annotated

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


def limits(
    file_bytes: int, line_bytes: int, depth: int, expanded_bytes: int, ratio: int, members: int
) -> Limits:
    """The limits of the six options, in their order."""
    return Limits(
        file_bytes=file_bytes,
        line_bytes=line_bytes,
        depth=depth,
        expanded_bytes=expanded_bytes,
        ratio=ratio,
        members=members,
    )
