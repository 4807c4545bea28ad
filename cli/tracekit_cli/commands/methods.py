"""`tracekit methods`: which analyzers there are."""

from __future__ import annotations

from typing import Any

from tracekit.analyzers.run import DEFAULT
from tracekit.protocols import Fitted
from tracekit_cli import options
from tracekit_cli.catalogue import describe, print_catalogue


def command(json: options.Json = False) -> None:
    """List the methods of attribution and what each needs.

    \b
    Example:
      tracekit methods
    """
    rows = describe("analyzers", _facts)
    if not json:
        for row in rows:
            row["needs"] = ", ".join(row["needs"])
            row["fitted"] = "yes" if row["fitted"] else ""
            row["name"] += " (default)" if row["default"] else ""
    print_catalogue(rows, ("name", "needs", "fitted", "about"), json=json)


def _facts(method: Any) -> dict[str, Any]:
    return {
        "needs": sorted(method.needs),
        "fitted": isinstance(method, Fitted),
        "default": method.name == DEFAULT,
    }
