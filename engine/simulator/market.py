"""The simulated market: orders arrive at random, their reports leave in the order of time, as prints.

The same seed, start and rate give the same prints, however they are fetched, on every version and platform:
all chance comes from `random.Random(seed).random()`, and nothing asks the real clock.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import accumulate
from math import exp, log
from random import Random

from engine.simulator.chain import Chain
from engine.simulator.flow import AT_HAND, NORMAL, Flow, Report, mix_of
from engine.simulator.spots import Book, MarketMove
from engine.simulator.underlyings import UNDERLYINGS, underlyings
from schemas.calendar import new_york_date
from schemas.print import Print

FEED = "simulator"

OPENING_BURST = 10.0
"""Prints a second at the start, as a multiple of the usual rate."""

OPENING_MS = 60_000.0
"""Time in which what is above the usual rate falls to 1/e: after three of these it is 1.4 times the usual."""

LISTINGS = 300_000
"""Contracts kept in memory; beyond it all chains are made anew, with the same contracts."""

HOUR_MS = 3_600_000

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(number: int) -> str:
    """A number not below zero in digits and small letters."""
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
        if not number:
            return text


class SimulatedMarket:
    """A market from `start` (unix ms) on; `rate` is the usual prints a second, after the opening burst."""

    def __init__(self, seed: int, start: int, rate: float = 200.0, *, count: int = UNDERLYINGS) -> None:
        self.start = start
        self.seed = seed
        self._rng = Random(seed)
        self._listed = underlyings(seed, count)
        self._sums = list(accumulate(underlying.weight for underlying in self._listed))
        self._whole = self._sums.pop()
        self._mixes = [mix_of(u.kind.multi_leg, bool(u.kind.exclusive)) for u in self._listed]
        whole = sum(u.weight * mix.prints for u, mix in zip(self._listed, self._mixes, strict=True))
        # Orders a millisecond.
        self._usual = rate / 1000 / (whole / sum(u.weight for u in self._listed))
        self._flow = Flow(self._rng)
        self._market = MarketMove(start)
        self._books: dict[int, Book] = {}
        self._today = new_york_date(start)
        self._waiting: list[tuple[int, int, Report]] = []
        self._orders = 0
        self._prints = 0
        self._paused = 0
        self._hour_ends = start - start % HOUR_MS + HOUR_MS
        self._reports = 0
        self._next = float(start)
        # Seed and start are part of a print's name: another run never takes the names of this one.
        self._prefix = f"sim_{base36(abs(seed))}{'n' if seed < 0 else ''}_{base36(start)}_"

    def take(self, until: float, limit: int, received: int | None = None) -> list[Print]:
        """At most `limit` next prints that are printed up to `until` (unix ms).

        `received` is the time that the prints carry as received; None means the time they were printed at.
        """
        found: list[Print] = []
        waiting = self._waiting
        until -= self._paused
        while len(found) < limit:
            while not waiting or waiting[0][0] > self._next:
                if self._next > until:
                    break
                self._order()
            if not waiting or waiting[0][0] > until:
                break
            at, _, report = heappop(waiting)
            found.append(self._print(report, at + self._paused if received is None else received))
        return found

    def prints(self) -> Iterator[Print]:
        """The prints without end."""
        while True:
            yield from self.take(float("inf"), 256)

    @property
    def due(self) -> float:
        """When the next print may leave at the earliest, unix ms."""
        at = self._waiting[0][0] if self._waiting else self._next
        return min(at, self._next) + self._paused

    @property
    def paused(self) -> int:
        """For how long the market stood still in all, ms."""
        return self._paused

    def pause(self, ms: int) -> None:
        """Let the market stand still for so long: all that is to come happens that much later."""
        self._paused += ms

    def _order(self) -> None:
        at, r = self._next, self._rng.random
        self._orders += 1
        number = bisect(self._sums, r() * self._whole)
        book = self._books.get(number)
        if book is None:
            underlying = self._listed[number]
            book = self._books[number] = Book(
                underlying, Chain(underlying, self._today, self.seed), at, self._market
            )
        self._market.advance(at, NORMAL[int(r() * len(NORMAL))])
        book.advance(at, self._market, NORMAL[int(r() * len(NORMAL))])
        for report in self._flow.order(book, self._mixes[number], at):
            self._reports += 1
            heappush(self._waiting, (report[0], self._reports, report))
        burst = 1 + (OPENING_BURST - 1) * exp((self.start - at) / OPENING_MS)
        self._next = at - log(1 - r()) / (self._usual * burst)
        if self._next + self._paused >= self._hour_ends or self._orders % 4_096 == 0:
            self._renew()

    def _renew(self) -> None:
        """Make the chains anew on another day, and where they hold too many contracts."""
        now = int(self._next) + self._paused
        # New York's days begin on the hour, in whatever zone hours are counted.
        self._hour_ends = now - now % HOUR_MS + HOUR_MS
        today = new_york_date(now)
        if today != self._today or sum(len(book.chain) for book in self._books.values()) > LISTINGS:
            self._today = today
            for book in self._books.values():
                book.chain = Chain(book.underlying, today, self.seed)

    def _print(self, report: Report, received: int) -> Print:
        _, ts, listing, price, size, venue, condition, bid, ask = report
        if bid == AT_HAND:
            bid, ask = listing.bid, listing.ask
        self._prints += 1
        return Print(
            id=f"{self._prefix}{self._prints}",
            feed=FEED,
            ts=ts + self._paused,
            received=received,
            symbol=listing.symbol,
            price=price / 100,
            size=size,
            exchange=venue,
            conditions=(condition,) if condition else (),
            bid=bid / 100,
            ask=ask / 100,
            underlying_price=listing.spot,
            open_interest=listing.open_interest,
            iv=listing.iv,
            delta=round(listing.delta, 4),
            synthetic=True,
        )
