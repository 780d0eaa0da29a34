"""What a file format is: how to read the events out of a recorded file, and how far along that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.settings import Settings
from schemas.print import Event

HEAD_BYTES = 65_536
"""Bytes from a file's beginning that a format is recognised by."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows that are neither trade nor open interest by their nature: counted, so that none is lost."""

    reason: str
    """Two or three words, the same for all rows of a kind: `header`, `control frame`."""
    rows: int = 1


Row = Event | Skipped
"""What one row of a file becomes."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One recorded format; a module of `engine.feeds` names it `FORMAT`."""

    name: str
    """As on the command line, `massive-flat`."""
    summary: str
    """One line for people: what the file is and whose."""
    read: Callable[[Path, Settings], Iterator[Row]]
    """What the rows become, in the file's order, lazily: each row is one event, or is counted in a Skipped.

    A wrong row is a Reject. A wrong or damaged file raises FileFormatError, after the rows before the damage.
    """
    total: Callable[[Path], int | None]
    """How many rows are to be expected, for a progress bar; None where only reading it whole would tell."""
    recognise: Callable[[Path, bytes], bool]
    """Whether a file is unmistakably of this format, by its path and first bytes (gzip and zstd undone)."""
