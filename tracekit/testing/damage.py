"""What happens to logs on their way: bytes lost, added or swapped, always the same way."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BOM = b"\xef\xbb\xbf"

NESTED = b"[" * 10_000 + b"]" * 10_000

NOISE = random.Random(0).randbytes(4096)  # noqa: S311 - noise, not a secret
"""The same 4 KiB of noise in every run."""

STRANGERS: dict[str, bytes] = {
    "empty": b"",
    "blank": b"\n \n",
    "noise": NOISE,
    "nul": b"\0" * 300,
    "nested": NESTED,
    "null": b"null",
    "number": b"1e999",
    "list": b"[]",
    "object": b"{}",
    "list of null": b"[null]\n",
    "list of scalars": b'[1, "a", null, true]\n',
    "lines of scalars": b'1\n"a"\nnull\n',
    "text": "Nothing of interest, only prose: naïve, 漢字.\n".encode(),
    "table": b"a,b\n1,2\n",
}
"""Files of no log format at all, by what they hold."""


def breaks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The file as it is after a crash or a full disk: cut short, so that JSON cannot be whole."""
    body = data.rstrip()
    start = body.rfind(b"\n") + 1
    for what, end in (
        ("half", len(body) // 2),
        ("the last line", start + (len(body) - start) // 2),
    ):
        while end and body[end - 1 : end] in b"\r\n":
            end -= 1
        if end:
            yield f"cut off at {what}", body[:end]
    yield "without its last byte", body[:-1]


def stains(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The file with foreign bytes in it."""
    middle = len(data) // 2
    yield "NUL bytes in the middle", data[:middle] + b"\0\0\0" + data[middle:]
    yield "NUL bytes at the end", data + b"\0" * 512
    yield "invalid UTF-8 in the middle", data[:middle] + b"\xff\xfe\x80" + data[middle:]
    yield "line ends of another system", data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield "another encoding", data.decode("utf-8", "replace").encode("utf-16")
    yield "noise behind it", data + b"\n" + NOISE
    yield "a nest behind it", data + b"\n" + NESTED
    yield "lone surrogates", data.replace(b'": "', b'": "\\ud800', 50)


def swaps(data: bytes, limit: int = 200) -> Iterator[tuple[str, bytes]]:
    """The file with one JSON value swapped for another type, at up to `limit` places.

    Every JSON document of the file is tried, in its first lines; other text gives nothing.
    """
    lines: list[bytes] = []
    try:
        root = [json.loads(data)]
    except (ValueError, RecursionError):
        lines = data.splitlines()
        root = _decoded(lines[:40])
    places = [path for path in _places(root, ()) if path]
    for number, path in enumerate(places[:: max(1, len(places) // limit)]):
        value = _OTHERS[number % len(_OTHERS)]
        with _swapped(root, path, value):
            texts = [json.dumps(document).encode() for document in root]
        what = f"{json.dumps(value)[:30]} at {'/'.join(map(str, path))}"
        yield what, b"\n".join([*texts, *lines[len(texts) :]])


_OTHERS: tuple[Any, ...] = (
    None, 7, "", [], {}, -1.5, "text", [None], {"": None}, True, 10**30, [[1], "a"], "0",
    {"type": 3, "content": [7, {"type": "text"}]},
)  # fmt: skip


def _decoded(lines: list[bytes]) -> list[Any]:
    """The leading lines that are JSON documents."""
    found: list[Any] = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            break
    return found


def _places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(child, (*path, key))


@contextmanager
def _swapped(root: Any, path: tuple[Any, ...], value: Any) -> Iterator[None]:
    node = root
    for key in path[:-1]:
        node = node[key]
    kept, node[path[-1]] = node[path[-1]], value
    yield
    node[path[-1]] = kept
