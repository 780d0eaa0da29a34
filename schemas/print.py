"""What a feed makes of a vendor's message: a print, reference data, or a reject; no business rule among it."""

from __future__ import annotations

import msgspec


class Print(msgspec.Struct, omit_defaults=True, gc=False, frozen=True):
    """One normalized option trade report, MessagePack map in field `d` of the prints stream.

    Unknown fields are ignored on reading; fields left out have the default. Prices are dollars per share.
    """

    id: str
    """Stable identity, of letters, digits and `_` only: `<feed>_...` from the vendor's own sequence or id."""
    feed: str
    """Name of the feed or file format that it came through, as on the command line."""
    ts: int
    """Exchange time, unix ms."""
    received: int
    """When the feed received it, unix ms."""
    symbol: str
    """OSI symbol without padding."""
    price: float
    size: int
    """Contracts, at least 1."""
    exchange: str = ""
    """MIC; empty where the vendor does not say."""
    conditions: tuple[str, ...] = ()
    """OPRA sale-condition letters; empty for a regular trade or where the vendor does not say."""
    bid: float | None = None
    """The option's best bid at the time of the print; None where unknown."""
    ask: float | None = None
    underlying_price: float | None = None
    open_interest: int | None = None
    """Contracts, as the vendor gives it along with the print."""
    volume: int | None = None
    """The contract's day volume including this print, as the vendor counts it."""
    iv: float | None = None
    """Implied volatility as a fraction (0.5 is 50 %)."""
    delta: float | None = None
    synthetic: bool = False
    """Made by the simulator, or standing for a bar."""


class Reference(msgspec.Struct, omit_defaults=True, gc=False, frozen=True):
    """Reference data of one contract, MessagePack map in field `r` of the prints stream."""

    feed: str
    symbol: str
    date: int
    """New York date that it holds for, yyyymmdd."""
    open_interest: int


class Reject(msgspec.Struct, gc=False, frozen=True):
    """A vendor's message that could not become a print: counted, and kept on the dead stream."""

    feed: str
    reason: str
    """One sentence: what was expected and what came."""
    raw: bytes
    """The original bytes, or the part of the frame that was wrong."""


Event = Print | Reference | Reject
"""What a decoder returns, in the order of the vendor's messages."""

RAW_BYTES = 65_536
"""Bytes of an original message that a reject keeps at most."""
