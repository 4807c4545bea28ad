"""`tracekit benchmarks`: which labelled data sets `tracekit eval` knows."""

from __future__ import annotations

from tracekit_cli import options
from tracekit_cli.catalogue import describe, print_catalogue


def command(json: options.Json = False) -> None:
    """List the benchmarks of `eval` and what their labels mean.

    `base` is what the source counts its first step as; tracekit itself counts from 0.

    \b
    Example:
      tracekit benchmarks
    """
    rows = describe(
        "benchmarks", lambda bench: {"definition": bench.definition, "base": bench.base}
    )
    print_catalogue(rows, ("name", "definition", "base", "about"), json=json)
