"""Recordings of Unusual Whales' WebSocket: a line a frame.

A line is `local time|channel|payload`, as the vendor's own examples record it, with the payload as a Python dict
or as JSON; or it is the JSON of a frame, `[channel, payload]`, or of a payload alone.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.feeds.decoder import reject
from engine.feeds.file_format import FileFormat, Row, Skipped
from engine.feeds.text_file import LINE_BYTES, count_lines, lines
from engine.feeds.unusual_whales import CHANNEL, NAME, PayloadReader
from engine.settings import Settings
from schemas.errors import ContractError, DecodeError, FileFormatError
from schemas.print import Reject

ALERTS = "flow-alerts"

EARLY_LINES = 100
"""Wrong lines before the first frame after which a file is taken for another one."""

_BLANK, _COMMENT = Skipped("blank line"), Skipped("comment")
_NO_FRAMES = (_BLANK, _COMMENT)

_decode_json = msgspec.json.Decoder().decode
_NOT_JSON = (msgspec.DecodeError, UnicodeError, RecursionError)
_NOT_LITERAL = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, Warning)


def _literal(text: str) -> object:
    """A payload as JSON or as a Python literal; nothing in it is ever run. Raises DecodeError."""
    try:
        return _decode_json(text)
    except _NOT_JSON:
        pass
    try:
        return ast.literal_eval(text)
    except _NOT_LITERAL:
        raise DecodeError("The payload is neither JSON nor a Python dict.") from None


def frame(line: bytes) -> tuple[str, object]:
    """Channel and payload of a line; the channel of a payload alone is `option_trades`. Raises DecodeError."""
    if len(line) > LINE_BYTES:
        raise DecodeError(f"The line is longer than {LINE_BYTES} bytes.")
    try:
        text = line.decode().strip()
    except UnicodeDecodeError as error:
        raise DecodeError(f"The line is not UTF-8 at byte {error.start}.") from None
    if text.startswith("{"):
        return CHANNEL, _literal(text)
    if text.startswith("["):
        found = _literal(text)
        if not isinstance(found, list) or len(found) != 2 or not isinstance(found[0], str):
            raise DecodeError("The frame is not [channel, payload].")
        return found[0], found[1]
    parts = text.split("|", 2)
    if len(parts) != 3:
        raise DecodeError("The line is not time|channel|payload.")
    return parts[1].strip(), _literal(parts[2].strip())


def read(path: Path, settings: Settings) -> Iterator[Row]:
    """The rows of a recording. Raises FileFormatError as `lines` does, and where no line is a frame."""
    del settings
    reader, received = PayloadReader(), time.time_ns() // 1_000_000
    # Until one line is a frame, the file may be another one: then its lines are no rejects of ours.
    early: list[Reject] = []
    known = False
    for line in lines(path):
        row = _row(reader, line, received)
        if not known and isinstance(row, Reject):
            early.append(row)
            if len(early) > EARLY_LINES:
                break
            continue
        if not known and row not in _NO_FRAMES:
            known = True
            yield from early
        yield row
    if early and not known:
        raise FileFormatError(
            f"{path} has no line that is a frame of Unusual Whales.",
            "Expected time|channel|payload; check --format.",
        )


def _row(reader: PayloadReader, line: bytes, received: int) -> Row:
    if not line.strip():
        return _BLANK
    if line.startswith(b"#"):
        return _COMMENT
    try:
        channel, payload = frame(line)
        kind = channel.partition(":")[0]
        if isinstance(payload, dict) and "response" in payload:
            return Skipped("control frame")
        if kind == ALERTS:
            return Skipped("flow alert, no trade")
        if kind != CHANNEL:
            return Skipped("frame of another channel")
        return reader.read(payload, received) or Skipped("control frame")
    except (DecodeError, ContractError) as error:
        return reject(NAME, str(error), line)


def recognise(path: Path, head: bytes) -> bool:
    """Whether its lines name the vendor's channels."""
    del path
    return any(mark in head for mark in (b"|option_trades", b"|flow-alerts|", b'["option_trades'))


FORMAT = FileFormat(
    name=NAME,
    summary="Recording of Unusual Whales' WebSocket, a frame a line",
    read=read,
    total=count_lines,
    recognise=recognise,
)
