"""Massive (Polygon) live: the options cluster's trades and quotes, JSON arrays over one WebSocket.

Messages, statuses and limits are those of Massive's WebSocket documents (options: trades, quotes). Times are unix
ms, money is dollars. A trade's sequence number `q` is unique within its contract and day, and makes the id.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Self

import msgspec
from msgspec import Meta, Struct

from engine.feeds import fields
from engine.feeds.decoder import LastQuotes, reject
from engine.feeds.live import Frame, LiveFeed
from engine.feeds.quote_watch import QuoteWatch
from engine.feeds.wanted import wanted
from engine.feeds.websocket_line import WebSocketLine
from engine.settings import Settings
from schemas.calendar import new_york_date
from schemas.conditions import BY_MASSIVE
from schemas.contract import parse_osi, ticker
from schemas.errors import ContractError, DecodeError, FeedError, FeedRefusedError
from schemas.exchanges import MASSIVE, OPRA_LETTERS
from schemas.print import Event, Print
from schemas.spelling import MASSIVE_PREFIX, to_massive

NAME = "massive"

QUOTED_CONTRACTS = 1_000
"""Contracts whose quotes one connection may subscribe to (Massive's limit)."""

DAMAGED = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""What decoding JSON can raise."""

EXCHANGES: dict[int, str] = {**{ord(letter): mic for letter, mic in OPRA_LETTERS.items()}, **MASSIVE}
"""MIC of `x`: Massive's id, or OPRA's letter as its ASCII code, as older messages have it."""

_Symbol = Annotated[str, Meta(min_length=1)]
_Dollars = Annotated[float, Meta(ge=0)]
_Ms = Annotated[int, Meta(ge=1, le=fields.LATEST_MS)]


class _Trade(Struct, tag_field="ev", tag="T", gc=False):
    sym: _Symbol
    p: _Dollars
    s: Annotated[int, Meta(ge=1, le=fields.LARGEST_COUNT)]
    t: _Ms
    q: Annotated[int, Meta(ge=0, le=fields.LARGEST_SEQUENCE)]
    x: int = 0
    c: tuple[int, ...] = ()


class _Quote(Struct, tag_field="ev", tag="Q", gc=False):
    """Massive leaves a side out that nobody quotes."""

    sym: _Symbol
    bp: _Dollars = 0.0
    ap: _Dollars = 0.0


class _Second(Struct, tag_field="ev", tag="A", gc=False):
    """A second's bar; only an underlying's counts, for its price."""

    sym: _Symbol
    c: _Dollars


class _Minute(Struct, tag_field="ev", tag="AM", gc=False):
    sym: _Symbol
    c: _Dollars


class _Value(Struct, tag_field="ev", tag="V", gc=False):
    """An index's value."""

    T: _Symbol
    val: _Dollars


class _Status(Struct, tag_field="ev", tag="status", gc=False):
    status: str = ""
    message: str = ""


_FRAME = msgspec.json.Decoder(list[_Trade | _Quote | _Second | _Minute | _Value | _Status])
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_PART = msgspec.json.Decoder()


class MassiveDecoder:
    """Decodes frames of Massive's options cluster; quotes and underlyings' prices are attached to later trades.

    `only` keeps the prints of these underlyings, where it is not empty.
    """

    def __init__(self, quote_cache: int = 200_000, only: frozenset[str] = frozenset()) -> None:
        self._quote_cache, self._only = quote_cache, only
        self._last = LastQuotes(quote_cache)
        self.unknown_conditions: Counter[int] = Counter()
        """Condition ids that are no OPRA letter's: left out of the print, and counted."""
        self.unknown_exchanges: Counter[int] = Counter()
        self._letters: dict[tuple[int, ...], tuple[str, ...]] = {(): ()}

    def connected(self) -> None:
        """Forget the quotes: those from before the gap are no longer the market's."""
        self._last = LastQuotes(self._quote_cache)

    def forget(self, symbols: list[str]) -> None:
        """Forget the quotes of contracts that are no longer subscribed to."""
        for symbol in symbols:
            self._last.forget_quote(MASSIVE_PREFIX + symbol)

    def decode(self, frame: bytes | str, received: int) -> list[Event]:
        """The prints of one frame; a message that is wrong rejects only itself."""
        try:
            messages = _FRAME.decode(frame)
        except DAMAGED:
            return self._decode_parts(frame, received)
        events: list[Event] = []
        for message in messages:
            kind = type(message)
            if kind is _Trade:
                event: Event | None
                try:
                    event = self._trade(message, received)  # type: ignore[arg-type]
                except ContractError as error:
                    place = next(n for n, each in enumerate(messages) if each is message)
                    event = reject(NAME, error.message, bytes(_PARTS.decode(frame)[place]))
                if event is not None:
                    events.append(event)
            elif kind is _Quote:
                self._last.set_quote(message.sym, message.bp, message.ap)  # type: ignore[union-attr]
            else:
                self._price(message)
        return events

    def _trade(self, trade: _Trade, received: int) -> Print | None:
        sym = trade.sym
        if sym[:2] != MASSIVE_PREFIX:
            self._last.set_price(ticker(sym), trade.p)
            return None
        contract = parse_osi(sym[2:])
        underlying = contract.underlying
        if self._only and underlying not in self._only:
            return None
        conditions = self._letters.get(trade.c)
        if conditions is None:
            conditions = self._conditions(trade.c)
        exchange = EXCHANGES.get(trade.x, "")
        if not exchange and trade.x:
            self.unknown_exchanges[trade.x] += 1
        bid, ask = self._last.quote(sym)
        symbol, ts = contract.symbol, trade.t
        return Print(
            id=f"ms_{symbol}_{new_york_date(ts) % 1_000_000}_{trade.q}",
            feed=NAME,
            ts=ts,
            received=received,
            symbol=symbol,
            price=trade.p,
            size=trade.s,
            exchange=exchange,
            conditions=conditions,
            bid=bid,
            ask=ask,
            underlying_price=self._last.price(underlying),
        )

    def _conditions(self, numbers: tuple[int, ...]) -> tuple[str, ...]:
        letters = tuple(BY_MASSIVE[number] for number in numbers if number in BY_MASSIVE)
        if len(letters) == len(numbers) and len(numbers) <= 2:
            # At most 46 letters, so at most some 2,000 of such tuples; anything else is made anew each time.
            self._letters[numbers] = letters
        else:
            self.unknown_conditions.update(number for number in numbers if number not in BY_MASSIVE)
        return letters

    def _price(self, message: object) -> None:
        if isinstance(message, _Second | _Minute):
            if not message.sym.startswith(MASSIVE_PREFIX):
                self._last.set_price(ticker(message.sym), message.c)
        elif isinstance(message, _Value):
            self._last.set_price(ticker(message.T), message.val)

    def _decode_parts(self, frame: bytes | str, received: int) -> list[Event]:
        """The events of a frame in which something is not as documented, message by message."""
        try:
            parts = _PARTS.decode(frame)
        except DAMAGED as error:
            return [reject(NAME, f"The frame is no JSON array: {error}.", frame)]
        events: list[Event] = []
        event: Event | None
        for part in parts:
            try:
                event = self._decode_part(_PART.decode(part), received)
            except DAMAGED as error:
                event = reject(NAME, f"The message is not JSON: {error}.", bytes(part))
            except (DecodeError, ContractError) as error:
                event = reject(NAME, error.message, bytes(part))
            if event is not None:
                events.append(event)
        return events

    def _decode_part(self, part: Any, received: int) -> Print | None:
        message = fields.object_of(part, "The message")
        kind = fields.text(message, "ev")
        if kind == "T":
            numbers = message.get("c") or ()
            if isinstance(numbers, int):
                numbers = (numbers,)
            if not isinstance(numbers, list | tuple) or any(type(number) is not int for number in numbers):
                raise DecodeError(f"The field c is {numbers!r:.60}; expected a list of condition ids.")
            trade = _Trade(
                sym=fields.text(message, "sym"),
                p=fields.dollars(message, "p"),
                s=fields.size(message, "s"),
                t=fields.unix_ms(message, "t"),
                q=fields.whole(message, "q", 0, fields.LARGEST_SEQUENCE),
                x=fields.maybe_whole(message, "x") or 0,
                c=tuple(numbers),
            )
            return self._trade(trade, received)
        if kind == "Q":
            bid, ask = fields.maybe_dollars(message, "bp"), fields.maybe_dollars(message, "ap")
            self._last.set_quote(fields.text(message, "sym"), bid or 0.0, ask or 0.0)
        elif kind in ("A", "AM"):
            self._price(_Second(fields.text(message, "sym"), fields.dollars(message, "c")))
        elif kind == "V":
            self._price(_Value(fields.text(message, "T"), fields.dollars(message, "val")))
        return None  # a status, or an event that says nothing about trades


class MassiveSession:
    """One connection to Massive's options cluster, logged in and subscribed."""

    def __init__(self, settings: Settings) -> None:
        self._line = WebSocketLine("Massive")
        self._url, self._key = settings.massive_url, settings.massive_key
        asked = wanted(settings.symbols, "Massive", QUOTED_CONTRACTS)
        names = [to_massive(contract) for contract in asked.contracts]
        self._channels = [f"Q.{name}" for name in names]
        self._channels += ["T.*"] if asked.all_trades else [f"T.{name}" for name in names]
        # Contracts that are named have their quotes for good.
        self._watch = QuoteWatch(QUOTED_CONTRACTS - len(names) if asked.all_trades else 0)

    async def __aenter__(self) -> Self:
        assert self._key is not None, "the supervisor checked"
        await self._line.open(self._url)
        try:
            await self._expect("connected")
            await self._send("auth", self._key.get_secret_value())
            await self._expect("auth_success")
            await self._send("subscribe", ",".join(self._channels))
            await self._expect("success")
            self._watch.begin(self._quotes)
        except BaseException:
            await self._line.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._watch.end()
        await self._line.close()

    def saw(self, prints: list[Print]) -> list[str]:
        """The contracts that trade most are those whose quotes are asked for."""
        return self._watch.saw(each.symbol for each in prints)

    async def receive(self) -> Frame:
        """The next frame."""
        return await self._line.receive()

    async def _quotes(self, new: list[str], gone: list[str]) -> None:
        for action, symbols in (("unsubscribe", gone), ("subscribe", new)):
            if symbols:
                await self._send(action, ",".join(f"Q.{MASSIVE_PREFIX}{symbol}" for symbol in symbols))

    async def _send(self, action: str, parameters: str) -> None:
        await self._line.send(msgspec.json.encode({"action": action, "params": parameters}).decode())

    async def _expect(self, wanted: str) -> None:
        """Wait for a status. Raises FeedRefusedError for one that says no."""
        while True:
            frame = await self._line.receive()
            try:
                messages = _FRAME.decode(frame)
            except DAMAGED:
                continue
            for message in messages:
                if not isinstance(message, _Status):
                    continue
                if message.status == wanted:
                    return
                _check_status(message)


def _check_status(message: _Status) -> None:
    told = f"Massive answered {message.status}: {message.message[:200]}."
    if message.status == "auth_failed":
        raise FeedRefusedError(told, "Check FLOWTAPE_MASSIVE_KEY.")
    if message.status in ("auth_timeout", "max_connections", "force_disconnect"):
        raise FeedError(told)
    if message.status in ("error", "not_authorized"):
        raise FeedRefusedError(told, "Check that the plan includes it, and FLOWTAPE_SYMBOLS.")


def _decoder(settings: Settings) -> MassiveDecoder:
    return MassiveDecoder(settings.quote_cache, wanted(settings.symbols, "Massive", QUOTED_CONTRACTS).only)


FEED = LiveFeed(
    name=NAME,
    summary="Massive (Polygon): every option trade of OPRA; quotes of the 1,000 contracts that trade most.",
    session=MassiveSession,
    decoder=_decoder,
    needs=("massive_key",),
)
