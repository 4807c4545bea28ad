"""`tracekit pull`: a model or data set from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracekit_cli import options
from tracekit_cli.output import emit, emit_json, note


def command(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="compact, linear, prm, tracer or dataset.")
    ],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="owner/name on the Hub.")],
    revision: Annotated[
        str | None, typer.Option(metavar="NAME", help="Branch, tag or commit; main when not given.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="A copy here; else only in the cache."),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fetch a model or data set from the Hub, and verify it.

    Files go to the cache of the Hub's client and are not fetched twice. Every file is compared
    with the hash under which the Hub lists it. With HF_HUB_OFFLINE=1 the cache alone answers.
    Prints the commit, to be named as --revision for the same bytes for good, and the folder.

    \b
    Examples:
      tracekit pull linear ada/boats-linear
      tracekit pull dataset ada/boats-runs --revision v2 -o runs/
    """
    from tracekit_models.hub import pull  # with the client of the Hub behind it

    done = pull(kind, repo, revision=revision, out=out)
    if json:
        emit_json(done)
    else:
        emit(f"{done.repo}@{done.commit}\n{done.folder}\n".encode("utf-8", "surrogateescape"))
    if done.licence is None:
        note("tracekit: warning: its card names no licence: ask before you use it", quiet=quiet)
