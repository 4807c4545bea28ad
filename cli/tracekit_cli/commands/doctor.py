"""`tracekit doctor`: what this installation has, lacks, and trips over."""

from __future__ import annotations

from functools import partial

import typer

from tracekit_cli import options, soundness
from tracekit_cli.checkup import LEVELS, examine
from tracekit_cli.output import emit_json, listing


def command(context: typer.Context, json: options.Json = False) -> None:
    """Check this installation and say what to do about faults.

    Looks at versions, extras, clashes of names, plug-ins and data. Exits with 1 when something is
    wrong; what is optional and absent is not.

    \b
    Example:
      tracekit doctor
    """
    findings = examine(partial(soundness.check, context))
    if json:
        emit_json(findings)
    else:
        rows = [
            (LEVELS[item.level], item.what, item.found + (f" — {item.do}" if item.do else ""))
            for item in findings
        ]
        listing(("", "what", "found"), rows)
    raise typer.Exit(1 if any(item.level == "wrong" for item in findings) else 0)
