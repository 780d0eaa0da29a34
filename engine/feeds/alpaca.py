"""Alpaca live: option trades and quotes, MessagePack over one WebSocket.

Messages and error codes are those of Alpaca's documents "Real-time Option Data" and "WebSocket Stream". Money is
dollars. A trade has no id of its own: it is known by all that it says, to the nanosecond, and by its place among
the trades of its connection that say exactly the same.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Self
from urllib.parse import urlsplit

import msgpack  # type: ignore[import-untyped]

from engine.feeds import fields
from engine.feeds.decoder import LastQuotes, reject
from engine.feeds.fields import Message
from engine.feeds.live import Frame, LiveFeed
from engine.feeds.quote_watch import QuoteWatch
from engine.feeds.wanted import wanted
from engine.feeds.websocket_line import WebSocketLine
from engine.settings import Settings
from schemas.conditions import NAMES
from schemas.contract import parse_osi
from schemas.errors import ContractError, DecodeError, FeedError, FeedRefusedError
from schemas.exchanges import OPRA_LETTERS
from schemas.print import Event, Print

NAME = "alpaca"

QUOTED_CONTRACTS, QUOTED_WITHOUT_PLAN = 1_000, 200
"""Contracts whose quotes may be subscribed to (Alpaca's limits)."""

NUMBERED_TRADES = 50_000
"""Newest trades among which equal ones are numbered."""

DAMAGED = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)
"""What unpacking MessagePack can raise."""

PASSING_CODES = frozenset({404, 406, 407, 500})
"""Errors that may pass: authentication took too long, one connection too many, too slow, the server's own."""

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))\Z", re.ASCII
)


