"""Members of zip archives whose compression Python's own module may not know."""

from __future__ import annotations

import lzma
import os
import struct
import zipfile
import zlib
from typing import IO

from tracekit.optional import require

_ZSTD = 93
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)
_HEADER = struct.Struct("<4s5H3L2H")  # APPNOTE 4.3.7, local file header


def open_zip(file: str | os.PathLike[str] | IO[bytes]) -> zipfile.ZipFile:
    """The archive; raises `ValueError` for one that is damaged or of an unknown kind."""
    try:
        return zipfile.ZipFile(file)
    except (*_DAMAGE, NotImplementedError, OSError, EOFError, struct.error) as error:
        raise ValueError(str(error)) from error


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The bytes of a member: stored, deflate, bzip2, lzma or zstd (through the extra).

    Raises `ValueError` for a damaged member and for one of more than `limit` bytes, `MissingExtra`
    when zstd is needed and not installed.
    """
    info = archive.getinfo(name)
    if info.file_size > limit:
        raise ValueError(f"{info.file_size} bytes are over {limit}; raise --max-file-bytes")
    try:
        if info.compress_type == _ZSTD:
            return _zstd(archive, info, limit)
        with archive.open(info) as stream:
            data = stream.read(limit + 1)
    except (*_DAMAGE, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ValueError(str(error)) from error
    if len(data) > limit:
        raise ValueError(f"it expands to over {limit} bytes; raise --max-file-bytes")
    return data


def _zstd(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    zstandard = require("zstandard", "zstd")
    stream = archive.fp
    if stream is None:
        raise ValueError("the archive is closed")
    stream.seek(info.header_offset)
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size or header[:4] != b"PK\x03\x04":
        raise ValueError("its local header is damaged")
    *_, name_size, extra_size = _HEADER.unpack(header)
    stream.seek(name_size + extra_size, 1)
    packed = stream.read(info.compress_size)
    try:
        unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        data = bytes(unpacker.decompress(packed))
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if len(data) > limit or (info.CRC and zlib.crc32(data) != info.CRC):
        raise ValueError("its content does not match its header")
    return data
