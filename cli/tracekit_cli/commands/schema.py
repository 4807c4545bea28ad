"""`tracekit schema`: the JSON Schema of what tracekit writes."""

from __future__ import annotations

from typing import Annotated

import typer

from tracekit.schema import json_schema
from tracekit_cli.output import emit_json


def command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="trace, attribution, problem or manifest.")
    ] = "trace",
) -> None:
    """Print the JSON Schema of what tracekit reads and writes.

    \b
    Example:
      tracekit schema attribution > attribution.schema.json
    """
    emit_json(json_schema(name))
