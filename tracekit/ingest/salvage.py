"""What is readable of a JSON document that breaks off: crashed dumps, full disks, cut downloads."""

from __future__ import annotations

import re
from typing import Any

from tracekit.ingest.decode import decode_json, decode_text

_TOKEN = re.compile(
    r"""[\s\0]*(?:
        (?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")
      | (?P<open>[\[{])
      | (?P<close>[\]}])
      | (?P<punctuation>[,:])
      | (?P<scalar>-?(?:\d[\d.eE+-]*|Infinity)|NaN|true|false|null)(?=[\s,\]}])
    )""",
    re.VERBOSE | re.DOTALL,
)


def salvage_json(data: bytes, depth: int = 200) -> tuple[Any, int] | None:
    """The part of a document before it breaks off, and the byte where it does.

    Values that are not complete are left out, with their keys; open lists and objects are closed.
    None for a document that ends properly, and when not even one complete object, list or string
    was read.

    >>> salvage_json(b'[{"task": "add"}, {"step": 1, "out": "par')
    ([{'task': 'add'}, {'step': 1}], 28)
    >>> salvage_json(b"[2024-01-01] not json") is None
    True
    """
    text = decode_text(data)
    found = _last_complete(text, depth)
    if found is None:
        return None
    end, closers = found
    try:
        value = decode_json((text[:end] + closers).encode("utf-8", "surrogatepass"), depth)
    except ValueError:
        return None
    return value, len(text[:end].encode("utf-8", "surrogatepass"))


def _last_complete(text: str, depth: int) -> tuple[int, str] | None:
    """Where the last complete value ends, and the brackets that close what is open there.

    Stops at a nest deeper than `depth`, which also bounds the work done for each value.
    """
    stack: list[str] = []
    safe: tuple[int, str] | None = None
    worthy = False
    key_next = False
    after_key = False
    position = 0
    while (token := _TOKEN.match(text, position)) is not None:
        position, kind, mark = token.end(), token.lastgroup, token[0][-1]
        if kind == "open":
            if len(stack) >= depth:
                break
            stack.append("}" if mark == "{" else "]")
            key_next, after_key = mark == "{", False
            continue
        if kind == "punctuation":
            if not stack or (mark == ":") != after_key:
                break
            key_next = mark == "," and stack[-1] == "}"
            after_key = False
            continue
        if kind == "close":
            if not stack or stack.pop() != mark:
                break
        elif key_next:
            if kind != "string":
                break
            key_next, after_key = False, True
            continue
        worthy = worthy or kind != "scalar"
        if not stack:
            break
        safe = (position, "".join(reversed(stack)))
    return safe if worthy and stack else None
