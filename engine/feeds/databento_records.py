"""What one DBN record of OPRA means: a print, open interest, a quote to remember, a name, or nothing.

Source: Databento's documents of the schemas and of OPRA.PILLAR. Used live and for files, so that a print has
the same id either way.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, date, datetime

import databento_dbn as dbn

from engine.feeds.databento_stream import Damage, Item
from engine.feeds.decoder import LastQuotes, reject
from engine.feeds.fields import LARGEST_COUNT, LATEST_MS
from schemas.calendar import new_york_date
from schemas.contract import parse_osi
from schemas.errors import ContractError, DecodeError
from schemas.exchanges import DATABENTO
from schemas.print import Event, Print, Reference

FEED_NAME = "databento"
CONSOLIDATED = 30
"""Publisher of the quote of all exchanges together; every other is one exchange."""

INSTRUMENTS = 4_000_000
"""Names of contracts kept; OPRA lists some 1.5 million."""
RECENT_PRINTS = 65_536
"""Prints whose exchange time is remembered, to number those of the same nanosecond."""

_PRICE_SCALE = 1e9
_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


def _dollars(price: int) -> float | None:
    """A DBN price in dollars; None where it is undefined."""
    # A division gives the float nearest to the decimal price, 0.24 for 240000000.
    return None if price == dbn.UNDEF_PRICE else price / _PRICE_SCALE


def _quoted(price: int) -> float | None:
    """One side of a quote in dollars; None where it is undefined, or below zero, which no option is."""
    return None if price < 0 else _dollars(price)


class RecordReader:
    """Turns records into events, with the names and quotes it has seen before.

    A print is known by contract, exchange and exchange time in nanoseconds, and by its place among those that
    have all three in common: `tcbbo` and `cmbp-1` carry no sequence number, and this way the same print has
    one id in every schema, live, replayed and in a file. Databento keeps the order and replays whole
    nanoseconds.

    `ignored` counts what carries no print by its nature, `unnamed` prints of a contract without a name.
    """

    def __init__(self, quotes: int) -> None:
        self._quote_cache = quotes
        self._names: dict[int, str] = {}
        self._shared: dict[int, list[tuple[date, date, str]]] = {}
        self._quotes = LastQuotes(quotes)
        self._recent: OrderedDict[tuple[int, int, int], int] = OrderedDict()
        self._open_interest: tuple[str, int, int] | None = None
        self.ignored = 0
        self.unnamed = 0
        self.newest = 0
        """Newest exchange time of a print, unix ns; 0 before the first."""

    def restart(self) -> None:
        """A new session begins: places within a nanosecond are counted anew, and quotes from before are old."""
        self._recent.clear()
        self._quotes = LastQuotes(self._quote_cache)

    def read(self, item: Item, received: int) -> Event | None:
        """The event of a record or of damage; None where it is none. `received` is unix ms."""
        if isinstance(item, Damage):
            return reject(FEED_NAME, item.reason, item.raw)
        try:
            return self._read(item, received)
        except (DecodeError, ContractError, dbn.DBNError) as error:
            # Reading a text field of a damaged record raises DBNError.
            return reject(FEED_NAME, str(error), b"" if isinstance(item, dbn.Metadata) else bytes(item))

    def _read(self, record: dbn.DBNRecord | dbn.Metadata, received: int) -> Event | None:
        match record:
            case dbn.TradeMsg():
                return self._print(record, received, None)
            case dbn.CMBP1Msg():
                return self._with_quote(record, received, True)
            case dbn.MBP1Msg():
                return self._with_quote(record, received, record.publisher_id == CONSOLIDATED)
            case dbn.CBBOMsg():
                self._remember(record)
            case dbn.SymbolMappingMsg():
                self._name_live(record)
            case dbn.InstrumentDefMsg():
                self._name(record.instrument_id, record.raw_symbol)
            case dbn.StatMsg():
                return self._statistic(record)
            case dbn.Metadata():
                self._name_all(record)
                return None
        self.ignored += 1
        return None

    def _with_quote(
        self, record: dbn.CMBP1Msg | dbn.MBP1Msg, received: int, consolidated: bool
    ) -> Event | None:
        level = record.levels[0]
        if record.action == dbn.Action.TRADE:
            # An exchange's print in mbp-1 may come again under the consolidated publisher: it is one print.
            if isinstance(record, dbn.MBP1Msg) and consolidated:
                self.ignored += 1
                return None
            return self._print(record, received, (_quoted(level.bid_px), _quoted(level.ask_px)))
        if consolidated:
            self._remember(record)
        self.ignored += 1
        return None

    def _print(
        self,
        record: dbn.TradeMsg | dbn.CMBP1Msg | dbn.MBP1Msg,
        received: int,
        quote: tuple[float | None, float | None] | None,
    ) -> Print:
        ts_event, publisher, instrument = record.ts_event, record.publisher_id, record.instrument_id
        if record.action != dbn.Action.TRADE:
            raise DecodeError(f"A trade record has the action {str(record.action)!r}, not T.")
        if not _NS_PER_MS <= ts_event <= LATEST_MS * _NS_PER_MS:
            raise DecodeError(f"A trade record has the exchange time {ts_event} ns.")
        price = _dollars(record.price)
        if price is None or price < 0 or not 1 <= record.size <= LARGEST_COUNT:
            raise DecodeError(f"A trade record has the price {price} and the size {record.size}.")
        name = self._name_of(instrument, ts_event)
        if name is None:
            self.unnamed += 1
            raise DecodeError(
                f"The instrument {instrument} has no symbol: no mapping or definition of it came before."
            )
        symbol = parse_osi(name).symbol
        place = self._place(publisher, instrument, ts_event)
        bid, ask = self._quotes.quote(symbol) if quote is None else quote
        if ts_event > self.newest:
            self.newest = ts_event
        return Print(
            id=f"db_{symbol}_{publisher}_{ts_event:x}" + (f"_{place}" if place else ""),
            feed=FEED_NAME,
            ts=ts_event // _NS_PER_MS,
            received=received,
            symbol=symbol,
            price=price,
            size=record.size,
            exchange=DATABENTO.get(publisher, ""),
            bid=bid,
            ask=ask,
        )

    def _place(self, publisher: int, instrument: int, ts_event: int) -> int:
        """How many prints of this contract, exchange and nanosecond came before in this session."""
        recent, key = self._recent, (publisher, instrument, ts_event)
        place = recent.get(key, -1) + 1
        recent[key] = place
        if len(recent) > RECENT_PRINTS:
            recent.popitem(last=False)
        return place

    def _remember(self, record: dbn.CMBP1Msg | dbn.MBP1Msg | dbn.CBBOMsg) -> None:
        """Remember a quote; an undefined side means that nobody bids or offers."""
        level = record.levels[0]
        if name := self._name_of(record.instrument_id, record.ts_event):
            bid, ask = _quoted(level.bid_px) or 0.0, _quoted(level.ask_px) or 0.0
            self._quotes.set_quote(parse_osi(name).symbol, bid, ask)

    def _statistic(self, record: dbn.StatMsg) -> Reference | None:
        """Open interest, which every exchange reports again: once is enough."""
        if record.stat_type != dbn.StatType.OPEN_INTEREST or record.quantity in (dbn.UNDEF_STAT_QUANTITY, -1):
            self.ignored += 1
            return None
        if not 0 <= record.quantity <= LARGEST_COUNT or record.ts_event > LATEST_MS * _NS_PER_MS:
            raise DecodeError(f"Open interest is {record.quantity} at {record.ts_event} ns.")
        name = self._name_of(record.instrument_id, record.ts_event)
        if name is None:
            raise DecodeError(f"The instrument {record.instrument_id} has open interest, but no symbol.")
        found = parse_osi(name).symbol, new_york_date(record.ts_event // _NS_PER_MS), record.quantity
        if found == self._open_interest:
            self.ignored += 1
            return None
        self._open_interest = found
        symbol, day, quantity = found
        return Reference(feed=FEED_NAME, symbol=symbol, date=day, open_interest=quantity)

    def _name(self, instrument: int, symbol: str) -> None:
        if len(self._names) >= INSTRUMENTS and instrument not in self._names:
            raise DecodeError(f"More than {INSTRUMENTS} contracts have been named.")
        self._names[instrument] = symbol

    def _name_live(self, record: dbn.SymbolMappingMsg) -> None:
        """The name of an instrument in a live session: what was subscribed to, or what that stands for."""
        for symbol in (record.stype_out_symbol, record.stype_in_symbol):
            try:
                parse_osi(symbol)
            except ContractError:
                continue
            self._name(record.instrument_id, symbol)
            return
        raise DecodeError(
            f"{record.stype_out_symbol!r} names the instrument {record.instrument_id}: no OSI symbol."
        )

    def _name_all(self, metadata: dbn.Metadata) -> None:
        """The names of a file: symbols and the instruments they stand for."""
        if metadata.dataset != "OPRA.PILLAR":
            raise DecodeError(f"The data set is {metadata.dataset!r}, not OPRA.PILLAR.")
        for symbol, intervals in metadata.mappings.items():
            for interval in intervals:
                if not interval["symbol"].isdigit():
                    continue
                instrument = int(interval["symbol"])
                if self._names.get(instrument, symbol) != symbol:
                    self._shared.setdefault(instrument, [])
                self._name(instrument, symbol)
        if self._shared:
            self._date_names(metadata)

    def _date_names(self, metadata: dbn.Metadata) -> None:
        """In a file of several days one instrument may be two contracts, each on days of its own."""
        for symbol, intervals in metadata.mappings.items():
            for interval in intervals:
                days = self._shared.get(int(interval["symbol"])) if interval["symbol"].isdigit() else None
                if days is not None:
                    days.append((interval["start_date"], interval["end_date"], symbol))

    def _name_of(self, instrument: int, ts_event: int) -> str | None:
        """The name of an instrument at a time, unix ns; None where it has none."""
        if instrument not in self._shared or ts_event > LATEST_MS * _NS_PER_MS:
            return self._names.get(instrument)
        day = datetime.fromtimestamp(ts_event // _NS_PER_S, UTC).date()
        return next((name for start, end, name in self._shared[instrument] if start <= day < end), None)
