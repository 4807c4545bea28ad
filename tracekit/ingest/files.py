"""Folders to files: every file once, in a stable order, whatever links do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tracekit.errors import InputError


def find_files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[tuple[Path, str]]:
    """Every regular file under the paths, sorted, each once; hidden ones are left out.

    Yields (file, name as the user would write it). Raises `InputError` for a path that does not
    exist. Symbolic links to folders are not followed twice, so loops end.
    """
    seen: set[str] = set()
    for given in paths:
        root = Path(given)
        if not root.exists():
            raise InputError(f"{root}: no such file or folder")
        for file in [root] if root.is_file() else _walk(root, set()):
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield file, file.as_posix()


def _walk(folder: Path, above: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, above | {real})
        elif entry.is_file():
            yield entry
