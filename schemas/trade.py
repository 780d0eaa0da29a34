"""The enriched trade: what the indexer writes, what the tape announces, what every reader gets.

Money is in dollars per share (`price`, `bid`, `ask`, `strike`, `underlying_price`) or dollars (`premium`); None
means unknown. `schemas/document.py` is the same thing as redis-om sees it, with what is indexed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Side(StrEnum):
    """Where in the quote a trade printed."""

    ABOVE_ASK = "above_ask"
    ASK = "ask"
    MID = "mid"
    BID = "bid"
    BELOW_BID = "below_bid"
    NONE = "none"


class Sentiment(StrEnum):
    """What an aggressive buyer or seller of it hopes for."""

    BULLISH = "bullish"
    BEARISH = "bearish"
    NEUTRAL = "neutral"


class Trade(msgspec.Struct, gc=False):
    """One enriched trade: JSON document at `keys.trade`, MessagePack map in field `d` of the tape."""

    id: str
    """Identity of the print, the same after a reconnect or a second replay."""
    seq: int
    """Position in the partition, strictly increasing; a rewritten trade gets a new one."""
    ts: int
    """Exchange time, unix ms."""
    received: int
    """When the feed received it, unix ms."""
    underlying: str
    symbol: str
    """OSI symbol without padding."""
    right: str
    """`C` or `P`."""
    expiry: int
    """yyyymmdd."""
    strike: float
    price: float
    size: int
    """Contracts."""
    premium: float
    """price x size x multiplier, rounded to cents."""
    bid: float | None
    ask: float | None
    underlying_price: float | None
    dte: int
    """Calendar days from the print's New York date to expiry."""
    otm_pct: float | None
    """How far out of the money in percent of the underlying, four decimals; negative in the money."""
    volume: int | None
    """Contract's day volume including this print; None for a print of a day that is over."""
    open_interest: int | None
    vol_oi: float | None
    """volume / open_interest, four decimals; None without open interest."""
    iv: float | None
    """Implied volatility as the vendor gives it, a fraction."""
    delta: float | None
    side: str
    sentiment: str
    flags: tuple[str, ...]
    """In the order of `flags.Flag`."""
    conditions: tuple[str, ...]
    """OPRA sale-condition letters."""
    exchange: str
    """MIC."""


COLUMNS: Final[tuple[str, ...]] = Trade.__struct_fields__
"""The fields of a trade, in their order."""
