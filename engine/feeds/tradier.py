"""Tradier live: market events over a WebSocket, for the symbols that are named.

Source: Tradier's documents of the streaming session, the market WebSocket and its payloads (docs/feeds.md).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Self

import httpx
import msgspec

from engine.feeds import fields
from engine.feeds.decoder import LastQuotes, reject
from engine.feeds.fields import Message
from engine.feeds.live import Frame, LiveFeed
from engine.feeds.websocket_line import WebSocketLine
from engine.settings import Settings
from schemas.calendar import new_york_date
from schemas.contract import parse_osi, ticker
from schemas.errors import ContractError, DecodeError, FeedError, FeedRefusedError, SettingsError
from schemas.exchanges import OPRA_LETTERS
from schemas.print import Event, Print

NAME = "tradier"
RECENT_PRINTS = 50_000
"""Prints remembered, to withdraw the one that a correction replaces."""
SESSION_TIMEOUT_S = 15.0

_FILTER = ["timesale", "quote"]
_CANCEL = "A"
_REFUSED = {401, 403}


class TradierDecoder:
    """Decodes `timesale` and `quote` events, one JSON object a line.

    `trade` and `tradex` tell of the same trades as `timesale` and are not counted again. An event of a stock
    or an index gives the underlying's price.
    """

    def __init__(self, quotes: int) -> None:
        self._quote_cache = quotes
        self._quotes = LastQuotes(quotes)
        self._recent: OrderedDict[str, Print] = OrderedDict()
        self._json: msgspec.json.Decoder[Any] = msgspec.json.Decoder()

    def connected(self) -> None:
        """Forget the quotes: those from before a gap are no longer the market's."""
        self._quotes = LastQuotes(self._quote_cache)

    def decode(self, frame: Frame, received: int) -> list[Event]:
        """The events of one frame, which may hold several lines."""
        data = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else bytes(frame)
        events: list[Event] = []
        for line in data.split(b"\n"):
            if not line.strip():
                continue
            try:
                events += self._line(line, received)
            except (DecodeError, ContractError) as error:
                events.append(reject(NAME, str(error), line))
        return events

    def _line(self, line: bytes, received: int) -> list[Event]:
        try:
            message = fields.object_of(self._json.decode(line), "The event")
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise DecodeError(f"The event is not JSON: {error}.") from None
        kind = message.get("type")
        if kind == "timesale":
            return self._timesale(message, received)
        if kind == "quote":
            self._quote(message)
        elif not isinstance(kind, str):
            raise DecodeError("The event has no type.")
        return []

    def _quote(self, message: Message) -> None:
        symbol = fields.text(message, "symbol")
        bid, ask = fields.dollars(message, "bid"), fields.dollars(message, "ask")
        if is_option(symbol):
            self._quotes.set_quote(parse_osi(symbol).symbol, bid, ask)
        elif 0 < bid <= ask:
            self._quotes.set_price(ticker(symbol), (bid + ask) / 2)

    def _timesale(self, message: Message, received: int) -> list[Event]:
        symbol = fields.text(message, "symbol")
        if not is_option(symbol):
            self._quotes.set_price(ticker(symbol), fields.dollars(message, "last"))
            return []
        contract = parse_osi(symbol)
        ts = fields.unix_ms(message, "date")
        sequence = fields.whole(message, "seq", 0, fields.LARGEST_SEQUENCE)
        session = message.get("session")
        extra = f"_{session}" if session in ("pre", "post") else ""
        identity = f"td_{contract.symbol}_{new_york_date(ts) % 1_000_000:06d}_{sequence}{extra}"
        bid, ask = fields.maybe_dollars(message, "bid"), fields.maybe_dollars(message, "ask")
        if bid is None or ask is None:
            bid, ask = self._quotes.quote(contract.symbol)
        cancel, correction = fields.flag(message, "cancel"), fields.flag(message, "correction")
        exchange = message.get("exch")
        found = Print(
            id=identity + ("_x" if cancel else "_c" if correction else ""),
            feed=NAME,
            ts=ts,
            received=received,
            symbol=contract.symbol,
            price=fields.dollars(message, "last"),
            size=fields.size(message),
            exchange=OPRA_LETTERS.get(exchange, "") if isinstance(exchange, str) else "",
            conditions=(_CANCEL,) if cancel else (),
            bid=bid,
            ask=ask,
            underlying_price=self._quotes.price(contract.underlying),
        )
        if cancel:
            return [found]
        if correction:
            return [*self._withdraw(identity, received), found]
        self._remember(found)
        return [found]

    def _remember(self, found: Print) -> None:
        self._recent[found.id] = found
        if len(self._recent) > RECENT_PRINTS:
            self._recent.popitem(last=False)

    def _withdraw(self, identity: str, received: int) -> list[Event]:
        """The cancel of the print that a correction replaces; nothing where that one is not known."""
        old = self._recent.pop(identity, None)
        if old is None:
            return []
        cancel = msgspec.structs.replace(old, id=f"{identity}_x", received=received, conditions=(_CANCEL,))
        return [cancel]


