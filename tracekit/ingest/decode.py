"""Bytes to text and JSON: fast when they are clean, forgiving when they are not."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def decode_text(data: bytes) -> str:
    """Bytes to text: UTF-8 or marked UTF-16, byte order marks dropped, bad bytes U+FFFD.

    >>> decode_text(b"\\xef\\xbb\\xbfa\\xff")
    'a\\ufffd'
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def decode_json(data: bytes, depth: int = 200) -> Any:
    """One JSON value, fast when it is clean and forgiving when it is not.

    Accepts a byte order mark, NaN and Infinity (read as None), lone surrogates and bad UTF-8
    (U+FFFD), and integers of any size. Raises `ValueError` for what is not JSON, or nested deeper
    than `depth`.

    >>> decode_json(b'{"a": NaN}')
    {'a': None}
    """
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = decode_text(data).replace("\0", "")
        try:
            value = _clean(json.loads(text, parse_constant=lambda _: None, strict=False))
        except RecursionError:
            raise ValueError(f"nested deeper than {depth} levels") from None
    except RecursionError:
        raise ValueError(f"nested deeper than {depth} levels") from None
    # Counting brackets is far cheaper than walking, and most documents stop here.
    if data.count(b"[") + data.count(b"{") > depth and _depth_exceeds(value, depth):
        raise ValueError(f"nested deeper than {depth} levels")
    return value


def _depth_exceeds(value: Any, depth: int) -> bool:
    """Whether containers nest deeper than `depth`, level by level and without recursion."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth + 1):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
