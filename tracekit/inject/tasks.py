"""Tasks from a file: one JSON object a line with a question, an expected answer and an id."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tracekit.errors import InputError
from tracekit.trace import Task


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
