"""The first bytes of a file as the JSON they begin: what readers judge a format by."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from tracekit.ingest.decode import decode_json, decode_text
from tracekit.ingest.documents import is_document, is_lines
from tracekit.ingest.salvage import salvage_json


@lru_cache(maxsize=4)
def peek(head: bytes) -> Any:
    """The first JSON document of a file, as far as the head shows it; None when it is none.

    In a file of lines it is the first line that is a document. Every reader is asked about the same head, hence the
    cache; the value must not be changed.

    >>> peek(b'{"a": [1, 2], "b": "cut')
    {'a': [1, 2]}
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
        rescued = salvage_json(start)
        return rescued[0] if rescued else _first(decode_text(start))


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


def _first(text: str) -> Any:
    """The first of several documents in a row."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None