def is_option(symbol: str) -> bool:
    """Whether a symbol is as long as the shortest OSI symbol: Tradier writes both kinds in one field."""
    return len(symbol) > 15


def subscription(symbols: tuple[str, ...]) -> list[str]:
    """The symbols to ask for: the contracts, and the underlying of each for its price.

    Raises SettingsError where there are none, ContractError where one is no contract.
    """
    if not symbols:
        raise SettingsError(
            "Tradier streams only symbols that are named, and none is.",
            "Set FLOWTAPE_SYMBOLS to option symbols, separated by commas, as SPY261218C00600000.",
        )
    asked: dict[str, None] = {}
    for symbol in symbols:
        if is_option(symbol):
            contract = parse_osi(symbol)
            asked[contract.symbol] = asked[contract.underlying] = None
        else:
            asked[ticker(symbol)] = None
    return list(asked)


class TradierSession:
    """Makes a streaming session over HTTP, which lives five minutes unused, then connects and subscribes.

    Every connection makes a session of its own. Tradier answers a subscription with data or not at all, and
    replays nothing: what prints while the connection is down is lost.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._symbols = subscription(settings.symbols)
        self._line = WebSocketLine("Tradier")

    async def __aenter__(self) -> Self:
        session = await self._make_session()
        await self._line.open(self._settings.tradier_url)
        wish = {
            "symbols": self._symbols,
            "sessionid": session,
            "filter": _FILTER,
            "linebreak": True,
            "validOnly": False,
        }
        try:
            await self._line.send(msgspec.json.encode(wish).decode())
        except BaseException:
            await self._line.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._line.close()

    async def receive(self) -> Frame:
        """The next frame. An error that the stream tells of ends the connection: its session has expired."""
        frame = await self._line.receive()
        start = frame[:40] if isinstance(frame, str) else bytes(frame[:40]).decode("latin-1")
        if start.replace(" ", "").startswith(('{"error"', '{"type":"error"')):
            raise FeedError(f"Tradier ended the stream: {start}.")
        return frame

    async def _make_session(self) -> str:
        """The id of a new streaming session."""
        token = self._settings.tradier_token
        headers = {
            "Authorization": f"Bearer {token.get_secret_value() if token else ''}",
            "Accept": "application/json",
        }
        try:
            async with httpx.AsyncClient(timeout=SESSION_TIMEOUT_S) as client:
                answer = await client.post(self._settings.tradier_session_url, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FeedError(f"Tradier's session address cannot be reached: {type(error).__name__}.") from None
        if answer.status_code in _REFUSED:
            raise FeedRefusedError(
                f"Tradier refused the access token with status {answer.status_code}.",
                "Check FLOWTAPE_TRADIER_TOKEN; a sandbox token works with the sandbox's address only.",
            )
        if answer.status_code != httpx.codes.OK:
            raise FeedError(f"Tradier answered the making of a session with status {answer.status_code}.")
        try:
            stream = fields.object_of(answer.json(), "The answer").get("stream")
            return fields.text(fields.object_of(stream, "The stream"), "sessionid")
        except (ValueError, DecodeError) as error:
            raise FeedError(f"Tradier's answer names no session: {error}") from None


FEED = LiveFeed(
    name=NAME,
    summary="Tradier: trades and quotes of named option symbols",
    session=TradierSession,
    decoder=lambda settings: TradierDecoder(settings.quote_cache),
    needs=("tradier_token",),
)
