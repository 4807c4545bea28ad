"""`tracekit push`: a model or data set to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracekit_cli import options
from tracekit_cli.output import emit, emit_json


def command(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="compact, linear, prm, tracer or dataset.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the card, README.md.")],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="owner/name on the Hub.")],
    revision: Annotated[
        str | None, typer.Option(metavar="NAME", help="Branch to push to, made if need be.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make the repository private; refuse a public one.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Publish a model or data set on the Hub of Hugging Face.

    The folder is checked first: its files belong to the kind, nothing in it is code or a pickle,
    and its card names a licence. The token is HF_TOKEN, or the one of `hf auth login`. Prints the
    commit, by which it can be pulled for good.

    \b
    Examples:
      tracekit push linear my-model ada/boats-linear --private
      tracekit push dataset labelled/ ada/boats-runs --revision v2
    """
    from tracekit_models.hub import push  # with the client of the Hub behind it

    done = push(kind, folder, repo, revision=revision, private=private)
    if json:
        emit_json(done)
    else:
        counted = f"{len(done.files)} files, {done.bytes:,} bytes"
        emit(f"{done.repo}@{done.commit}\n{counted}\n".encode())
