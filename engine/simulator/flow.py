"""What people do in the simulated market: each order becomes the reports that exchanges print for it.

Single trades, sweeps over several exchanges, spreads, stock-tied trades, blocks, runs of small prints, and
the two things that make a tape hard to read: reports that come late, and cancels of earlier prints.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from statistics import NormalDist

from engine.simulator.chain import Listing
from engine.simulator.spots import Book

Report = tuple[int, int, Listing, int, int, str, str, int, int]
"""When it is printed and when it traded (unix ms), contract, price in cents, size, MIC, condition letter
(empty for a regular trade), bid and ask in cents (a bid of AT_HAND: the quote at the time it is printed)."""

AT_HAND = -1
"""Bid of a report whose trade is over: a feed knows only the quote of the moment it is printed."""

SWEEP_SPAN_MS = 45.0
"""The legs of a sweep are at most this far apart."""

LATE_SHARE, LATE_MS = 0.0025, (400.0, 20_000.0)
"""Share of single prints that are reported late, and how late."""

CANCEL_SHARE, CANCEL_MS = 0.0015, (800.0, 45_000.0)
"""Share of single prints that are withdrawn, and how much later."""

_EXCHANGES: dict[str, float] = {
    "XCBO": 11.0, "ARCO": 11.5, "XPHL": 10.0, "AMXO": 7.5, "XBOX": 7.5, "XMIO": 6.5, "EDGO": 6.0, "XISX": 6.0,
    "XNDQ": 5.5, "BATO": 5.0, "MXOP": 5.0, "MPRL": 4.0, "C2OX": 3.5, "EMLD": 3.0, "MCRY": 3.0, "SPHR": 3.0,
    "GMNI": 2.0, "XBXO": 1.5,
}  # fmt: skip


class Pick:
    """Draws one of a few texts by weight."""

    def __init__(self, weights: dict[str, float]) -> None:
        self.names = list(weights)
        self._sums = list(accumulate(weights.values()))
        # The last sum stands above every draw, whatever the rounding.
        self._whole = self._sums.pop()

    def __call__(self, u: float) -> str:
        return self.names[bisect(self._sums, u * self._whole)]


_exchange = Pick(_EXCHANGES)
_single = Pick({"I": 56, "": 9, "S": 13, "a": 15, "b": 1.2, "c": 2.4, "d": 0.3, "e": 1.0, "J": 0.1})
_spread = Pick({"f": 55, "g": 20, "h": 3, "i": 9, "j": 8, "l": 3, "m": 1, "t": 1})
_tied = Pick({"n": 45, "k": 12, "o": 10, "p": 15, "q": 10, "r": 5, "s": 3})
_block = Pick({"e": 40, "c": 35, "a": 15, "I": 10})
_cancel = Pick({"A": 40, "C": 30, "E": 10, "G": 20})

_DRAWS = 4_096
NORMAL: tuple[float, ...] = tuple(NormalDist().inv_cdf((k + 0.5) / _DRAWS) for k in range(_DRAWS))
"""Standard normal draws by rank: one table look-up a draw, the same in every version of Python."""

_ROUND_LOTS = (5, 10, 10, 10, 15, 20, 20, 25, 25, 30, 40, 50, 50, 50, 75, 100, 100, 150, 200)

# Legs as (strike steps away, other right, next expiry, ratio, bought); the first is the contract picked.
_SPREADS: tuple[tuple[float, tuple[tuple[int, bool, bool, int, bool], ...]], ...] = (
    (0.46, ((0, False, False, 1, True), (2, False, False, 1, False))),
    (0.15, ((0, False, False, 1, True), (0, True, False, 1, True))),
    (0.13, ((0, False, False, 1, False), (0, False, True, 1, True))),
    (0.06, ((0, False, False, 1, True), (2, False, False, 2, False))),
    (0.08, ((0, False, False, 1, True), (2, False, False, 2, False), (4, False, False, 1, True))),
    (0.12, ((0, False, False, 1, True), (2, False, False, 1, False),
            (-4, True, False, 1, False), (-6, True, False, 1, True))),
)  # fmt: skip
_SPREAD_SUMS = list(accumulate(share for share, _ in _SPREADS))
_SPREAD_LEGS = sum(share * len(legs) for share, legs in _SPREADS)


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of orders by what they become, cumulated, and the prints that an order makes on average."""

    sweep: float
    run: float
    block: float
    tied: float
    spread: float
    prints: float


