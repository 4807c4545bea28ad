"""The resolved configuration of a command, as its results keep it: the same everywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
import typer

from tracekit.ingest.redact import Redaction, redactor_for
from tracekit.llm.endpoint import origin
from tracekit.version import __version__

ELSEWHERE = frozenset(
    {
        # where things lie, and how they are shown
        "paths", "logs", "json", "quiet", "html", "out", "tasks", "trace", "top", "exit_code",
        # how answers travel
        "key_env", "concurrency", "timeout", "retries", "cache", "record", "replay",
        # how a run is followed, and when somebody is told
        "follow", "poll", "until_idle", "keep_going", "on_alarm", "below", "drop", "patience",
    }
)  # fmt: skip
"""Options that no result depends on."""
_UNSAID: tuple[Any, ...] = (None, "", [], {})

_redactor = cache(redactor_for)


def kept(said: Mapping[str, Any], redaction: Redaction = "none") -> dict[str, Any]:
    """Options as results keep them: those that are set and that the result depends on.

    The same on every machine and fit for everybody: an address is its host alone, for its path may
    be a key; paths are relative to the working folder, and left out where they lie elsewhere; what
    looks like a secret is taken out whatever `redaction` says, personal data where it does.

    >>> kept({"llm": "http://localhost:9/v1/key", "seed": 0, "all": False, "retries": 4})
    {'llm': 'http://localhost:9', 'seed': 0}
    >>> kept({"corpus": ["/elsewhere/runs", "runs"], "set": ["step=1", "table=/elsewhere/t.csv"]})
    {'corpus': ['runs'], 'set': ['step=1']}
    """
    clean = _redactor("personal" if redaction == "personal" else "secrets")
    assert clean is not None
    short = {name: _short(value) for name, value in said.items() if name not in ELSEWHERE}
    found = {name: value for name, value in short.items() if _is_set(value)}
    return dict(clean.value(found))


def resolved(context: typer.Context) -> dict[str, Any]:
    """What a command was told, by command line, configuration or default, as results keep it.

    The version of tracekit stands beside it: it says what is usual for what is not set.
    """
    said = {
        name.rstrip("_"): msgspec.to_builtins(value, enc_hook=str)
        for name, value in sorted(context.params.items())
    }
    return kept({"tracekit": __version__, **said})


def _is_set(value: Any) -> bool:
    return value is not False and value not in _UNSAID


def _short(value: Any) -> Any:
    """The value without what differs from machine to machine; None when nothing is left."""
    if isinstance(value, dict):
        return {name: short for name, each in value.items() if _is_set(short := _short(each))}
    if isinstance(value, list | tuple):
        return [short for each in value if (short := _short(each)) is not None]
    if not isinstance(value, str):
        return value
    name, equals, setting = value.partition("=")
    if equals and name.isidentifier():
        bare = setting.strip('"')
        short = _short(bare)
        return None if short is None else value if short == bare else f"{name}={short}"
    if not os.path.isabs(value):
        return origin(value)
    inner = os.path.relpath(value)
    return None if inner.split(os.sep)[0] == os.pardir else inner
