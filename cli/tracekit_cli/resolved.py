"""The resolved configuration of a command, as its results keep it."""

from __future__ import annotations

from typing import Any

import msgspec
import typer

from tracekit.version import __version__

ELSEWHERE = frozenset({"paths", "json", "quiet", "html", "out", "follow_", "tasks", "trace"})
"""Where things lie and how they are shown: no result depends on it."""


def resolved(context: typer.Context) -> dict[str, Any]:
    """Every option with its value, from command line, configuration or default, that is set.

    The version of tracekit stands beside them: it says what is usual for those that are not.
    """
    said = {
        name.rstrip("_"): msgspec.to_builtins(value, enc_hook=str)
        for name, value in sorted(context.params.items())
        if name not in ELSEWHERE and value not in (None, "", [], ())
    }
    return {"tracekit": __version__, **said}
