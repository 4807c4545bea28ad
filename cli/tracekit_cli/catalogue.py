"""Lists of plug-ins: what each is, as data first and as a table from that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tracekit import registry
from tracekit.errors import ContractError
from tracekit_cli.output import emit_json, first_line, listing


def describe(kind: registry.Kind, more: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """Every plug-in of a kind that loads, with `more` facts of its own; `plugins` lists the rest."""
    found = []
    for plugin in registry.plugins(kind).values():
        try:
            loaded = registry.get(kind, plugin.name)
        except ContractError:
            continue
        about = {"about": first_line(loaded), "distribution": plugin.distribution}
        found.append({"name": plugin.name, **more(loaded), **about})
    return found


def print_catalogue(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, json: bool) -> None:
    """The rows as JSON, or these columns of them as a table."""
    if json:
        emit_json(rows)
    else:
        listing(columns, [[row[column] for column in columns] for row in rows])
