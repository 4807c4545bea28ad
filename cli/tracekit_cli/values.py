"""The value function that a command line names, and the options for it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from tracekit import registry
from tracekit.analyzers.models import load_values
from tracekit.protocols import ValueFunction

DEFAULT = "prm"
"""The value function used when none is named."""

Values = Annotated[
    str,
    typer.Option(
        "--values", metavar="NAME", help="Value function: prm, a plug-in's, or module:factory."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(metavar="DIR|REPO", help="Its weights: a folder, or owner/name[@revision]."),
]


def chosen(name: str, model: str | None) -> ValueFunction:
    """The value function meant; raises `UnknownName`, and what `load_values` raises."""
    if model is None and ":" in name:
        sys.path.append(os.getcwd())  # it lies beside the logs more often than on the path
        made: ValueFunction = registry.load(name, f"--values {name}")()
        return made
    if model is None:
        found: ValueFunction = registry.get("values", name)
        return found
    return load_values(model)
