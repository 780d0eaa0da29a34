"""Follows the tape of all partitions for a screen: the newest trades, upserted by id, within bounds."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import redis

from schemas import keys
from schemas.flags import Flag
from schemas.trade import Trade

AT_ONCE = 1_000
"""Trades of a partition read in one look; of more, the newest: a screen has no room for the others."""

NEWEST, NOTABLE = 300, 100
"""Trades that are kept for the screen, and notable ones beside them."""

NOTABLE_FLAGS = frozenset({Flag.LARGE_PREMIUM, Flag.BLOCK, Flag.GOLDEN})
"""What stays on the screen longer than others: large money."""


class Shelf:
    """Trades by id, newest first, at most so many."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._trades: dict[str, Trade] = {}

    def put(self, trades: Iterable[Trade]) -> None:
        """Add or replace."""
        held = self._trades
        for trade in trades:
            before = held.get(trade.id)
            if before is None or before.seq < trade.seq:
                held[trade.id] = trade
        if len(held) > self._limit:
            self._trades = {trade.id: trade for trade in self.newest(self._limit)}

    def drop(self, trade_id: str) -> None:
        """Forget one, where it is held."""
        self._trades.pop(trade_id, None)

    def newest(self, number: int) -> list[Trade]:
        """The newest by exchange time, newest first."""
        return sorted(self._trades.values(), key=lambda trade: (trade.ts, trade.seq), reverse=True)[:number]


class TapeFollower:
    """Reads what was announced since the last look, newest first, never more than AT_ONCE a partition."""

    def __init__(self, client: redis.Redis, partitions: int) -> None:
        self._client = client
        self._last = dict.fromkeys(range(partitions), b"")
        self._decode = msgspec.msgpack.Decoder(Trade).decode
        self.trades = Shelf(NEWEST)
        self.notable = Shelf(NOTABLE)

    def poll(self) -> int:
        """Look once; how many trades came."""
        with self._client.pipeline(transaction=False) as pipe:
            for p, last in self._last.items():
                pipe.xrevrange(keys.tape(p), "+", b"(" + last if last else "-", count=AT_ONCE)
            replies = pipe.execute()
        found: list[Trade] = []
        for p, entries in zip(self._last, replies, strict=True):
            if entries:
                self._last[p] = entries[0][0]
                found += [self._decode(fields[b"d"]) for _, fields in entries]
        self.trades.put(found)
        self.notable.put(trade for trade in found if not NOTABLE_FLAGS.isdisjoint(trade.flags))
        for trade in found:
            if Flag.CANCELLED in trade.flags:
                self.notable.drop(trade.id)
        return len(found)
