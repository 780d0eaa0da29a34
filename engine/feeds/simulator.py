"""The simulator as a live feed: the market of a seed, from now on, at the pace of the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Self

from engine.feeds.live import LiveFeed
from engine.settings import Settings
from engine.simulator import market
from engine.simulator.market import SimulatedMarket
from schemas.print import Event

TURN = 500
"""Prints handed on at once."""

CATCH_UP_MS = 2_000
"""What is overdue for longer is not caught up with: the market stands still while this machine cannot follow."""

LONGEST_NAP_S = 0.25
SHORTEST_NAP_S = 0.002
"""Naps between prints: prints that are due within the shortest leave together."""

HEARTBEAT_S = 1.0
"""After so long without a print an empty turn says that the market lives."""


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000


class SimulatorSession:
    """The market opens with the first connection, with its burst, and goes on through reconnects."""

    def __init__(self, settings: Settings, clock: Callable[[], int] = _unix_ms) -> None:
        self._settings = settings
        self._clock = clock
        self.market: SimulatedMarket | None = None

    async def __aenter__(self) -> Self:
        if self.market is None:
            settings = self._settings
            self.market = SimulatedMarket(settings.simulator_seed, self._clock(), settings.simulator_rate)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Nothing is open."""

    async def receive(self) -> list[Event]:
        """The prints that are due, or none after HEARTBEAT_S."""
        assert self.market is not None
        began = self._clock()
        while True:
            now = self._clock()
            overdue = now - self.market.due
            if overdue > CATCH_UP_MS:
                self.market.pause(int(overdue - CATCH_UP_MS))
            prints = self.market.take(now, TURN, now)
            if prints or now - began > HEARTBEAT_S * 1000:
                return list(prints)
            await asyncio.sleep(min(LONGEST_NAP_S, max(SHORTEST_NAP_S, (self.market.due - now) / 1000)))


FEED = LiveFeed(
    name=market.FEED,
    summary="A made-up market, deterministic by seed; needs no key. Everything it shows is synthetic.",
    session=SimulatorSession,
    synthetic=True,
)
