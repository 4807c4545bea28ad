"""Catching what a plug-in must not do: reach for the network, start processes, write files.

Python reports such acts to audit hooks (PEP 578) before they happen. The hook cannot be removed,
so one is added on first use and sleeps while nobody watches.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from tracekit.testing.rules import broken

_PREFIXES = {
    "socket.connect": "no-network",
    "socket.bind": "no-network",
    "socket.send": "no-network",
    "socket.get": "no-network",
    "subprocess.Popen": "no-processes",
    "os.system": "no-processes",
    "os.exec": "no-processes",
    "os.spawn": "no-processes",
    "os.posix_spawn": "no-processes",
    "os.fork": "no-processes",
    "os.startfile": "no-processes",
    "os.remove": "no-writes",
    "os.rename": "no-writes",
    "os.mkdir": "no-writes",
    "os.rmdir": "no-writes",
    "os.truncate": "no-writes",
    "os.link": "no-writes",
    "os.symlink": "no-writes",
    "os.chmod": "no-writes",
}
"""Audit events by their beginning, and the rule that each breaks."""

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_watching: list[tuple[frozenset[str], list[tuple[str, str]]]] = []
"""For each watch: the rules it enforces, and what it has caught as (rule, act)."""


class Forbidden(PermissionError):
    """Raised into the plug-in at the forbidden act."""


@contextmanager
def watched(subject: str, *rules: str) -> Iterator[None]:
    """Forbid acts against the given rules while the body runs; raises `ContractError`.

    The act itself is prevented, and reported even when the plug-in swallowed the exception.

    >>> with watched("analyzer 'demo'", "no-writes"):
    ...     open("/tmp/never-written", "w")
    Traceback (most recent call last):
        ...
    tracekit.errors.ContractError: analyzer 'demo' breaks [no-writes] ...
    """
    _listen()
    caught: list[tuple[str, str]] = []
    watch = (frozenset(rules), caught)
    _watching.append(watch)
    try:
        yield
    except Forbidden:
        pass  # the report follows
    finally:
        _watching.remove(watch)
        if caught:
            raise broken(subject, *caught[0])


@cache
def _listen() -> None:
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    rule = _rule(event, arguments)
    for rules, caught in _watching:
        if rule in rules:
            act = f"{event} {arguments[0] if arguments else ''!s:.200}"
            caught.append((rule, act))
            raise Forbidden(f"a plug-in under test may not do this: {act}")


def _rule(event: str, arguments: tuple[Any, ...]) -> str:
    """The rule that an act breaks, empty when it breaks none."""
    if arguments and "__pycache__" in str(arguments[0]):
        return ""  # the interpreter's own, while the plug-in imports something
    if event == "open":
        path, _, flags = arguments
        writes = isinstance(path, str | bytes) and path != os.devnull
        return "no-writes" if writes and (flags or 0) & _WRITES else ""
    return next((rule for start, rule in _PREFIXES.items() if event.startswith(start)), "")
