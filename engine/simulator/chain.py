"""One underlying's option chain: its expiries and strikes, what a contract is worth, how it is quoted.

Worth is Black-Scholes without interest or dividends, with a volatility that bends with the strike (a smile).
Quotes are whole ticks around it. Money is in whole cents where it is quoted, in dollars where it is a float.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from math import ceil, erf, exp, log, sqrt
from zlib import crc32

from engine.simulator.underlyings import Underlying
from schemas.calendar import as_date, is_monthly, third_friday

TICK_CHANGE_CENTS = 300
"""Price from which the wider tick holds."""

_ROOT_HALF = 1 / sqrt(2.0)
_HOLIDAYS = {(1, 1), (6, 19), (7, 4), (12, 25)}


@dataclass(frozen=True, slots=True)
class Expiry:
    """A listed expiry: its date yyyymmdd, the root it trades under, years until then, its weight."""

    date: int
    root: str
    years: float
    weight: float


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def is_trading_day(day: date) -> bool:
    """Weekdays but for holidays of fixed date, Thanksgiving, and Fridays whose expiry moves to Thursday."""
    if day.weekday() > 4 or (day.month, day.day) in _HOLIDAYS:
        return False
    if day.month == 11 and day.weekday() == 3 and 22 <= day.day <= 28:
        return False
    return not (day == third_friday(day.year, day.month) and is_monthly(_number(day - timedelta(days=1)), ""))


def _monthly(year: int, month: int, volatility: bool) -> date:
    """The standard expiry of a month, as schemas.calendar defines it."""
    underlying = "VIX" if volatility else ""
    days = (date(year, month, day) for day in range(13, 25))
    return next(day for day in days if is_monthly(_number(day), underlying))


@lru_cache(maxsize=64)
def listed(today: int, kind: str) -> tuple[tuple[int, bool], ...]:
    """The expiries of a kind (`Kind.expiries`) on a day: yyyymmdd, and whether it is the monthly one."""
    day = as_date(today)
    found: dict[date, bool] = {}
    months = {"daily": 9, "weekly": 8, "monthly": 7, "wednesday": 7}[kind]
    for ahead in range(months + 1):
        if kind == "monthly" and ahead not in (0, 1, 2, 4, 7):
            continue
        years, month = divmod(day.month - 1 + ahead, 12)
        found[_monthly(day.year + years, month + 1, kind == "wednesday")] = True
    if kind in ("daily", "weekly"):
        for years in (1, 2):
            found[_monthly(day.year + years, 1, False)] = True
    for ahead in range({"daily": 46, "weekly": 46, "monthly": 0, "wednesday": 32}[kind]):
        other = day + timedelta(days=ahead)
        wanted = {"daily": ahead < 15 or other.weekday() == 4, "weekly": other.weekday() == 4}.get(
            kind, other.weekday() == 2
        )
        if wanted:
            moved = other if is_trading_day(other) else other - timedelta(days=1)
            if is_trading_day(moved):
                found.setdefault(moved, False)
    return tuple((_number(expiry), standard) for expiry, standard in sorted(found.items()) if expiry >= day)


def _step(underlying: Underlying, years: float) -> int:
    """Distance of neighbouring strikes in thousandths of a dollar."""
    price, kind = underlying.price, underlying.kind.expiries
    if kind == "daily":
        step = 1_000 if price < 1_000 else 5_000 if price < 10_000 else 10_000
    elif kind == "monthly":
        step = 1_000 if price < 10 else 2_500 if price < 40 else 5_000 if price < 200 else 10_000
    else:
        step = 500 if price < 30 else 1_000 if price < 120 else 2_500 if price < 300 else 5_000
    return step if years < 0.13 else step * 2 if years < 0.6 else step * 5


class Listing:
    """One contract with the quote it last had. `bid`, `ask` are cents; a bid of 0 means that nobody bids."""

    __slots__ = (
        "ask", "bid", "call", "delta", "deviation", "expiry", "iv", "open_interest", "spot", "strike",
        "symbol", "ticks", "width",
    )  # fmt: skip

    def __init__(
        self, underlying: Underlying, expiry: Expiry, thousandths: int, call: bool, seed: int
    ) -> None:
        self.call = call
        self.expiry = expiry
        self.strike = thousandths / 1000
        self.symbol = f"{expiry.root}{expiry.date % 1_000_000:06d}{'C' if call else 'P'}{thousandths:08d}"
        root_years = sqrt(expiry.years)
        away = log(self.strike / underlying.price) / (underlying.volatility * root_years)
        away = max(-4.0, min(4.0, away))
        smile = 1 + underlying.kind.skew * away + 0.03 * away * away
        self.iv = round(max(0.03, underlying.volatility * smile), 4)
        self.deviation = self.iv * root_years
        self.width = underlying.kind.width * (1 + 0.25 * abs(away))
        self.ticks = underlying.kind.ticks
        # Two bytes of a checksum each: the open interest of a contract is the same whenever it is looked at.
        draw = crc32(f"{seed} {self.symbol}".encode())
        u, v = (draw & 0xFFFF) / 65_536, (draw >> 16) / 65_536
        busy = 60 * underlying.weight**0.5 * 100 * exp(-0.35 * away * away)
        self.open_interest = 0 if v < 0.06 else int(busy * (u + 0.02) ** -0.9 * (0.2 + v))
        self.spot = -1.0
        self.bid = self.ask = 0
        self.delta = 0.0

    def price_at(self, spot: float, jitter: float) -> None:
        """Set bid, ask and delta for a price of the underlying; `jitter` in [0, 1) widens the quote."""
        strike, deviation = self.strike, self.deviation
        d1 = log(spot / strike) / deviation + deviation / 2
        n1 = 0.5 + 0.5 * erf(d1 * _ROOT_HALF)
        n2 = 0.5 + 0.5 * erf((d1 - deviation) * _ROOT_HALF)
        worth = spot * n1 - strike * n2
        if self.call:
            self.delta = n1
        else:
            self.delta = n1 - 1
            worth += strike - spot
        self.spot = spot
        middle = worth * 100 if worth > 0 else 0.0
        low, high = self.ticks
        near = low if middle < TICK_CHANGE_CENTS else high
        half = self.width * (0.35 * near + 0.0015 * middle) * (0.7 + 0.6 * jitter)
        below, above = middle - half, middle + half
        tick = low if below < TICK_CHANGE_CENTS else high
        bid = int(below // tick) * tick if below > 0 else 0
        tick = low if above < TICK_CHANGE_CENTS else high
        ask = ceil(above / tick) * tick
        self.bid = bid
        self.ask = ask if ask > bid else bid + tick

    def tick_at(self, cents: int) -> int:
        """The tick in cents at a price."""
        return self.ticks[cents >= TICK_CHANGE_CENTS]


class Chain:
    """The contracts of one underlying that somebody has traded, made when they are first asked for."""

    def __init__(self, underlying: Underlying, today: int, seed: int) -> None:
        self._underlying = underlying
        self._seed = seed
        self._made: dict[tuple[int, int, bool], Listing] = {}
        self.expiries = self._expiries(underlying, today)
        self._weights = list(accumulate(expiry.weight for expiry in self.expiries))
        self._steps = [_step(underlying, expiry.years) for expiry in self.expiries]

    def __len__(self) -> int:
        return len(self._made)

    @staticmethod
    def _expiries(underlying: Underlying, today: int) -> list[Expiry]:
        first = as_date(today)
        monthly_root, other_root = underlying.roots
        found = []
        for number, standard in listed(today, underlying.kind.expiries):
            days = (as_date(number) - first).days
            years = (days + 0.3) / 365
            weight = (days + 1.0) ** -1.3 if underlying.kind.expiries == "daily" else (days + 3.0) ** -1.0
            root = monthly_root if standard else other_root
            found.append(Expiry(number, root, years, weight))
            if standard and underlying.kind.expiries == "daily" and monthly_root != other_root:
                # An index's monthly class settles in the morning; another one settles at the close.
                found.append(Expiry(number, other_root, years, weight * 2))
        return found

    def expiry_at(self, u: float) -> int:
        """The number of the expiry that a uniform draw in [0, 1) picks."""
        return min(bisect(self._weights, u * self._weights[-1]), len(self.expiries) - 1)

    def strike_at(self, number: int, spot: float, deviations: float) -> int:
        """The listed strike, in thousandths of a dollar, so many standard deviations from the price."""
        step = self._steps[number]
        reach = self._underlying.volatility * sqrt(self.expiries[number].years) * deviations
        return max(1, round(spot * exp(max(-1.5, min(1.5, reach))) * 1000 / step)) * step

    def beside(self, number: int, thousandths: int, steps: int) -> int:
        """The strike so many listed steps away from another."""
        step = self._steps[number]
        return max(step, thousandths + steps * step)

    def listing(self, number: int, thousandths: int, call: bool) -> Listing:
        """The contract of an expiry, strike and right."""
        key = (number, thousandths, call)
        found = self._made.get(key)
        if found is None:
            found = Listing(self._underlying, self.expiries[number], thousandths, call, self._seed)
            self._made[key] = found
        return found
