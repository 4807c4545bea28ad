"""`tracekit formats`: which logs can be read."""

from __future__ import annotations

from tracekit_cli import options
from tracekit_cli.catalogue import describe, print_catalogue


def command(json: options.Json = False) -> None:
    """List the log formats that can be read.

    Files are recognised by content; a name from this list goes with `--format` where that fails.

    \b
    Example:
      tracekit formats
    """
    rows = describe("readers", lambda _: {})
    print_catalogue(rows, ("name", "about"), json=json)
