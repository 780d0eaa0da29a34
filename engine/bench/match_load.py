"""What the matching bench matches: simulated trades, and different filters of three kinds, the same for a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from random import Random
from typing import Any, Final

from engine.classify import ContractState, classify
from engine.settings import Settings
from engine.simulator.market import SimulatedMarket
from engine.simulator.underlyings import underlyings
from schemas.contract import parse_osi
from schemas.filter import Filter, Range, number_of
from schemas.trade import Trade

SEED: Final = 20261122

START_MS: Final = 1_795_280_400_000
"""2026-11-21 12:00 in New York."""

RATE: Final = 1_000.0
"""Prints a second of the simulated market."""

Maker = Callable[[Random, list[Trade]], Iterator[Filter]]
"""Filters without end, from chance and from trades as those that they will meet."""


def made_trades(settings: Settings, count: int) -> list[Trade]:
    """So many trades, classified as the indexer does; `seq` is their place, from 1 on."""
    market = SimulatedMarket(SEED, START_MS, RATE)
    states: dict[str, ContractState] = {}
    unknown, rules = ContractState(), settings.rules()
    found = []
    for seq, print_ in enumerate(market.take(float("inf"), count), 1):
        outcome = classify(print_, parse_osi(print_.symbol), states.get(print_.symbol, unknown), rules)
        states[print_.symbol] = outcome.state
        outcome.trade.seq = seq
        found.append(outcome.trade)
    return found


def distinct(maker: Maker, trades: list[Trade], count: int) -> list[Filter]:
    """The first `count` different filters of a maker."""
    seen: dict[str, Filter] = {}
    for wanted in maker(Random(SEED), trades):
        seen.setdefault(wanted.key, wanted)
        if len(seen) == count:
            break
    return list(seen.values())


_TICKERS: Final = ((0.62, 1, 1), (0.22, 2, 3), (0.11, 4, 10), (1.0, 15, 60))
"""How many tickers one who names any does: up to which share of chance, at least, at most."""

_ROUND: Final[dict[str, tuple[float, str, tuple[float, ...]]]] = {
    "premium": (
        0.65,
        "gte",
        (10e3, 25e3, 50e3, 100e3, 150e3, 200e3, 250e3, 300e3, 500e3, 750e3, 1e6, 2e6, 5e6),
    ),
    "size": (0.15, "gte", (10, 25, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000)),
    "price": (0.05, "lte", (0.1, 0.5, 1, 2, 5, 10, 20)),
    "dte": (0.30, "lte", (0, 1, 2, 5, 7, 14, 30, 45, 60, 90, 180)),
    "otm_pct": (0.20, "gt", (0, 1, 2, 3, 5, 7.5, 10, 15, 20, 30)),
    "volume": (0.05, "gte", (100, 250, 500, 1_000, 5_000, 10_000)),
    "open_interest": (0.05, "lte", (100, 500, 1_000, 5_000)),
    "vol_oi": (0.10, "gte", (1, 1.5, 2, 3, 5, 10)),
    "iv": (0.05, "gte", (0.3, 0.5, 0.75, 1, 1.5)),
    "delta": (0.05, "lte", (0.1, 0.2, 0.3, 0.5)),
}
"""How often a field is bounded, on which side, and the round numbers that people write."""

_OWN: Final = 0.2
"""Share of bounds that are no round number."""


def realistic(rng: Random, trades: list[Trade]) -> Iterator[Filter]:
    """As people write them: seven in ten name tickers, mostly busy ones; flags; one to three bounds, mostly round."""
    listed = underlyings(SEED)
    names, weights = [each.ticker for each in listed], list(accumulate(each.weight for each in listed))
    while True:
        lists: dict[str, tuple[str, ...]] = {}
        kind = rng.random()
        if kind < 0.70:
            drawn = rng.random()
            least, most = next((least, most) for share, least, most in _shares() if drawn < share)
            lists["underlying"] = tuple(rng.choices(names, cum_weights=weights, k=rng.randint(least, most)))
        elif kind < 0.73:
            lists["symbol"] = (rng.choice(trades).symbol,)
        elif kind < 0.85:
            lists["underlying_not"] = ("SPY", "QQQ", "SPX", "IWM", "VIX")[: rng.randint(1, 5)]
        if rng.random() < 0.45:
            lists["right"] = (rng.choice("CP"),)
        if rng.random() < 0.30:
            lists["side"] = rng.choice((("above_ask", "ask"), ("above_ask",), ("below_bid", "bid"), ("mid",)))
        elif rng.random() < 0.15:
            lists["sentiment"] = (rng.choice(("bullish", "bearish")),)
        if rng.random() < 0.04:
            lists["exchange"] = (rng.choice(trades).exchange,)
        if rng.random() < 0.40:
            some = rng.sample(
                ("sweep", "block", "golden", "opening", "unusual", "repeat", "large_premium"), 2
            )
            lists["flags_any" if rng.random() < 0.3 else "flags_all"] = tuple(some[: rng.randint(1, 2)])
        if rng.random() < 0.30:
            lists["flags_none"] = ("multi_leg", "late", "cancelled")[: rng.randint(1, 3)]
        yield Filter(**lists, ranges=tuple(_round_ranges(rng)))


def _shares() -> Iterator[tuple[float, int, int]]:
    whole = 0.0
    for share, least, most in _TICKERS:
        whole += share
        yield whole, least, most


def _round_ranges(rng: Random) -> Iterator[tuple[str, Range]]:
    for field, (often, side, numbers) in _ROUND.items():
        if rng.random() < often:
            bound = rng.choice(numbers)
            if rng.random() < _OWN:
                bound = round(bound * rng.uniform(0.5, 2.0), 0 if bound >= 10 else 1)
            yield field, Range(**{side: number_of(field, bound)})
    if rng.random() < 0.06:
        expiry = number_of("expiry", rng.choice(("2026-11-27", "2026-12-18", "2027-01-15", "2027-06-18")))
        yield "expiry", Range(lte=expiry)
    if rng.random() < 0.05:
        low = rng.randrange(5, 700, 5)
        yield "strike", Range(gte=low, lte=low + rng.randrange(5, 100, 5))


_SPREAD: Final = ("premium", "price", "strike", "otm_pct", "volume", "open_interest", "vol_oi", "iv", "delta")


def spread(rng: Random, trades: list[Trade]) -> Iterator[Filter]:
    """Worst for the thresholds: no lists, and three bounds that no other filter has, amid the values of the trades."""
    while True:
        ranges = []
        for field in rng.sample(_SPREAD, 3):
            value: Any = getattr(rng.choice(trades), field) or 0.0
            near = number_of(field, value + rng.uniform(-0.5, 0.5) * (abs(value) * 0.01 + 0.001))
            ranges.append((field, Range(gte=near) if rng.random() < 0.5 else Range(lte=near)))
        yield Filter(ranges=tuple(ranges))


def broad(rng: Random, trades: list[Trade]) -> Iterator[Filter]:
    """Worst for the answer: every trade passes every filter."""
    least = min(trade.premium for trade in trades)
    while True:
        yield Filter(ranges=(("premium", Range(gte=number_of("premium", least * rng.random()))),))


LOADS: Final[dict[str, Maker]] = {"realistic": realistic, "spread": spread, "broad": broad}
