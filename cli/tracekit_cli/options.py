"""Arguments and options that several commands share: one meaning and one wording each."""

from __future__ import annotations

from typing import Annotated

import typer

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
