"""Arrays in a safetensors file, read and written with numpy alone; a hostile file is an InputError.

The format (https://github.com/huggingface/safetensors, "Format"): eight bytes with the length of a
JSON header, the header with type, shape and place of every array and a `__metadata__` of strings,
then the arrays, little-endian, rows first. Nothing in it is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tracekit.errors import InputError

LONGEST_HEADER = 4_000_000
"""Bytes of a header that is read."""

TYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
}
"""The types that tracekit's own files use, and numpy's names for them."""


class Tensors(NamedTuple):
    """What a file holds."""

    arrays: dict[str, np.ndarray]
    """Read-only views of the file's bytes."""
    metadata: dict[str, str]


class Entry(msgspec.Struct, frozen=True):
    """One array, as the header describes it."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read(path: Path | str) -> Tensors:
    """All arrays of a file.

    Raises `InputError` when the file cannot be opened, is not safetensors, or when an array's type
    is unknown or its place does not lie in the file or does not fit its shape.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; give the path of a .safetensors file"
        ) from None
    try:
        return parse(data)
    except ValueError as error:  # msgspec's errors are ValueErrors, too
        raise InputError(
            f"{path}: not a safetensors file: {error}; fetch or export it again"
        ) from None


def parse(data: bytes) -> Tensors:
    """The same from bytes; raises `ValueError`."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(LONGEST_HEADER, len(data) - 8):
        raise ValueError("the header does not fit the file")
    header = msgspec.json.decode(data[8 : 8 + size], type=dict[str, Any])
    metadata = msgspec.convert(header.pop("__metadata__", {}), dict[str, str])
    body = memoryview(data)[8 + size :]
    entries = msgspec.convert(header, dict[str, Entry])
    return Tensors({name: _array(name, entry, body) for name, entry in entries.items()}, metadata)


def _array(name: str, entry: Entry, body: memoryview) -> np.ndarray:
    """A view of one array's bytes; raises `ValueError` when they are not where the header says."""
    if entry.dtype not in TYPES:
        raise ValueError(f"{name!r} is of type {entry.dtype!r}, known are {', '.join(TYPES)}")
    kind = TYPES[entry.dtype]
    start, end = entry.data_offsets
    if not 0 <= start <= end <= len(body) or any(side < 0 for side in entry.shape):
        raise ValueError(f"{name!r} does not lie in the file")
    count = 1
    for side in entry.shape:
        count *= side
    if count * kind.itemsize != end - start:
        raise ValueError(f"{name!r} has {end - start} bytes, which is not its shape")
    found: np.ndarray = np.frombuffer(body[start:end], dtype=kind).reshape(entry.shape)
    return found


def write(path: Path | str, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write arrays, names in order, so that equal arrays give equal bytes.

    Raises `ValueError` for a type that is not in `TYPES`.
    """
    names = {kind: name for name, kind in TYPES.items()}
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    place, parts = 0, []
    for name in sorted(arrays):
        array = arrays[name]
        kind = array.dtype.newbyteorder("<")
        if kind not in names:
            raise ValueError(f"{name!r} is of type {array.dtype}, which is not written")
        part = array.astype(kind, copy=False).tobytes()
        header[name] = Entry(names[kind], array.shape, (place, place + len(part)))
        place += len(part)
        parts.append(part)
    head = msgspec.json.encode(header)
    head += b" " * (-len(head) % 8)
    Path(path).write_bytes(len(head).to_bytes(8, "little") + head + b"".join(parts))
