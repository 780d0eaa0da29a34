"""What every feed and format shares of decoding: the contract of a decoder, and the last quotes it remembers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from schemas.print import RAW_BYTES, Event, Reject


class Decoder(Protocol):
    """Turns one vendor's frames into events; it does no I/O and never raises."""

    def decode(self, frame: bytes | str, received: int) -> list[Event]:
        """The events of one frame in the vendor's order; `received` is unix ms.

        What is not understood becomes a Reject with the reason; control messages and quotes become nothing.
        """
        ...


def reject(feed: str, reason: str, raw: bytes | str) -> Reject:
    """A reject that keeps at most RAW_BYTES of the original."""
    data = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else bytes(raw)
    return Reject(feed=feed, reason=reason, raw=data[:RAW_BYTES])


class LastQuotes:
    """The newest bid and ask of each contract and the newest price of each underlying, bounded, oldest out first.

    `dropped` counts contracts that gave way.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._quotes: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._prices: OrderedDict[str, float] = OrderedDict()
        self.dropped = 0

    def set_quote(self, symbol: str, bid: float, ask: float) -> None:
        """Remember the quote of an option, dollars; zero means that nobody bids or offers."""
        quotes = self._quotes
        quotes[symbol] = (bid, ask)
        quotes.move_to_end(symbol)
        if len(quotes) > self._limit:
            quotes.popitem(last=False)
            self.dropped += 1

    def forget_quote(self, symbol: str) -> None:
        """Forget the quote of an option: it is no longer kept up to date."""
        self._quotes.pop(symbol, None)

    def set_price(self, underlying: str, price: float) -> None:
        """Remember the price of an underlying, dollars."""
        prices = self._prices
        prices[underlying] = price
        prices.move_to_end(underlying)
        if len(prices) > self._limit:
            prices.popitem(last=False)
            self.dropped += 1

    def quote(self, symbol: str) -> tuple[float | None, float | None]:
        """Bid and ask of an option, or two Nones."""
        return self._quotes.get(symbol, (None, None))

    def price(self, underlying: str) -> float | None:
        """Price of an underlying, or None."""
        return self._prices.get(underlying)
