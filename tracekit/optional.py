"""Optional dependencies: imported where they are used, never at the top of a module."""

from __future__ import annotations

import importlib
from types import ModuleType

from tracekit.errors import MissingExtra


def require(module: str, extra: str) -> ModuleType:
    """Import and return `module`, or raise `MissingExtra` naming the extra that holds it.

    A namespace folder does not count: a local directory `./datasets` must not pass for the
    Hugging Face library of that name.

    >>> require("json", extra="none").__name__
    'json'
    >>> require("no_such_module", extra="train")
    Traceback (most recent call last):
        ...
    tracekit.errors.MissingExtra: no_such_module is needed here and is not installed: pip install 'mas-tracekit[train]'
    """
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.split(".")[0] != error.name.split(".")[0]:
            raise
        raise MissingExtra(module, extra) from None
    if found.__spec__ is None or found.__spec__.origin is None:
        raise MissingExtra(module, extra)
    return found
