"""The time in which one indexer owns a partition: reading, classifying, writing, and giving account.

While Redis writes one batch, the next is classified. Nothing is acknowledged before it is written, and a script
that finds Redis in another state than expected writes nothing: so a crash anywhere loses nothing and doubles
nothing.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import redis
from redis.exceptions import ResponseError

from engine.batch import Batch, Entry
from engine.cancel import withdraw, withdrawn_by
from engine.classify import ContractState, classify, recent_of
from engine.contract_states import ContractStates
from engine.pipe import Pipe
from engine.print_reader import PrintReader, Read
from engine.scripts import script, translate
from engine.search_command import read_reply
from engine.settings import Settings
from schemas import keys
from schemas.conditions import FLAG_LETTERS
from schemas.contract import parse_osi
from schemas.errors import FlowtapeError, NotOwnerError, StaleStateError
from schemas.flags import Flag
from schemas.print import Print, Reference
from schemas.trade import Trade

log = logging.getLogger("flowtape.indexer")

IN_FLIGHT = 3
"""Batches that Redis may still be writing while the next one is classified."""

TRIM_EVERY = 20_000
"""Prints after which the stream is trimmed."""

TAPE_LOOKBACK = 20_000
"""Announced trades that are read back at most to know the last moments of every contract."""

CANDIDATES = 100
"""Trades of a contract that a cancel is compared with at most, newest first."""

RECLAIM_IDLE_MS = 10_000
"""Prints delivered this long ago and not acknowledged are processed again: a cut connection took them along."""

UNKNOWN_FEED = "unknown"
"""Feed under which a dead print is counted that cannot be read."""

_read_trade = msgspec.msgpack.Decoder(Trade).decode
_read_document = msgspec.json.Decoder(Trade).decode


class Tenure:
    """One stretch of owning a partition; made anew whenever ownership or a connection was lost.

    `hold` keeps the partition and says whether it is still ours; `counts` are added to, by outcome.
    """

    def __init__(
        self,
        client: redis.Redis,
        settings: Settings,
        partition: int,
        name: str,
        hold: Callable[[], bool],
        counts: Counter[str],
    ) -> None:
        self._client = client
        self._settings = settings
        self._p = partition
        self._name = name
        self._hold = hold
        self._counts = counts
        self._rules = settings.rules()
        self._seq = int(client.hget(keys.clock(partition), "seq") or 0)
        self._states = ContractStates(settings.contract_states)
        self._states.reset(recent_of(self._last_moments(), self._rules))
        self._flying: deque[Batch] = deque()
        self._held_until = 0.0
        self._reclaim_at = 0.0
        self._since_trim = 0
        client.script_load(script("index_trades").source)
        self._pipe = Pipe(client)
        self._reader = PrintReader(client, partition, name)

    def close(self) -> None:
        """Give the connections back; what was on its way is settled by whoever owns the partition next."""
        self._pipe.close()
        self._reader.close()

    def _last_moments(self) -> list[Trade]:
        """The newest trades of the tape, newest first, back to well before the sweep window."""
        window = 4 * max(self._settings.sweep_ms, self._settings.repeat_ms)
        trades: list[Trade] = []
        last = "+"
        while len(trades) < TAPE_LOOKBACK:
            page: Any = self._client.xrevrange(keys.tape(self._p), max=last, count=1_000)
            if not page:
                break
            read = self._readable(page)
            trades += read
            if read and max(t.ts for t in read) < trades[0].ts - window:
                break
            last = "(" + page[-1][0].decode()
        return trades

    def _readable(self, page: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> list[Trade]:
        """The trades of a page; what another version announced is left out of sweeps and repeats."""
        trades = []
        for entry_id, fields in page:
            try:
                trades.append(_read_trade(fields[b"d"]))
            except (msgspec.DecodeError, KeyError) as error:
                log.warning("entry %s of %s is no trade: %s", entry_id.decode(), keys.tape(self._p), error)
        return trades

    def work(self, stopping: Callable[[], bool]) -> None:
        """Process what earlier owners left unacknowledged, then new prints as they come.

        While there is a backlog, the next prints and their contracts' states are fetched in the middle of writing
        the present ones, so that Redis always has a batch to write.
        """
        self._process_pending(min_idle_ms=0)
        entries: list[Entry] = []
        full = False
        while not stopping():
            self._reader.ask(wait=not full)
            batches = self._split(entries)
            middle = len(batches) // 2 if full else len(batches)
            self._write_each(batches[:middle])
            if not full:
                self._settle_all()
            read = self._reader.take()
            missing = self._ask_states(read)
            self._write_each(batches[middle:])
            self._load_states(missing)
            self._bury_each(read)
            self._keep()
            entries, full = read.entries, read.full
            if not entries and time.monotonic() >= self._reclaim_at:
                self._process_pending(min_idle_ms=RECLAIM_IDLE_MS)
        self._write_each(self._split(entries))
        self._settle_all()

    def _process_pending(self, min_idle_ms: int) -> None:
        for read in self._reader.claim(min_idle_ms):
            log.info("takes over %d prints that were not acknowledged", len(read.entries))
            self._load_states(self._ask_states(read))
            self._bury_each(read)
            self._write_each(self._split(read.entries))
            self._settle_all()
            self._keep()
        self._reclaim_at = time.monotonic() + RECLAIM_IDLE_MS / 1000

    def _ask_states(self, read: Read) -> list[str]:
        """Ask for the states that are not in memory; what is missing there is in no batch on its way."""
        missing = self._states.missing(parse_osi(entry.event.symbol).symbol for entry in read.entries)
        self._reader.ask_states(missing)
        return missing

    def _load_states(self, symbols: Sequence[str]) -> None:
        for symbol in symbols:
            try:
                self._states.load(symbol, self._reader.state())
            except (ResponseError, ValueError) as error:
                log.error(
                    "the state of %s cannot be read (%s): its prints go to the dead stream", symbol, error
                )

    def _bury_each(self, read: Read) -> None:
        for entry in read.unreadable:
            self._bury(entry.id, entry.raw, UNKNOWN_FEED, entry.kind, entry.reason)

    def _split(self, entries: Sequence[Entry]) -> list[Sequence[Entry]]:
        size = self._settings.index_batch
        return [entries[start : start + size] for start in range(0, len(entries), size)]

    def _write_each(self, batches: Sequence[Sequence[Entry]]) -> None:
        for entries in batches:
            if any(_is_cancel(entry.event) for entry in entries):
                # What it takes back is looked up in Redis: all before it must be there.
                self._settle_all()
            self._write(self._make(entries))
            while len(self._flying) > IN_FLIGHT:
                self._settle()

    def _make(self, entries: Sequence[Entry]) -> Batch:
        """Classify entries into a batch; what cannot be processed goes to the dead stream."""
        batch = Batch()
        now_ms = time.time_ns() // 1_000_000
        for entry in entries:
            event = entry.event
            try:
                if isinstance(event, Print):
                    self._add_print(batch, event, now_ms)
                else:
                    self._add_reference(batch, event, now_ms)
            except redis.RedisError:
                raise
            except Exception as error:
                # A fault of our own must not stop the prints behind this one either.
                if not isinstance(error, FlowtapeError):
                    log.exception("print %s cannot be classified", entry.id.decode())
                reason = (
                    str(error) if isinstance(error, FlowtapeError) else f"{type(error).__name__}: {error}"
                )
                kind = "print" if isinstance(event, Print) else "reference"
                self._bury(entry.id, entry.raw, event.feed, kind, reason)
            else:
                batch.entries.append(entry)
        return batch

    def _add_print(self, batch: Batch, print_: Print, now_ms: int) -> None:
        if print_.id in batch.new:
            batch.counts[f"{print_.feed}:duplicates"] += 1
            return
        contract = parse_osi(print_.symbol)
        before = self._state_of(contract.symbol)
        trade, changed, state, cancel = classify(print_, contract, before, self._rules)
        rewritten = [(earlier, _by_id(before.recent, earlier.id)) for earlier in changed]
        withdrawn: Trade | None = None
        if cancel:
            withdrawn = self._find_withdrawn(batch, trade)
            if withdrawn is not None:
                after, state = withdraw(withdrawn, state)
                rewritten.append((after, withdrawn))
        batch.counts[f"{print_.feed}:cancels" if cancel else f"{print_.feed}:indexed"] += 1
        if cancel and withdrawn is None:
            batch.counts[f"{print_.feed}:cancels_unmatched"] += 1
        for earlier, was in rewritten:
            batch.rewrite(earlier, was, print_.feed)
        batch.new[trade.id] = trade
        self._states[contract.symbol] = batch.set_state(contract.symbol, before, state, now_ms)

    def _add_reference(self, batch: Batch, reference: Reference, now_ms: int) -> None:
        symbol = parse_osi(reference.symbol).symbol
        before = self._state_of(symbol)
        batch.counts[f"{reference.feed}:references"] += 1
        if reference.date < before.date:
            return
        after = before._replace(date=before.date or reference.date, open_interest=reference.open_interest)
        self._states[symbol] = batch.set_state(symbol, before, after, now_ms)

    def _state_of(self, symbol: str) -> ContractState:
        try:
            return self._states[symbol]
        except KeyError:
            raise FlowtapeError(
                f"The state of {symbol} could not be read.",
                f"Look at the key {keys.contract(self._p, symbol)}.",
            ) from None

    def _find_withdrawn(self, batch: Batch, cancel: Trade) -> Trade | None:
        """The trade that a cancel takes back, in this batch or in Redis, where no batch is on its way."""
        search = self._client.execute_command(
            "FT.SEARCH", keys.index(self._p), "@symbol:{$symbol} @size:[$size $size] @price:[$price $price]",
            "PARAMS", 6, "symbol", cancel.symbol, "size", cancel.size, "price", repr(cancel.price),
            "SORTBY", "seq", "DESC", "LIMIT", 0, CANDIDATES, "RETURN", 1, "$", "DIALECT", 2,
        )  # fmt: skip
        _, rows = read_reply(search, self._settings.query_timeout_ms)
        found = {t.id: t for t in (_read_document(row.document) for row in rows if row.document)}
        found |= batch.changed
        found |= batch.new
        return withdrawn_by(cancel, list(found.values()))

    def _write(self, batch: Batch) -> None:
        if not batch.entries:
            return
        self._seq = batch.seal(self._seq)
        self._pipe.send(*batch.command(self._p, self._name, self._settings))
        self._flying.append(batch)

    def _settle_all(self) -> None:
        while self._flying:
            self._settle()

    def _settle(self) -> None:
        """Take the reply to the oldest batch on its way."""
        batch = self._flying[0]
        try:
            self._pipe.receive()
        except ResponseError as error:
            refusal = translate(error)
            if isinstance(refusal, StaleStateError) and refusal.existing:
                self._write_again(refusal.existing)
                return
            raise refusal from error
        self._flying.popleft()
        self._settled(batch)

    def _settled(self, batch: Batch) -> None:
        for field, increment in batch.counts.items():
            self._counts[field.partition(":")[2]] += increment
        self._since_trim += len(batch.entries)
        self._held_until = time.monotonic() + self._settings.owner_ttl_ms / 1000

    def _write_again(self, existing: Sequence[int]) -> None:
        """Redis has some trades of the oldest batch already: write it, and those behind it, without them."""
        batches = list(self._flying)
        for _ in batches[1:]:
            # Each of them built on the first, so Redis refused it too.
            try:
                self._pipe.receive()
            except ResponseError as error:
                if not isinstance(translate(error), StaleStateError):
                    raise translate(error) from error
        self._flying.clear()
        for batch in reversed(batches):
            for symbol, state in batch.before.items():
                self._states[symbol] = state
        self._seq = batches[0].seq_before
        ids = list(batches[0].new)
        known = {ids[place - 1] for place in existing}
        for batch in batches:
            again = self._without(batch, known)
            self._write(again)
            self._settle_all()
            known = set()

    def _without(self, batch: Batch, known: set[str]) -> Batch:
        fresh = [e for e in batch.entries if not (isinstance(e.event, Print) and e.event.id in known)]
        again = self._make(fresh)
        for entry in batch.entries:
            if isinstance(entry.event, Print) and entry.event.id in known:
                again.entries.append(entry)
                again.counts[f"{entry.event.feed}:duplicates"] += 1
        return again

    def _keep(self) -> None:
        """Keep the partition, and keep the stream short."""
        if (
            time.monotonic() > self._held_until - 0.6 * self._settings.owner_ttl_ms / 1000
            and not self._hold()
        ):
            raise NotOwnerError("The partition was taken over.")
        if self._since_trim >= TRIM_EVERY:
            self._since_trim = 0
            script("trim_prints").run(
                self._client, [keys.prints(self._p)], [keys.INDEXER_GROUP, self._settings.prints_length]
            )

    def _bury(self, entry_id: bytes, raw: bytes, feed: str, kind: str, reason: str) -> None:
        log.warning("print %s goes to the dead stream: %s", entry_id.decode(), reason)
        p = self._p
        buried = script("bury_print").run(
            self._client,
            [keys.prints(p), keys.dead(p), keys.counts(p)],
            [
                keys.INDEXER_GROUP, entry_id, self._settings.dead_length,
                reason, feed, kind, raw, time.time_ns() // 1_000_000,
            ],
        )  # fmt: skip
        self._counts["dead"] += bool(buried)


def _by_id(trades: Sequence[Trade], trade_id: str) -> Trade:
    return next(trade for trade in trades if trade.id == trade_id)


def _is_cancel(event: Print | Reference) -> bool:
    return isinstance(event, Print) and not FLAG_LETTERS[Flag.CANCELLED].isdisjoint(event.conditions)
