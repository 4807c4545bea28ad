"""Bytes to text and JSON: fast when they are clean, forgiving when they are not."""

from __future__ import annotations

import codecs
import io
import json
import math
from typing import IO, Any

import msgspec

WIDE = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16, which Windows shells write."""


def decode_text(data: bytes) -> str:
    """Bytes to text: UTF-8 or marked UTF-16, byte order marks dropped, bad bytes U+FFFD.

    >>> decode_text(b"\\xef\\xbb\\xbfa\\xff")
    'a\\ufffd'
    """
    if data[:2] in WIDE:
        return data.decode("utf-16", "replace")
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


LENIENT = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None, strict=False)
"""Reads what is nearly JSON; numbers that are not finite are None."""


def decode_json(data: bytes, depth: int = 200) -> Any:
    """One JSON value, fast when it is clean and forgiving when it is not.

    Accepts a byte order mark, NaN, Infinity and 1e999 (read as None), lone surrogates and bad UTF-8
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
            value = clean(LENIENT.decode(text))
        except RecursionError:
            raise ValueError("nested deeper than can be read") from None
    except RecursionError:
        raise ValueError("nested deeper than can be read") from None
    # Counting brackets is far cheaper than walking, and most documents stop here.
    if data.count(b"[") + data.count(b"{") > depth and too_deep(value, depth):
        raise ValueError(f"nested deeper than {depth} levels; raise --max-depth")
    return value


def too_deep(value: Any, depth: int) -> bool:
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


def clean(value: Any) -> Any:
    """A JSON value whose texts can be written again: lone surrogates become question marks.

    >>> clean({"a": ["\\ud800"]})
    {'a': ['?']}
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    return value


class Narrow(io.RawIOBase):
    """A stream of marked UTF-16 as UTF-8, decoded as it is read; bad units become U+FFFD.

    >>> io.BufferedReader(Narrow(io.BytesIO("a\\n".encode("utf-16")))).read()
    b'a\\n'
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        self._left = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer with text in UTF-8."""
        while not self._left:
            data = self._stream.read(1 << 16)
            self._left = self._decoder.decode(data, final=not data).encode("utf-8", "replace")
            if not data:
                break
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Close the stream below as well."""
        self._stream.close()
        super().close()
