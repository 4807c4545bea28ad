"""`tracekit plugins`: everything that is registered, loadable or not."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import typer

from tracekit import registry
from tracekit.errors import ContractError
from tracekit.report.visible import one_line
from tracekit_cli import options
from tracekit_cli.catalogue import print_catalogue
from tracekit_cli.output import note


def command(json: options.Json = False) -> None:
    """List every plug-in with its version, or why it does not load.

    \b
    Example:
      tracekit plugins --json
    """
    rows = [
        _row(plugin) for kind in registry.BUILT_IN for plugin in registry.plugins(kind).values()
    ]
    broken = [row["name"] for row in rows if row["error"]]
    if not json:
        for row in rows:
            row["error"] = one_line(row["error"] or "", 200)
    print_catalogue(rows, ("kind", "name", "distribution", "version", "error"), json=json)
    if broken:
        note(f"tracekit: {len(broken)} plug-ins do not load: {', '.join(broken)}")
        raise typer.Exit(4)


def _row(plugin: registry.Plugin) -> dict[str, Any]:
    try:
        installed = version(plugin.distribution)
    except PackageNotFoundError:
        installed = ""
    error = None
    try:
        registry.get(plugin.kind, plugin.name)
    except ContractError as failure:
        error = str(failure)
    return {
        "kind": plugin.kind,
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": installed,
        "target": plugin.target,
        "error": error,
    }