SWEEP_ORDERS, RUN_ORDERS, BLOCK_ORDERS, TIED_ORDERS = 0.034, 0.004, 0.004, 0.008
"""Shares of the orders that are no spreads; the rest is single trades."""

_SWEEP_LEGS, _RUN_LEGS, _TIED_LEGS = 3.6, 9.0, 1.4


def mix_of(multi_leg: float, exclusive: bool) -> Mix:
    """The shares of orders for which `multi_leg` is the share of prints that are legs of spreads."""
    sweep = 0.0 if exclusive else SWEEP_ORDERS
    rest = 1 - sweep - RUN_ORDERS - BLOCK_ORDERS - TIED_ORDERS
    single = rest * (1 + CANCEL_SHARE)
    others = sweep * _SWEEP_LEGS + RUN_ORDERS * _RUN_LEGS + BLOCK_ORDERS + TIED_ORDERS * _TIED_LEGS + single
    # `spread` orders of _SPREAD_LEGS prints among (1 - spread) orders of `others` prints.
    spread = multi_leg * others / (_SPREAD_LEGS * (1 - multi_leg) + multi_leg * others)
    keep = 1 - spread
    sums = list(
        accumulate((spread, keep * sweep, keep * RUN_ORDERS, keep * BLOCK_ORDERS, keep * TIED_ORDERS))
    )
    return Mix(sums[1], sums[2], sums[3], sums[4], sums[0], spread * _SPREAD_LEGS + keep * others)


