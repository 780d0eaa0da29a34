"""Recorded text files: their lines, with or without gzip, bounded, and errors that say what is wrong."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from engine.feeds.fields import LARGEST_COUNT
from schemas.errors import DecodeError, FileFormatError

LINE_BYTES = 65_536
"""Bytes of a line; a longer one is cut here, and `split` says that it is too long."""

COUNT_BYTES = 1 << 20
"""Bytes read at once to count lines."""

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


def is_gzip(path: Path) -> bool:
    """Whether a file begins as gzip does, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file without their ends.

    Raises FileFormatError for a file that is empty, cannot be read, or ends in the middle of its gzip.
    """
    try:
        compressed = is_gzip(path)
        with gzip.open(path) if compressed else path.open("rb") as file:
            line = file.readline(LINE_BYTES + 2).removeprefix(_BOM)
            if not line:
                raise FileFormatError(f"{path} is empty.", "Download or record it again.")
            while line:
                if not line.endswith(b"\n") and len(line) > LINE_BYTES:
                    _skip_line(file)
                yield line.rstrip(b"\r\n")
                line = file.readline(LINE_BYTES + 2)
    except EOFError:
        raise FileFormatError(
            f"{path} ends in the middle of its gzip stream.", "Download it again; what came before is used."
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(
            f"{path} is damaged gzip: {error}.", "Download it again; what came before is used."
        ) from None
    except OSError as error:
        raise FileFormatError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and its permissions."
        ) from None


def _skip_line(file: gzip.GzipFile | BufferedReader) -> None:
    while part := file.readline(LINE_BYTES):
        if part.endswith(b"\n"):
            return


def split(line: bytes) -> list[str]:
    """The fields of a line of comma-separated values. Raises DecodeError."""
    if len(line) > LINE_BYTES:
        raise DecodeError(f"The line is longer than {LINE_BYTES} bytes.")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"The line is not UTF-8 at byte {error.start}.") from None
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except (csv.Error, StopIteration) as error:
        raise DecodeError(f"The line is no comma-separated values: {error}.") from None


def header(first: bytes, path: Path) -> list[str]:
    """The column names of a first line, in lower case. Raises FileFormatError where it is no text."""
    try:
        return [name.strip().lower() for name in split(first)]
    except DecodeError as error:
        raise FileFormatError(f"{path} has no readable header: {error}", "Check --format.") from None


def whole(text: str, name: str, least: int = 0, most: int = LARGEST_COUNT) -> int:
    """A whole number from `least` to `most`. Raises DecodeError naming the column."""
    digits = text.strip()
    if len(digits) <= 20 and digits.isascii() and digits.removeprefix("-").isdigit():
        value = int(digits)
        if least <= value <= most:
            return value
    raise DecodeError(f"{name} is {text[:40]!r}, not a whole number from {least} to {most}.")


def number(text: str, name: str) -> float | None:
    """A finite number; None where there is none. Raises DecodeError naming the column."""
    try:
        value = float(text) if text and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    if not text.strip():
        return None
    raise DecodeError(f"{name} is {text[:40]!r}, not a number.")


def dollars(text: str, name: str) -> float | None:
    """Dollars, zero or more; None where there are none. Raises DecodeError naming the column."""
    value = number(text, name)
    if value is not None and value < 0:
        raise DecodeError(f"{name} is {text[:40]!r}, not zero dollars or more.")
    return value


def price(text: str, name: str) -> float:
    """Dollars, zero or more. Raises DecodeError naming the column."""
    value = dollars(text, name)
    if value is None:
        raise DecodeError(f"{name} is empty, expected dollars.")
    return value


def count_lines(path: Path) -> int | None:
    """How many lines a file has; None for a compressed or unreadable one."""
    try:
        if is_gzip(path):
            return None
        found, last = 0, b"\n"
        with path.open("rb") as file:
            while part := file.read(COUNT_BYTES):
                found += part.count(b"\n")
                last = part[-1:]
        return found + (last != b"\n")
    except OSError:
        return None
