"""Theta Data live: the WebSocket of a Theta Terminal that runs on this machine and holds the key.

Source: Theta Data's documents of streaming (full trade stream, requests, status) and of its exchange and
condition codes (docs/feeds.md).
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, Self

import msgspec

from engine.feeds import fields
from engine.feeds.decoder import LastQuotes, reject
from engine.feeds.fields import Message
from engine.feeds.live import Frame, LiveFeed
from engine.feeds.websocket_line import WebSocketLine
from engine.settings import Settings
from schemas.calendar import new_york_ms
from schemas.conditions import BY_THETA
from schemas.contract import Contract, parse_osi, ticker
from schemas.errors import ContractError, DecodeError, FeedError, FeedRefusedError
from schemas.exchanges import THETA
from schemas.print import Event, Print
from schemas.spelling import from_theta, to_theta

NAME = "theta"
UNKNOWN_CODES = 256
"""Different unknown codes that are counted each."""
EARLY_FRAMES = 10_000
"""Messages that may come while requests are still to be answered."""

_REGULAR = 0
_REFUSALS = {
    "INVALID_PERMS": "the subscription does not include it",
    "MAX_STREAMS_REACHED": "too many contracts are streamed",
}


class ThetaDecoder:
    """Decodes TRADE and QUOTE messages of options; the quote of a trade comes just before it.

    `unknown_exchanges` and `unknown_conditions` count codes that have no MIC or OPRA letter: such a print has
    an empty exchange or no condition.
    """

    def __init__(self, quotes: int, wanted: frozenset[str] = frozenset()) -> None:
        self._quote_cache = quotes
        self._quotes = LastQuotes(quotes)
        self._wanted = wanted
        self._json: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
        self.unknown_exchanges: Counter[int] = Counter()
        self.unknown_conditions: Counter[int] = Counter()

    def connected(self) -> None:
        """Forget the quotes: those from before a gap are no longer the market's."""
        self._quotes = LastQuotes(self._quote_cache)

    def decode(self, frame: Frame, received: int) -> list[Event]:
        """The print of one message, if it is a trade."""
        try:
            event = self._event(read_message(self._json, frame), received)
        except (DecodeError, ContractError) as error:
            return [reject(NAME, str(error), frame)]
        return [] if event is None else [event]

    def _event(self, message: Message, received: int) -> Event | None:
        kind = header_of(message).get("type")
        if not isinstance(kind, str):
            raise DecodeError("The message's header has no type.")
        if kind not in ("TRADE", "QUOTE"):
            return None
        parts = fields.object_of(message.get("contract"), "The contract")
        if parts.get("security_type", "OPTION") != "OPTION":
            return None
        contract = contract_of(parts)
        if self._wanted and contract.underlying not in self._wanted and contract.symbol not in self._wanted:
            return None
        if kind == "TRADE":
            return self._trade(contract, fields.object_of(message.get("trade"), "The trade"), received)
        quote = fields.object_of(message.get("quote"), "The quote")
        self._quotes.set_quote(contract.symbol, fields.dollars(quote, "bid"), fields.dollars(quote, "ask"))
        return None

    def _trade(self, contract: Contract, trade: Message, received: int) -> Print:
        day = fields.whole(trade, "date", 19_900_101, 20_991_231)
        clock = fields.whole(trade, "ms_of_day", 0, 86_399_999)
        try:
            ts = new_york_ms(day, clock)
        except ValueError as error:
            raise DecodeError(f"The trade's time is wrong: {error}.") from None
        sequence = fields.whole(trade, "sequence", -fields.LARGEST_SEQUENCE, fields.LARGEST_SEQUENCE)
        bid, ask = self._quotes.quote(contract.symbol)
        # An id holds no sign: sequence numbers run over into negative ones.
        number = f"n{-sequence}" if sequence < 0 else str(sequence)
        return Print(
            id=f"th_{contract.symbol}_{day % 1_000_000:06d}_{number}",
            feed=NAME,
            ts=ts,
            received=received,
            symbol=contract.symbol,
            price=fields.dollars(trade, "price"),
            size=fields.size(trade),
            exchange=self._exchange(fields.whole(trade, "exchange")),
            conditions=self._conditions(fields.whole(trade, "condition")),
            bid=bid,
            ask=ask,
        )

    def _exchange(self, code: int) -> str:
        if code not in THETA:
            _count(self.unknown_exchanges, code)
        return THETA.get(code, "")

    def _conditions(self, code: int) -> tuple[str, ...]:
        letter = BY_THETA.get(code)
        if letter is None and code != _REGULAR:
            _count(self.unknown_conditions, code)
        return () if letter is None else (letter,)


def _count(counter: Counter[int], code: int) -> None:
    if code in counter or len(counter) < UNKNOWN_CODES:
        counter[code] += 1


def read_message(json: msgspec.json.Decoder[Any], frame: Frame) -> Message:
    """The object of a frame. Raises DecodeError."""
    try:
        return fields.object_of(json.decode(frame), "The message")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DecodeError(f"The message is not JSON: {error}.") from None