class Flow:
    """Turns a draw of the seed into the reports of one order."""

    def __init__(self, rng: Random) -> None:
        self._random = rng.random

    def order(self, book: Book, mix: Mix, at: float) -> list[Report]:
        """The reports of one order in a book at a time (unix ms, with a fraction)."""
        r = self._random
        call = r() < 0.56
        number = book.chain.expiry_at(r())
        # Most trade out of the money: calls above the price, puts below it.
        away = 0.45 + 0.85 * NORMAL[int(r() * _DRAWS)]
        strike = book.chain.strike_at(number, book.spot, away if call else -away)
        kind = r()
        if kind < mix.spread:
            return self._legs(book, number, strike, call, at)
        listing = book.chain.listing(number, strike, call)
        self._quote(book, listing)
        if kind >= mix.tied:
            return self._one(book, listing, at)
        if kind < mix.sweep:
            return self._sweep(listing, at)
        if kind < mix.run:
            return self._run(book, listing, at)
        if kind < mix.block:
            size = int(500 * (r() + 0.02) ** -0.6)
            return [self._report(listing, at, size - size % 50, self._venue(book), _block(r()))]
        return self._stock_tied(book, listing, at)

    def _quote(self, book: Book, listing: Listing) -> None:
        if listing.spot != book.spot:
            listing.price_at(book.spot, self._random())

    def _venue(self, book: Book) -> str:
        return book.exclusive or _exchange(self._random())

    def _size(self) -> int:
        """Contracts of a single trade: mostly a few, round lots, and a heavy tail."""
        u = self._random()
        if u < 0.37:
            return 1
        if u < 0.70:
            return 2 + int((u - 0.37) * (8 / 0.33))
        if u < 0.93:
            return _ROUND_LOTS[int((u - 0.70) * (len(_ROUND_LOTS) / 0.23))]
        size = int(12 * (1.00002 - u) ** -0.62)
        return size if size < 60 else size - size % 10

    def _price(self, listing: Listing, fine: bool) -> int:
        """A price in cents against the quote, mostly at a side; `fine` prices may be whole cents inside."""
        u = self._random()
        bid, ask = listing.bid, listing.ask
        step = 1 if fine else listing.tick_at(bid)
        room = (ask - bid) // step - 1
        if u < 0.385 or (u < 0.73 and bid == 0):
            return ask
        if u < 0.73:
            return bid
        if u < 0.745:
            tick = listing.tick_at(ask)
            return ask + tick if u < 0.739 or bid <= tick else bid - tick
        if room < 1:
            return ask if u < 0.88 or bid == 0 else bid
        return bid + step * (1 + int(self._random() * room))

    def _report(self, listing: Listing, at: float, size: int, venue: str, condition: str) -> Report:
        price = self._price(listing, condition not in ("I", "", "S", "J"))
        ts = int(at)
        return ts, ts, listing, price, size, venue, condition, listing.bid, listing.ask

    def _one(self, book: Book, listing: Listing, at: float) -> list[Report]:
        r = self._random
        report = self._report(listing, at, self._size(), self._venue(book), _single(r()))
        u = r()
        if u > LATE_SHARE + CANCEL_SHARE:
            return [report]
        _, ts, _, price, size, venue, condition, _, _ = report
        if u < LATE_SHARE:
            condition = "D" if r() < 0.7 else "B"
            return [(self._after(at, LATE_MS), ts, listing, price, size, venue, condition, AT_HAND, 0)]
        later = self._after(at, CANCEL_MS)
        return [report, (later, later, listing, price, size, venue, _cancel(r()), AT_HAND, 0)]

    def _after(self, at: float, span: tuple[float, float]) -> int:
        first, last = span
        return int(at + first + (last - first) * self._random() ** 3)

    def _sweep(self, listing: Listing, at: float) -> list[Report]:
        """One order that takes what several exchanges show at once; the last of it may pay one tick more."""
        r = self._random
        buys = listing.bid == 0 or r() < 0.62
        price = listing.ask if buys else listing.bid
        worse = price + listing.tick_at(price) if buys else price - listing.tick_at(price - 1)
        legs = 2 + int(r() ** 1.5 * 5)
        walks = legs > 2 and worse > 0 and r() < 0.3
        lots = max(1, self._size() // 2) + int(20 * r() ** 4)
        condition = "S" if r() < 0.9 else "b"
        venues = self._venues(legs)
        found: list[Report] = []
        for k, venue in enumerate(venues):
            at += r() * SWEEP_SPAN_MS / legs
            size = max(1, int(lots * (0.4 + 1.2 * r())))
            paid = worse if walks and k == legs - 1 else price
            ts = int(at)
            found.append((ts, ts, listing, paid, size, venue, condition, listing.bid, listing.ask))
        return found

    def _venues(self, count: int) -> list[str]:
        """Different exchanges, the busy ones more often."""
        found: list[str] = []
        while len(found) < count:
            venue = _exchange(self._random())
            if venue not in found:
                found.append(venue)
        return found

    def _run(self, book: Book, listing: Listing, at: float) -> list[Report]:
        """An algorithm that takes one contract in many small pieces within a tenth of a second."""
        r = self._random
        buys = listing.bid == 0 or r() < 0.55
        price = listing.ask if buys else listing.bid
        venue, size = self._venue(book), 1 + int(10 * r() ** 2)
        found: list[Report] = []
        for _ in range(7 + int(r() * 5)):
            at += r() * 8
            ts = int(at)
            found.append((ts, ts, listing, price, size, venue, "I", listing.bid, listing.ask))
        return found

    def _legs(self, book: Book, number: int, strike: int, call: bool, at: float) -> list[Report]:
        """A spread: all legs at one time on one exchange, nearly always within their quotes."""
        r = self._random
        _, legs = _SPREADS[min(bisect(_SPREAD_SUMS, r()), len(_SPREADS) - 1)]
        size = max(1, self._size() if r() < 0.6 else 5 * (1 + int(10 * r() ** 2)))
        venue, condition, ts = self._venue(book), _spread(r()), int(at)
        away = 1 if call else -1
        last = len(book.chain.expiries) - 1
        lean = r()
        found: list[Report] = []
        for steps, other, next_expiry, ratio, bought in legs:
            expiry = min(number + 1, last) if next_expiry else number
            listing = book.chain.listing(
                expiry, book.chain.beside(number, strike, steps * away), call != other
            )
            self._quote(book, listing)
            bid, ask = listing.bid, listing.ask
            # A bought leg prices above the middle as far as the sold ones price below it.
            share = 0.5 + (0.5 if bought else -0.5) * lean
            price = max(1, bid + round((ask - bid) * share))
            if condition == "t" and r() < 0.2:
                price = ask + listing.tick_at(ask)
            found.append((ts, ts, listing, price, size * ratio, venue, condition, bid, ask))
        return found

    def _stock_tied(self, book: Book, listing: Listing, at: float) -> list[Report]:
        """An option traded with its stock, sometimes printed in two pieces."""
        r = self._random
        size = 10 * (1 + int(30 * r() ** 3))
        venue, condition = self._venue(book), _tied(r())
        found = [self._report(listing, at, size, venue, condition)]
        if r() < _TIED_LEGS - 1:
            found.append(self._report(listing, at, size, venue, condition))
        return found
