"""Prices of the underlyings: one market that all follow more or less, and a walk of their own, in dollars."""

from __future__ import annotations

from math import sqrt

from engine.simulator.chain import Chain
from engine.simulator.underlyings import Underlying

TRADING_MS = 252 * 6.5 * 3_600_000
"""Milliseconds of trading in a year: volatility a year spreads over these."""

MARKET_VOLATILITY = 0.15
"""Volatility of the market a year, as a fraction."""

REACH = 0.4
"""A price stays within this share of where it began: no crash that the strikes do not cover."""


class MarketMove:
    """The move of the whole market since the start, as a fraction."""

    __slots__ = ("_at", "move")

    def __init__(self, at: float) -> None:
        self._at = at
        self.move = 0.0

    def advance(self, at: float, normal: float) -> None:
        """Move on to a time (unix ms) with a standard normal draw."""
        self.move += MARKET_VOLATILITY * sqrt(max(0.0, at - self._at) / TRADING_MS) * normal
        self._at = at


class Book:
    """One underlying during the session: its price and its chain."""

    __slots__ = ("_at", "_market", "_own", "_price", "chain", "exclusive", "spot", "underlying")

    def __init__(self, underlying: Underlying, chain: Chain, at: float, market: MarketMove) -> None:
        self.underlying = underlying
        self.chain = chain
        self.exclusive = underlying.kind.exclusive
        self.spot = underlying.price
        """Dollars, whole cents."""
        self._price = underlying.price
        self._at = at
        self._market = market.move
        common = abs(underlying.kind.beta) * MARKET_VOLATILITY
        self._own = sqrt(max(0.0, underlying.volatility**2 - common**2))

    def advance(self, at: float, market: MarketMove, normal: float) -> None:
        """Move the price on to a time (unix ms) with the market and a standard normal draw of its own."""
        own = self._own * sqrt(max(0.0, at - self._at) / TRADING_MS) * normal
        price = self._price * (1 + self.underlying.kind.beta * (market.move - self._market) + own)
        self._at = at
        self._market = market.move
        if abs(price / self.underlying.price - 1) < REACH:
            self._price = price
            self.spot = max(0.01, round(price, 2))
