"""Pages of trades: rows in their order, newest first, and the cursor that names where a page ended."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from engine.search_plan import Position
from schemas.errors import SearchRequestError
from schemas.trade import Trade

PAGE_ROWS: Final = 10_000
"""Rows of one page at most."""

CURSOR_CHARS: Final = 80
"""Characters of a cursor at most."""


class Row(NamedTuple):
    """One trade that was found."""

    position: Position
    document: bytes
    """The JSON document as it is in Redis."""

    def trade(self) -> Trade:
        """The document decoded."""
        return _to_trade(self.document)


class Page(NamedTuple):
    """Rows newest first; `before` asks for the next page, None where this one was not full."""

    rows: list[Row]
    before: str | None


class Tail(NamedTuple):
    """What was announced since: the newest rows, newest first, and how many there were in all."""

    rows: list[Row]
    total: int


class _Key(msgspec.Struct):
    ts: int
    seq: int


_to_key = msgspec.json.Decoder(_Key).decode
_to_trade = msgspec.json.Decoder(Trade).decode


def cursor_of(position: Position) -> str:
    """The opaque text that stands for a position between pages."""
    return base64.urlsafe_b64encode(".".join(map(str, position)).encode()).rstrip(b"=").decode()


def position_of(cursor: str) -> Position:
    """The position of such a text. Raises SearchRequestError."""
    try:
        if len(cursor) > CURSOR_CHARS:
            raise ValueError
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
        ts, seq, partition = map(int, text.split("."))
        if not (0 <= ts < 2**53 and 0 <= seq < 2**53 and 0 <= partition < 2**14):
            raise ValueError
    except (ValueError, binascii.Error):
        raise SearchRequestError(
            f"{cursor[:40]!r} is no cursor of a page.",
            "Give the one that the page before ended with, or none.",
            parameter="before",
        ) from None
    return Position(ts, seq, partition)


def rows_of(documents: Iterable[bytes], partition: int, limit: int) -> list[Row]:
    """The first `limit` rows in the order of pages."""
    rows = []
    for document in documents:
        key = _to_key(document)
        rows.append(Row(Position(key.ts, key.seq, partition), document))
    return newest_rows(rows, limit)


def newest_rows(rows: Iterable[Row], limit: int) -> list[Row]:
    """The first `limit` of rows of any order: newest first by `ts`, then `seq`, then partition."""
    return sorted(rows, key=_newest_first)[:limit]


def check_limit(limit: int) -> None:
    """Raises SearchRequestError for a number of rows that no page has."""
    if not 1 <= limit <= PAGE_ROWS:
        raise SearchRequestError(
            f"{limit} rows were asked for.", f"A page has from 1 to {PAGE_ROWS} rows.", parameter="limit"
        )


def _newest_first(row: Row) -> tuple[int, int, int]:
    ts, seq, partition = row.position
    return -ts, -seq, -partition
