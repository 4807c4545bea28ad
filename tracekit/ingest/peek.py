"""The first bytes of a file as the JSON they begin: what readers judge a format by."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from tracekit.ingest.decode import decode_json, decode_text
from tracekit.ingest.documents import is_document, is_lines

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s"\[\]{},:]+|"', re.DOTALL)
_HALF = re.compile(rb"(?:(?<!\\)(?:\\\\)*\\(?:u[0-9a-fA-F]{0,3})?|[\xc0-\xff][\x80-\xbf]{0,2})$")
_HALF_ESCAPE = re.compile(r"(?<!\\)\\(?:u[0-9a-fA-F]{0,3})?$")
_CLOSING = {"[": "]", "{": "}"}


def beginning(head: bytes) -> bytes:
    """The head from its first whole line on, for JSON Lines that begin in the middle of one.

    >>> beginning(b'cut"}\\n{"a": 1}\\n{"a": 2}\\n')
    b'{"a": 1}\\n{"a": 2}\\n'
    """
    if is_lines(head) and not is_document(head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]):
        start = 0
        for line in head.split(b"\n", 14):
            if is_document(line):
                return head[start:]
            start += len(line) + 1
    return head


_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # also one that breaks off: one pass
_SHOWN = 2048


def abridged(data: bytes) -> bytes:
    """JSON with its long texts cut short, so that the members behind them come into sight.

    >>> abridged(b'{"input": "' + b"x" * 9000 + b'", "id": 1}')[-12:]
    b'x", "id": 1}'
    """
    return _STRING.sub(_cut, data)


def _cut(found: re.Match[bytes]) -> bytes:
    text = found[0]
    if len(text) <= _SHOWN + 2:
        return text
    return _HALF.sub(b"", text[: _SHOWN + 1]) + b'"'


@lru_cache(maxsize=4)
def peek(head: bytes) -> Any:
    """The first JSON document of a file, as far as the head shows it; None when it is none.

    In a file of lines it is the first line that is a document. Every reader is asked about the same head, hence the
    cache; the value must not be changed.

    >>> peek(b'{"a": [1, 2], "b": "cut')
    {'a': [1, 2], 'b': 'cut'}
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\0")
    if is_lines(head):
        lines = start.split(b"\n", 14)
        start = next((line for line in lines if is_document(line)), start)
    if start[:1] not in (b"{", b"["):
        return None
    try:
        return decode_json(start)
    except ValueError:
        text = decode_text(start)
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        return _closed(text)


def peek_keys(head: bytes) -> frozenset[str]:
    """Names of the members of the first document, empty when it is no object."""
    value = peek(head)
    return frozenset(value) if isinstance(value, dict) else frozenset()


def peek_items(head: bytes) -> list[dict[str, Any]]:
    """The objects of the first document when it is a list, else the document itself if an object.

    So that a list of records and a file of one record a line are judged alike.
    """
    value = peek(head)
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _closed(text: str) -> Any:
    """A document that the head cuts off, closed there; a string keeps what is seen of it."""
    stack: list[str] = []
    end, before = 0, ""
    tail = ""
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in _CLOSING:
            stack.append(_CLOSING[mark])
        elif mark in ("]", "}"):
            if not stack or stack.pop() != mark:
                return None
        elif mark == '"':
            if before == ":" or (stack[-1:] == ["]"] and before in ("[", ",")):
                end, tail = len(text), '"'
            break
        elif mark in (",", ":") or (stack[-1:] == ["}"] and before != ":"):
            before = mark
            continue
        end, before = token.end(), mark
    text = _HALF_ESCAPE.sub("", text) if tail else text[:end]
    try:
        return decode_json((text + tail + "".join(reversed(stack))).encode("utf-8", "replace"))
    except ValueError:
        return None