def header_of(message: Message) -> Message:
    """The header of a message. Raises DecodeError."""
    return fields.object_of(message.get("header"), "The header")


def contract_of(parts: Message) -> Contract:
    """The contract of a `contract` object."""
    return from_theta(
        fields.text(parts, "root"),
        fields.whole(parts, "expiration", 19_900_101, 20_991_231),
        fields.whole(parts, "strike"),
        fields.text(parts, "right"),
    )


def requests(symbols: tuple[str, ...]) -> list[dict[str, Any]]:
    """The messages that subscribe: to each contract where only contracts are named, else to all trades.

    With each contract its quotes are asked for too: only the stream of all trades sends them by itself.
    """
    contracts = []
    for symbol in symbols:
        try:
            contracts.append(parse_osi(symbol.upper()))
        except ContractError:
            contracts = []
            break
    if not contracts:
        wishes: list[dict[str, Any]] = [
            {"msg_type": "STREAM_BULK", "sec_type": "OPTION", "req_type": "TRADE"}
        ]
    else:
        wishes = [
            {"msg_type": "STREAM", "sec_type": "OPTION", "req_type": kind, "contract": _asked(contract)}
            for contract in contracts
            for kind in ("QUOTE", "TRADE")
        ]
    return [{**wish, "add": True, "id": number} for number, wish in enumerate(wishes)]


def _asked(contract: Contract) -> dict[str, str | int]:
    """A contract as a request names it; the kind of security stands beside it there."""
    return {name: value for name, value in to_theta(contract).items() if name != "security_type"}


def wanted(symbols: tuple[str, ...]) -> frozenset[str]:
    """The underlyings and contracts that are kept; empty for all."""
    return frozenset(ticker(symbol).replace(" ", "") for symbol in symbols)


class ThetaSession:
    """Connects to the terminal, subscribes, and waits for its answers.

    The terminal sends a STATUS each second. One that lost Theta Data counts as a lost connection; one whose
    login was not accepted is refused. Nothing is replayed: what prints while it is down is lost.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.theta_url
        self._requests = requests(settings.symbols)
        self._line = WebSocketLine("The Theta Terminal")
        self._json: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
        self._early: deque[Frame] = deque()

    async def __aenter__(self) -> Self:
        self._early.clear()
        await self._line.open(self._url)
        try:
            for request in self._requests:
                await self._line.send(msgspec.json.encode(request).decode())
            await self._answered({request["id"] for request in self._requests})
        except BaseException:
            await self._line.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._line.close()

    async def receive(self) -> Frame:
        """The next frame."""
        if self._early:
            return self._early.popleft()
        frame = await self._line.receive()
        # Only the header of a message without a contract can tell of the connection, and such a one is short.
        if len(frame) < 256 and (b"STATUS" in frame if isinstance(frame, bytes) else "STATUS" in frame):
            try:
                check_status(header_of(read_message(self._json, frame)))
            except DecodeError:
                return frame
        return frame

    async def _answered(self, waiting: set[int]) -> None:
        """Wait until every request is answered, and keep the trades that come in between."""
        while waiting:
            frame = await self._line.receive()
            try:
                header = header_of(read_message(self._json, frame))
            except DecodeError as error:
                raise FeedError(f"The Theta Terminal did not answer a request: {error}") from None
            if header.get("type") != "REQ_RESPONSE":
                check_status(header)
                if len(self._early) == EARLY_FRAMES:
                    raise FeedError(f"The Theta Terminal sent {EARLY_FRAMES} messages, but no answer.")
                self._early.append(frame)
                continue
            answer = header.get("response")
            if answer in _REFUSALS:
                raise FeedRefusedError(
                    f"Theta Data refused the stream with {answer}: {_REFUSALS[answer]}.",
                    "Check the plan, or name fewer contracts in FLOWTAPE_SYMBOLS.",
                )
            if answer != "SUBSCRIBED":
                raise FeedError(f"The Theta Terminal answered a request with {str(answer)[:60]}.")
            number = header.get("req_id")
            if isinstance(number, int):
                waiting.discard(number)


def check_status(header: Message) -> None:
    """Raises FeedError or FeedRefusedError where the terminal is not connected to Theta Data."""
    status = header.get("status")
    if status == "UNVERIFIED":
        raise FeedRefusedError(
            "Theta Data did not accept the Theta Terminal's login.", "Start the terminal with a valid one."
        )
    if status in ("DISCONNECTED", "ERROR"):
        raise FeedError(f"The Theta Terminal's connection to Theta Data is {status}.")


FEED = LiveFeed(
    name=NAME,
    summary="Theta Data: all option trades with their quotes, from the Theta Terminal on this machine",
    session=ThetaSession,
    decoder=lambda settings: ThetaDecoder(settings.quote_cache, wanted(settings.symbols)),
)
