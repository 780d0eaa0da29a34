"""Unusual Whales live: the WebSocket channel `option_trades`, and what its payloads become.

Source: Unusual Whales' API documents and the recorded frames of their own examples (docs/feeds.md).
"""

from __future__ import annotations

import uuid
from collections import Counter, deque
from typing import Any, Self
from urllib.parse import quote

import msgspec

from engine.feeds import fields
from engine.feeds.decoder import reject
from engine.feeds.fields import Message
from engine.feeds.live import Frame, LiveFeed
from engine.feeds.websocket_line import WebSocketLine
from engine.settings import Settings
from schemas import conditions
from schemas.contract import parse_osi, ticker
from schemas.errors import ContractError, DecodeError, FeedError, FeedRefusedError
from schemas.exchanges import mic
from schemas.flags import Flag
from schemas.print import Event, Print

NAME = "unusual-whales"
CHANNEL = "option_trades"
UNKNOWN_CODES = 256
"""Different unknown trade codes that are counted by name."""
EARLY_FRAMES = 10_000
"""Trades that may come while joins are still to be answered."""

_CANCEL = "A"
_MIC_LENGTH = 4


class PayloadReader:
    """Turns payloads into prints, live and from recordings alike.

    `unknown_codes` counts trade codes without an OPRA letter: such a print has no condition.
    """

    def __init__(self) -> None:
        self.unknown_codes: Counter[str] = Counter()

    def read(self, payload: object, received: int) -> Print | None:
        """The print of one payload; None for the answer to a join. `received` is unix ms.

        Raises DecodeError and ContractError.
        """
        message = fields.object_of(payload, "The payload")
        if "response" in message:
            return None
        letters = self._conditions(message)
        cancelled = _CANCEL in letters
        return Print(
            # A cancel repeats the id of what it withdraws, and must not be taken for its copy.
            id=f"uw_{_hex_id(message)}" + ("_x" if cancelled else ""),
            feed=NAME,
            ts=fields.unix_ms(message, "executed_at"),
            received=received,
            symbol=parse_osi(fields.text(message, "option_symbol")).symbol,
            price=fields.dollars(message, "price"),
            size=fields.size(message),
            exchange=_exchange(message),
            conditions=letters,
            bid=fields.maybe_dollars(message, "nbbo_bid"),
            ask=fields.maybe_dollars(message, "nbbo_ask"),
            underlying_price=fields.maybe_dollars(message, "underlying_price"),
            open_interest=fields.maybe_whole(message, "open_interest"),
            volume=fields.maybe_whole(message, "volume"),
            iv=fields.maybe_number(message, "implied_volatility"),
            delta=fields.maybe_number(message, "delta"),
        )

    def _conditions(self, message: Message) -> tuple[str, ...]:
        """The letter of the trade code, and the cancel's where the payload withdraws the trade."""
        code = _maybe_text(message, "trade_code").lower()
        letter = conditions.BY_NAME.get(code, "")
        if code and not letter and (code in self.unknown_codes or len(self.unknown_codes) < UNKNOWN_CODES):
            self.unknown_codes[code] += 1
        letters: tuple[str, ...] = (letter,) if letter else ()
        if fields.flag(message, "canceled") and letter not in conditions.FLAG_LETTERS[Flag.CANCELLED]:
            letters += (_CANCEL,)
        return letters


def _hex_id(message: Message) -> str:
    """The trade's UUID without dashes."""
    text = fields.text(message, "id")
    try:
        return uuid.UUID(text).hex
    except ValueError:
        raise DecodeError(f"The field id is {text[:60]!r}; expected a UUID.") from None


def _exchange(message: Message) -> str:
    """The MIC; empty where there is none, or a text that can be none."""
    text = _maybe_text(message, "exchange")
    return mic(text) if len(text) == _MIC_LENGTH and text.isascii() and text.isalnum() else ""


def _maybe_text(message: Message, name: str) -> str:
    """A text; empty where there is none."""
    value = message.get(name)
    return value if isinstance(value, str) else ""


class UnusualWhalesDecoder:
    """Decodes frames `[channel, payload]` of `option_trades` and `option_trades:TICKER`, no others."""

    def __init__(self) -> None:
        self._reader = PayloadReader()
        self._json = msgspec.json.Decoder()

    @property
    def unknown_codes(self) -> Counter[str]:
        """Trade codes without an OPRA letter, counted."""
        return self._reader.unknown_codes

    def decode(self, frame: Frame, received: int) -> list[Event]:
        """The print of one frame."""
        try:
            channel, payload = _parts(self._json, frame)
            if channel.partition(":")[0] != CHANNEL:
                return []
            event = self._reader.read(payload, received)
        except (DecodeError, ContractError) as error:
            return [reject(NAME, str(error), frame)]
        return [] if event is None else [event]


def _parts(json: msgspec.json.Decoder[Any], frame: Frame) -> tuple[str, Any]:
    """Channel and payload of a frame. Raises DecodeError."""
    try:
        message = json.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DecodeError(f"The frame is not JSON: {error}.") from None
    if not isinstance(message, list) or len(message) != 2 or not isinstance(message[0], str):
        raise DecodeError("The frame is not [channel, payload].")
    return message[0], message[1]


class UnusualWhalesSession:
    """Connects with the token in the address, where alone the vendor takes it, and joins the channels.

    Without `symbols` it joins the trades of all underlyings. The vendor replays nothing: what prints while
    the connection is down is lost.
    """

    def __init__(self, settings: Settings) -> None:
        token = settings.unusual_whales_token
        self._url = f"{settings.unusual_whales_url}?token={quote(token.get_secret_value() if token else '')}"
        self._channels = [f"{CHANNEL}:{ticker(symbol)}" for symbol in settings.symbols] or [CHANNEL]
        self._line = WebSocketLine("Unusual Whales")
        self._json: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
        self._early: deque[Frame] = deque()

    async def __aenter__(self) -> Self:
        self._early.clear()
        await self._line.open(self._url)
        try:
            for channel in self._channels:
                join = {"channel": channel, "msg_type": "join"}
                await self._line.send(msgspec.json.encode(join).decode())
            await self._joined(set(self._channels))
        except BaseException:
            await self._line.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._line.close()

    async def receive(self) -> Frame:
        """The next frame."""
        return self._early.popleft() if self._early else await self._line.receive()

    async def _joined(self, waiting: set[str]) -> None:
        """Wait until every join is answered, and keep the trades that come in between."""
        while waiting:
            frame = await self._line.receive()
            try:
                channel, payload = _parts(self._json, frame)
            except DecodeError as error:
                raise FeedError(f"Unusual Whales did not answer the join of {CHANNEL}: {error}") from None
            if not isinstance(payload, dict) or "response" not in payload:
                if len(self._early) == EARLY_FRAMES:
                    raise FeedError(f"Unusual Whales sent {EARLY_FRAMES} frames, but no answer to a join.")
                self._early.append(frame)
            elif payload.get("status") == "ok":
                waiting.discard(channel)
            else:
                raise FeedRefusedError(
                    f"Unusual Whales refused the channel {channel}: {repr(payload['response'])[:200]}.",
                    "Check FLOWTAPE_SYMBOLS and that the plan includes WebSockets.",
                )


FEED = LiveFeed(
    name=NAME,
    summary="Unusual Whales: all option trades with quotes, open interest and greeks",
    session=UnusualWhalesSession,
    decoder=lambda _: UnusualWhalesDecoder(),
    needs=("unusual_whales_token",),
)
