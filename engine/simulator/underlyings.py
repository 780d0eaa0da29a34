"""The simulator's underlyings: the busiest few dozens by name, thousands of others made up from the seed.

Prices, volatilities and shares are round figures of the order of the real ones, not quotations.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

UNDERLYINGS = 5_000
"""How many there are by default; some 5,000 have listed options."""

NAMED_SHARE = 0.74
"""Share of all orders that the named underlyings get; the rest is spread over the others."""

TAIL_OFFSET, TAIL_EXPONENT = 25, 1.15
"""The k-th made-up underlying gets a share in proportion to (k + offset) ** -exponent (Zipf-Mandelbrot)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What underlyings of a kind have in common."""

    expiries: str
    """`daily`, `weekly`, `monthly` or `wednesday`: which expiries are listed (chain.py)."""
    ticks: tuple[int, int]
    """Tick in cents below 3 dollars and from there on."""
    multi_leg: float
    """Share of prints that are legs of spreads."""
    width: float
    """How wide quotes are, as a multiple of the most liquid."""
    skew: float
    """Change of implied volatility per standard deviation of strike above the price, as a fraction."""
    beta: float
    """Move of the price for a move of the market."""
    exclusive: str = ""
    """MIC of the only exchange that lists it; empty where all do."""


ETF = Kind("daily", (1, 1), 0.06, 1.0, -0.10, 1.0)
FUND = Kind("weekly", (1, 5), 0.09, 1.8, -0.08, 0.6)
INDEX = Kind("daily", (5, 10), 0.32, 1.6, -0.12, 1.0, "XCBO")
VOLATILITY = Kind("wednesday", (1, 5), 0.24, 2.0, 0.10, -4.0, "XCBO")
STOCK = Kind("weekly", (1, 5), 0.09, 1.6, -0.05, 1.2)
MIDDLE = Kind("weekly", (5, 10), 0.12, 3.0, -0.05, 1.1)
SMALL = Kind("monthly", (5, 10), 0.13, 6.0, -0.04, 0.9)


@dataclass(frozen=True, slots=True)
class Underlying:
    """One underlying at the start of the session."""

    ticker: str
    kind: Kind
    price: float
    """Dollars."""
    volatility: float
    """At-the-money implied volatility as a fraction a year."""
    weight: float
    """Share of orders."""
    roots: tuple[str, str]
    """Root of the standard monthly expiry, root of the others."""


# ticker, kind, dollars, volatility, parts of the named share
_NAMED: tuple[tuple[str, Kind, float, float, float], ...] = (
    ("SPY", ETF, 660.0, 0.16, 190), ("QQQ", ETF, 600.0, 0.21, 105), ("SPX", INDEX, 6_600.0, 0.16, 92),
    ("TSLA", STOCK, 420.0, 0.55, 68), ("NVDA", STOCK, 185.0, 0.42, 66), ("IWM", ETF, 240.0, 0.23, 26),
    ("AAPL", STOCK, 265.0, 0.26, 26), ("AMZN", STOCK, 225.0, 0.32, 22), ("VIX", VOLATILITY, 19.0, 0.95, 20),
    ("PLTR", STOCK, 170.0, 0.58, 20), ("AMD", STOCK, 215.0, 0.55, 19), ("META", STOCK, 640.0, 0.34, 16),
    ("GOOGL", STOCK, 285.0, 0.31, 15), ("MSFT", STOCK, 500.0, 0.24, 15), ("HOOD", STOCK, 125.0, 0.70, 11),
    ("SLV", FUND, 46.0, 0.40, 9), ("GLD", FUND, 375.0, 0.22, 10), ("INTC", STOCK, 37.0, 0.55, 9),
    ("MSTR", STOCK, 220.0, 0.75, 11), ("COIN", STOCK, 290.0, 0.65, 9), ("AVGO", STOCK, 345.0, 0.45, 9),
    ("MU", STOCK, 235.0, 0.58, 8), ("NFLX", STOCK, 112.0, 0.33, 8), ("TLT", FUND, 89.0, 0.12, 7),
    ("SOFI", STOCK, 28.0, 0.65, 7), ("BABA", STOCK, 160.0, 0.45, 7), ("IBIT", FUND, 55.0, 0.50, 9),
    ("TQQQ", FUND, 105.0, 0.62, 5), ("SMCI", STOCK, 38.0, 0.75, 5), ("ORCL", STOCK, 225.0, 0.50, 6),
    ("HYG", FUND, 80.0, 0.07, 4), ("XLF", FUND, 52.0, 0.18, 3), ("FXI", FUND, 40.0, 0.27, 3),
    ("EEM", FUND, 54.0, 0.20, 3), ("NDX", INDEX, 24_800.0, 0.21, 4), ("RUT", INDEX, 2_400.0, 0.23, 3),
    ("XSP", INDEX, 660.0, 0.16, 4), ("GME", STOCK, 21.0, 0.60, 4), ("NIO", STOCK, 6.2, 0.65, 4),
    ("F", STOCK, 13.1, 0.34, 4), ("BAC", STOCK, 52.0, 0.26, 3), ("JPM", STOCK, 300.0, 0.24, 3),
    ("C", STOCK, 99.0, 0.28, 3), ("WMT", STOCK, 104.0, 0.23, 3), ("BA", STOCK, 185.0, 0.36, 4),
    ("UNH", STOCK, 315.0, 0.36, 4), ("XOM", STOCK, 117.0, 0.22, 3), ("LLY", STOCK, 1_020.0, 0.34, 3),
    ("GOOG", STOCK, 286.0, 0.31, 4), ("CRM", STOCK, 235.0, 0.36, 3), ("UBER", STOCK, 88.0, 0.38, 3),
    ("SNAP", STOCK, 8.3, 0.60, 2), ("RIVN", STOCK, 15.5, 0.65, 3), ("CVNA", STOCK, 320.0, 0.62, 3),
    ("APP", STOCK, 540.0, 0.66, 4), ("CRWV", STOCK, 78.0, 0.95, 4), ("DIS", STOCK, 106.0, 0.27, 3),
    ("PYPL", STOCK, 62.0, 0.37, 2), ("T", STOCK, 25.6, 0.23, 2), ("PFE", STOCK, 25.0, 0.27, 2),
)  # fmt: skip

INDICES = frozenset(ticker for ticker, kind, *_ in _NAMED if kind in (INDEX, VOLATILITY))
"""Underlyings that are an index, not a share."""

_ROOTS = {"SPX": ("SPX", "SPXW"), "VIX": ("VIX", "VIXW"), "NDX": ("NDX", "NDXP"), "RUT": ("RUT", "RUTW")}

_FIRST, _VOWEL, _LETTER = "BCDFGHKLMNPRSTVWXZ", "AEIOUY", "ABCDEFGHIKLMNOPRSTUVWXYZ"


def _made_up_ticker(rng: Random, taken: set[str]) -> str:
    while True:
        r = rng.random
        letters = [
            _FIRST[int(r() * len(_FIRST))],
            _VOWEL[int(r() * len(_VOWEL))],
            _LETTER[int(r() * len(_LETTER))],
        ]
        if r() < 0.72:
            letters.append(_LETTER[int(r() * len(_LETTER))])
        ticker = "".join(letters)
        if ticker not in taken:
            taken.add(ticker)
            return ticker


def underlyings(seed: int, count: int = UNDERLYINGS) -> list[Underlying]:
    """The underlyings of a seed, busiest named ones first; the same seed gives the same list everywhere."""
    named = _NAMED[:count]
    parts = sum(row[4] for row in named)
    share = NAMED_SHARE if count > len(named) else 1.0
    found = [
        Underlying(
            ticker, kind, price, volatility, share * weight / parts, _ROOTS.get(ticker, (ticker, ticker))
        )
        for ticker, kind, price, volatility, weight in named
    ]
    rng = Random(f"underlyings of {seed}")
    taken = {row[0] for row in _NAMED} | {root for roots in _ROOTS.values() for root in roots}
    tail = [(k + TAIL_OFFSET) ** -TAIL_EXPONENT for k in range(count - len(named))]
    whole = sum(tail)
    for k, weight in enumerate(tail):
        ticker = _made_up_ticker(rng, taken)
        # Most shares cost 5 to 150 dollars; the logarithm is about uniform, thinner at both ends.
        price = round(3.0 * 100 ** ((rng.random() + rng.random()) / 2) * (1 + rng.random()), 2)
        volatility = round(0.22 + 0.7 * rng.random() ** 2, 3)
        kind = MIDDLE if k < 700 else SMALL
        found.append(
            Underlying(ticker, kind, price, volatility, (1 - share) * weight / whole, (ticker, ticker))
        )
    return found
