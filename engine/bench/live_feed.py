"""A feed at a steady rate: simulated prints, made beforehand, received and published as a live feed does."""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple

import msgspec

from engine.bench.worker import Verbs
from engine.processes.collector import collect_seldom
from engine.publish import Policy, Publisher
from engine.settings import Settings
from engine.simulator.market import SimulatedMarket
from engine.store.connect import connect_async
from schemas.print import Print

SEED: Final = 20261123

TICK_S: Final = 0.002
"""Prints that are due within this are received together."""


class Fed(NamedTuple):
    """What a run published."""

    prints: int
    per_s: float
    """As it turned out."""


class SteadyFeed:
    """Publishes the prints of one simulated market, run by run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._market = SimulatedMarket(SEED, time.time_ns() // 1_000_000)
        self._prints: list[Print] = []

    def verbs(self) -> Verbs:
        """What a worker of it can be told."""
        return {"prepare": self.prepare, "run": self.run}

    async def prepare(self, prints: int) -> None:
        """Make the prints of the next run."""
        self._prints = self._market.take(float("inf"), prints)
        collect_seldom()

    async def run(self, rate: float) -> Fed:
        """Publish them, `rate` a second; each carries the moment at which it is handed to the publisher."""
        prints, sent, loop = self._prints, 0, asyncio.get_running_loop()
        replace = msgspec.structs.replace
        async with (
            connect_async(self._settings) as client,
            Publisher(client, self._settings, Policy.WAIT) as publisher,
        ):
            begun = loop.time()
            while sent < len(prints):
                if due := min(int((loop.time() - begun) * rate), len(prints)) - sent:
                    now = time.time_ns() // 1_000_000
                    await publisher.put(
                        [replace(each, ts=now, received=now) for each in prints[sent : sent + due]]
                    )
                    sent += due
                await asyncio.sleep(TICK_S)
            return Fed(sent, sent / (loop.time() - begun))


def steady_feed(settings: Settings) -> Verbs:
    """The verbs of such a feed."""
    return SteadyFeed(settings).verbs()
