"""Which format a file is of, where that is unmistakable."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import zstandard

from engine.feeds.file_format import HEAD_BYTES, FileFormat
from engine.feeds.registry import file_format, format_names
from schemas.errors import FileFormatError

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def recognise(path: Path) -> FileFormat:
    """The one format that knows the file for its own. Raises FileFormatError where none or several do."""
    try:
        head = _head(path)
    except OSError as error:
        raise FileFormatError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its permissions."
        ) from None
    if not head:
        raise FileFormatError(
            f"{path} is empty or damaged from its first byte.", "Download or record it again."
        )
    found = [known for name in format_names() if (known := file_format(name)).recognise(path, head)]
    if len(found) != 1:
        why = " or ".join(known.name for known in found) if found else "not known"
        raise FileFormatError(
            f"The format of {path} is {why}.", f"Name it with --format: {', '.join(format_names())}."
        )
    return found[0]


def _head(path: Path) -> bytes:
    """The first bytes of the content, gzip and zstd undone; what can be had of a damaged file."""
    with path.open("rb") as file:
        raw = file.read(HEAD_BYTES)
    try:
        if raw.startswith(_GZIP):
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(raw, HEAD_BYTES)
        if raw.startswith(_ZSTD):
            with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
                return reader.read(HEAD_BYTES)
    except (zlib.error, gzip.BadGzipFile, zstandard.ZstdError):
        return b""
    return raw