@lru_cache(maxsize=1_024)
def _second(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def unix_ns(value: object) -> int:
    """Unix ns of an RFC 3339 text with a fraction of any length, or of a MessagePack timestamp.

    What is finer than a nanosecond is cut off. Raises DecodeError.
    """
    if isinstance(value, msgpack.Timestamp):
        ns: int = value.seconds * 1_000_000_000 + value.nanoseconds
    elif isinstance(value, str) and (match := _TIME.match(value)):
        whole, fraction, sign, hours, minutes = match.groups()
        try:
            ns = _second(whole) * 1_000_000_000 + int((fraction or "0")[:9].ljust(9, "0"))
        except ValueError:
            raise DecodeError(f"The field t is {value!r:.60}; there is no such time.") from None
        if sign:
            offset = (int(hours) * 60 + int(minutes)) * 60_000_000_000
            ns += -offset if sign == "+" else offset
    else:
        raise DecodeError(f"The field t is {value!r:.60}; expected an RFC 3339 time or a timestamp.")
    if not 0 < ns < fields.LATEST_MS * 1_000_000:
        raise DecodeError(f"The field t is {value!r:.60}; expected a time from 1970 to 2100.")
    return ns


class AlpacaDecoder:
    """Decodes Alpaca's frames; a quote is attached to later trades of its contract.

    `only` keeps the prints of these underlyings, where it is not empty.
    """

    def __init__(self, quote_cache: int = 200_000, only: frozenset[str] = frozenset()) -> None:
        self._quote_cache, self._only = quote_cache, only
        self.unknown_conditions: Counter[str] = Counter()
        """Conditions that are no OPRA letter: left out of the print, and counted."""
        self.connected()

    def connected(self) -> None:
        """Forget the quotes from before the gap, and number equal trades anew: a vendor may send them again."""
        self._last = LastQuotes(self._quote_cache)
        self._numbers: OrderedDict[str, int] = OrderedDict()

    def forget(self, symbols: list[str]) -> None:
        """Forget the quotes of contracts that are no longer subscribed to."""
        for symbol in symbols:
            self._last.forget_quote(symbol)

    def decode(self, frame: bytes | str, received: int) -> list[Event]:
        """The prints of one frame; a message that is wrong rejects only itself."""
        data = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
        try:
            messages = unpack(data)
        except DAMAGED as error:
            told = str(error) or type(error).__name__
            return [reject(NAME, f"The frame is not MessagePack: {told:.200}.", data)]
        if not isinstance(messages, list):
            return [reject(NAME, f"The frame is {messages!r:.60}, not an array.", data)]
        events: list[Event] = []
        for value in messages:
            try:
                message = fields.object_of(value, "The message")
                kind = fields.text(message, "T")
                if kind == "t":
                    made = self._trade(message, received)
                    if made is not None:
                        events.append(made)
                elif kind == "q":
                    bid, ask = fields.dollars(message, "bp"), fields.dollars(message, "ap")
                    self._last.set_quote(fields.text(message, "S"), bid, ask)
            except (DecodeError, ContractError) as error:
                events.append(reject(NAME, error.message, _packed(value, data)))
        return events

    def _trade(self, message: Message, received: int) -> Print | None:
        contract = parse_osi(fields.text(message, "S"))
        if self._only and contract.underlying not in self._only:
            return None
        ns = unix_ns(message.get("t"))
        price, size = fields.dollars(message, "p"), fields.size(message, "s")
        letter = message.get("x")
        conditions = self._conditions(message.get("c"))
        bid, ask = self._last.quote(contract.symbol)
        return Print(
            id=self._id(f"al_{contract.symbol}_{ns}", f"{letter}|{price!r}|{size}|{message.get('c')!r}"),
            feed=NAME,
            ts=ns // 1_000_000,
            received=received,
            symbol=contract.symbol,
            price=price,
            size=size,
            exchange=OPRA_LETTERS.get(letter, "") if isinstance(letter, str) else "",
            conditions=conditions,
            bid=bid,
            ask=ask,
        )

    def _conditions(self, value: object) -> tuple[str, ...]:
        letters = value if isinstance(value, list) else [value]
        known = tuple(letter for letter in letters if isinstance(letter, str) and letter in NAMES)
        if len(known) < len(letters):
            # A regular trade has a blank or nothing.
            strange = [
                str(letter)[:8] for letter in letters if letter not in (None, "", " ") and letter not in known
            ]
            self.unknown_conditions.update(strange)
        return known

    def _id(self, when: str, rest: str) -> str:
        digest = blake2b(rest.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
        name = f"{when}_{digest}"
        number = self._numbers.get(name, 0)
        self._numbers[name] = number + 1
        if len(self._numbers) > NUMBERED_TRADES:
            self._numbers.popitem(last=False)
        return f"{name}_{number}" if number else name


def unpack(data: bytes) -> Any:
    """One MessagePack value; timestamps keep their nanoseconds. Raises what DAMAGED lists."""
    return msgpack.unpackb(data, timestamp=0, strict_map_key=False)


def _packed(value: object, frame: bytes) -> bytes:
    try:
        return bytes(msgpack.packb(value))
    except DAMAGED:
        return frame


class AlpacaSession:
    """One connection to Alpaca's option stream, logged in and subscribed."""

    def __init__(self, settings: Settings) -> None:
        self._line = WebSocketLine("Alpaca")
        self._url, self._key, self._secret = settings.alpaca_url, settings.alpaca_key, settings.alpaca_secret
        asked = wanted(settings.symbols, "Alpaca", QUOTED_CONTRACTS)
        symbols = [contract.symbol for contract in asked.contracts]
        # All trades may be had by `*`, all quotes may not (error 413).
        self._subscription: dict[str, Any] = {"trades": ["*"] if asked.all_trades else symbols}
        if symbols:
            self._subscription["quotes"] = symbols
        limit = QUOTED_CONTRACTS if urlsplit(self._url).path.endswith("/opra") else QUOTED_WITHOUT_PLAN
        self._watch = QuoteWatch(max(0, limit - len(symbols)) if asked.all_trades else 0)

    async def __aenter__(self) -> Self:
        assert self._key is not None, "the supervisor checked"
        assert self._secret is not None, "the supervisor checked"
        await self._line.open(self._url, {"Content-Type": "application/msgpack"})
        try:
            await self._expect("success", "connected")
            key, secret = self._key.get_secret_value(), self._secret.get_secret_value()
            await self._send({"action": "auth", "key": key, "secret": secret})
            await self._expect("success", "authenticated")
            await self._send({"action": "subscribe", **self._subscription})
            await self._expect("subscription")
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
                await self._send({"action": action, "quotes": symbols})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._line.send(bytes(msgpack.packb(message)))

    async def _expect(self, kind: str, text: str | None = None) -> None:
        """Wait for a control message. Raises FeedRefusedError or FeedError for an error."""
        while True:
            frame = await self._line.receive()
            try:
                messages = unpack(frame if isinstance(frame, bytes) else frame.encode())
            except DAMAGED:
                continue
            for message in messages if isinstance(messages, list) else []:
                if not isinstance(message, dict):
                    continue
                if message.get("T") == "error":
                    raise refusal(message)
                if message.get("T") == kind and text in (None, message.get("msg")):
                    return


def refusal(message: Message) -> FeedError:
    """The error of an error message: refused for good, unless its code is one that may pass."""
    code = message.get("code")
    told = f"Alpaca answered error {code}: {str(message.get('msg'))[:200]}."
    if code in PASSING_CODES:
        return FeedError(told)
    if code in (401, 402):
        return FeedRefusedError(told, "Check FLOWTAPE_ALPACA_KEY and FLOWTAPE_ALPACA_SECRET.")
    return FeedRefusedError(told, "Check the plan, FLOWTAPE_ALPACA_URL and FLOWTAPE_SYMBOLS.")


def _decoder(settings: Settings) -> AlpacaDecoder:
    return AlpacaDecoder(settings.quote_cache, wanted(settings.symbols, "Alpaca", QUOTED_CONTRACTS).only)


FEED = LiveFeed(
    name=NAME,
    summary="Alpaca: every option trade, indicative or OPRA by plan; quotes of the contracts that trade most.",
    session=AlpacaSession,
    decoder=_decoder,
    needs=("alpaca_key", "alpaca_secret"),
)
