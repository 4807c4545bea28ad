"""Tasks of a system: from a file of JSON lines, or those that it has itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from tracekit.errors import InputError, UsageError
from tracekit.replay.systems import load_system
from tracekit.trace import Task

MOST = 100
"""Tasks of a system's own that are taken; some systems make them up without end."""


@runtime_checkable
class Asked(Protocol):
    """A system that knows what to ask it; the sandbox does, and its teams in other frameworks."""

    def tasks(self) -> Iterable[Task]:
        """Tasks, the same ones every time."""


def own_tasks(target: str) -> Iterator[Task]:
    """The first tasks of the system `module:factory`; raises `UsageError` where it has none.

    >>> next(own_tasks("tracekit.replay.sandbox.system:Sandbox")).id
    'sandbox/arithmetic/2/0'
    """
    system = load_system(target)
    if not isinstance(system, Asked):
        raise UsageError(
            f"system {target!r} needs tasks: a JSONL file of them (--tasks FILE) with lines like "
            '{"question": "An order of 12, 30 and 7.", "expected": "50"}, or a method tasks()'
        )
    yield from islice(system.tasks(), MOST)


def read_tasks(path: Path) -> Iterator[Task]:
    """The tasks of a JSONL file; raises `InputError` with the line number.

    A task without an id gets its place in the file, so that runs of one task can be told to be so.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    number = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                task = msgspec.json.decode(line, type=Task)
            except msgspec.MsgspecError as error:
                raise InputError(f"{path}:{number}: not a task: {error}") from None
            if not task.question:
                raise InputError(f"{path}:{number}: a task needs a question")
            yield task if task.id else msgspec.structs.replace(task, id=f"{path.stem}/{number}")
    if not number:
        raise InputError(f"{path}: there is no task in it")
