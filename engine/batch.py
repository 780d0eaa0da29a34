"""One batch of prints on its way into Redis: what it will write, and what to undo if Redis refuses it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

from engine.classify import ContractState
from engine.scripts import Argument, script
from engine.settings import Settings
from schemas import keys
from schemas.flags import NOTABLE
from schemas.print import Print, Reference
from schemas.trade import Trade

CONTRACT_TTL_MS = 36 * 3_600_000
"""A contract's hash outlives its last print by this, or by up to RENEW_MS less."""

RENEW_MS = 30 * 60_000
"""How old a contract's time to live may be before it is set again: doing so for every print costs Redis 1 us each."""

_to_json = msgspec.json.Encoder().encode
_to_msgpack = msgspec.msgpack.Encoder().encode


class Entry(NamedTuple):
    """One entry of the prints stream."""

    id: bytes
    event: Print | Reference
    raw: bytes


class Batch:
    """Trades, contract states and acknowledgements that one run of `index_trades` writes together."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.new: dict[str, Trade] = {}
        self.changed: dict[str, Trade] = {}
        self.was: dict[str, Trade] = {}
        """Each changed trade as it was announced before."""
        self.contracts: dict[str, ContractState] = {}
        self.before: dict[str, ContractState] = {}
        """State of each contract before this batch touched it."""
        self.renewed: set[str] = set()
        """Contracts whose time to live begins anew."""
        self.counts: Counter[str] = Counter()
        self.seq_before = 0
        self.seq_after = 0

    def set_state(
        self, symbol: str, before: ContractState, after: ContractState, now_ms: int
    ) -> ContractState:
        """Note a contract's new state, and the one to return to; the state as it is to be kept in memory."""
        self.before.setdefault(symbol, before)
        if now_ms - after.renewed >= RENEW_MS:
            self.renewed.add(symbol)
            after = after._replace(renewed=now_ms)
        self.contracts[symbol] = after
        return after

    def rewrite(self, trade: Trade, was: Trade, feed: str) -> None:
        """Note an earlier trade as it is now and was before; one of this same batch is simply written so."""
        if trade.id in self.new:
            self.new[trade.id] = trade
            return
        if trade.id not in self.changed:
            self.counts[f"{feed}:rewritten"] += 1
            self.was[trade.id] = was
        self.changed[trade.id] = trade

    def seal(self, seq: int) -> int:
        """Give every trade its `seq`, following on `seq`; returns the last one given."""
        self.seq_before = seq
        for trade in (*self.new.values(), *self.changed.values()):
            seq += 1
            trade.seq = seq
        # A batch that writes states alone moves seq as well: by seq an indexer knows that its states are stale.
        self.seq_after = seq if seq > self.seq_before or not self.contracts else seq + 1
        return self.seq_after

    def command(self, partition: int, owner: str, settings: Settings) -> tuple[Argument, ...]:
        """The EVALSHA that writes this batch."""
        p = partition
        new, changed_ids, changed = list(self.new.values()), list(self.changed), list(self.changed.values())
        names = [keys.prints(p), keys.tape(p), keys.owner(p), keys.clock(p), keys.counts(p)]
        prefix = keys.trade_prefix(p)
        names += [prefix + trade.id for trade in new]
        names += [prefix + trade.id for trade in changed]
        names += [keys.contract(p, symbol) for symbol in self.contracts]
        arguments: list[Argument] = [
            owner,
            settings.owner_ttl_ms,
            keys.INDEXER_GROUP,
            self.seq_before,
            self.seq_after,
            max((trade.ts for trade in new), default=0),
            settings.tape_length,
            len(new),
            len(changed),
            len(self.contracts),
            len(self.entries),
            len(self.counts),
        ]
        notable, ordinary = settings.ttl_notable * 1000, settings.ttl_ordinary * 1000
        for trade in (*new, *changed):
            ttl = ordinary if NOTABLE.isdisjoint(trade.flags) else notable
            arguments += (_to_json(trade), _to_msgpack(trade), ttl)
        for trade_id in changed_ids:
            was = self.was[trade_id]
            arguments.append(_to_msgpack((was.side, was.sentiment, was.flags)))
        for symbol, state in self.contracts.items():
            interest = "" if state.open_interest is None else state.open_interest
            arguments += (state.date, state.volume, interest)
            arguments.append(CONTRACT_TTL_MS if symbol in self.renewed else 0)
        arguments += [entry.id for entry in self.entries]
        for field, increment in self.counts.items():
            arguments += (field, increment)
        return script("index_trades").command(names, arguments)
