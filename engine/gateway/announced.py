"""One announcement of the tape: the trade, what it was before, and its row, encoded once for everybody."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from copy import copy
from typing import NamedTuple

import msgspec

from engine.search_page import Row
from schemas.messages import Encoding
from schemas.stream_position import Offset
from schemas.trade import Trade

log = logging.getLogger(__name__)


class _Before(NamedTuple):
    side: str
    sentiment: str
    flags: tuple[str, ...]


_to_trade = msgspec.msgpack.Decoder(Trade).decode
_to_trade_of_document = msgspec.json.Decoder(Trade).decode
_to_before = msgspec.msgpack.Decoder(_Before).decode


class Announced:
    """An entry of the tape, or a document that a search found.

    `was` is the trade as it was announced before; None for one that is new. `offset` is where on the tape it
    stands; None for a document.
    """

    __slots__ = ("_rows", "offset", "order", "partition", "trade", "was")

    def __init__(
        self, trade: Trade, partition: int, was: Trade | None = None, offset: Offset | None = None
    ) -> None:
        self.trade = trade
        self.partition = partition
        self.was = was
        self.offset = offset
        self.order = (trade.ts, trade.seq, partition)
        """Newest first is by this, descending: as pages of a search are ordered."""
        self._rows: dict[str, msgspec.Raw] = {}

    def row(self, encoding: Encoding) -> msgspec.Raw:
        """The row in an encoding, ready to be spliced into a message."""
        row = self._rows.get(encoding.subprotocol)
        if row is None:
            row = msgspec.Raw(encoding.encode(msgspec.structs.astuple(self.trade)))
            self._rows[encoding.subprotocol] = row
        return row


def announced_of(rows: Iterable[Row]) -> list[Announced]:
    """Found documents as they are sent. One that is no trade is passed over: it would hold up all behind it."""
    found = []
    for row in rows:
        try:
            found.append(Announced(_to_trade_of_document(row.document), row.position.partition))
        except msgspec.DecodeError as error:
            log.warning("a document of partition %d is no trade: %s", row.position.partition, error)
    return found


def read_entry(partition: int, entry_id: bytes, fields: Mapping[bytes, bytes]) -> Announced:
    """The announcement of an entry of the tape. Raises msgspec.DecodeError or KeyError for one that is none."""
    trade = _to_trade(fields[b"d"])
    ms, _, n = entry_id.partition(b"-")
    offset = Offset(int(ms), int(n), trade.seq)
    if (packed := fields.get(b"w")) is None:
        return Announced(trade, partition, None, offset)
    was = copy(trade)
    was.side, was.sentiment, was.flags = _to_before(packed)
    return Announced(trade, partition, was, offset)
