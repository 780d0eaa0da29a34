"""Random trades and filters for the property tests: few values and boundary numbers, so that filters often match."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from schemas.errors import FilterError
from schemas.filter import CHOICES, FLAGS, RANGES, Filter, Range, number_of
from schemas.trade import Trade

TICKERS = ("SPY", "QQQ", "TSLA", "BRKB", "A", "CALL", "SWEEP", "ASK")
SYMBOLS = ("SPY261218C00600000", "QQQ261218P00500500", "TSLA270115C00250000", "A261120P00000500")
EXCHANGES = ("XCBO", "C2OX", "XPHL", "ARCO")

NUMBERS: dict[str, tuple[int | float, ...]] = {
    "premium": (0, 0.01, 0.1 + 0.2, 0.3, 99_999.99, 100_000, 100_000.01, 1_500_000, 2**53 - 1, 2**53),
    "size": (1, 2, 499, 500, 501, 2**31),
    "price": (0.01, 0.05, 0.1, 2.45, 2.4500000000000006, 1e-7, 1_000),
    "strike": (0.5, 100, 200, 600, 600.5, 5_000),
    "dte": (-1, 0, 1, 7, 8, 365),
    "expiry": (20261218, 20261219, 20270115),
    "otm_pct": (-12.3456, -0.0001, 0, 5, 5.0001, 100),
    "volume": (0, 1, 500, 501, 2**40),
    "open_interest": (0, 100, 101, 2**40),
    "vol_oi": (0, 1.25, 1.2501, 10),
    "iv": (0, 0.25, 0.5, 2.75),
    "delta": (-1, -0.5, 0, 1e-9, 0.5, 1),
}
"""Values of a field and of the bounds on it alike: thresholds are hit exactly."""

NULLABLE = ("otm_pct", "volume", "open_interest", "vol_oi", "iv", "delta")


def a_trade(number: int = 1, **fields: Any) -> Trade:
    """A SPY call at the ask; `fields` say what is different."""
    values: dict[str, Any] = {
        "id": f"t_{number}", "seq": number, "ts": 1_700_000_000_000, "received": 1_700_000_000_000,
        "underlying": "SPY", "symbol": "SPY261218C00600000", "right": "C", "expiry": 20261218, "strike": 600,
        "price": 1.5, "size": 1, "premium": 150, "bid": None, "ask": None, "underlying_price": None, "dte": 1,
        "otm_pct": None, "volume": None, "open_interest": None, "vol_oi": None, "iv": None, "delta": None,
        "side": "ask", "sentiment": "bullish", "flags": (), "conditions": (), "exchange": "",
    }  # fmt: skip
    return Trade(**(values | fields))


def _subset(values: tuple[str, ...], most: int = 3) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), max_size=most, unique=True)


def _numbers(field: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(NUMBERS[field])


@st.composite
def trades(draw: st.DrawFn, number: int = 1) -> Trade:
    """A trade whose every filtered field is random; id and seq are made from `number`."""
    values: dict[str, Any] = {
        field: draw(st.one_of(st.none(), _numbers(field)) if field in NULLABLE else _numbers(field))
        for field in RANGES
    }
    flags = set(draw(_subset(FLAGS, 4)))
    return Trade(
        id=f"t_{number}",
        seq=number,
        ts=1_700_000_000_000 + draw(st.integers(0, 3)),
        received=1_700_000_000_000,
        underlying=draw(st.sampled_from(TICKERS)),
        symbol=draw(st.sampled_from(SYMBOLS)),
        bid=None,
        ask=None,
        underlying_price=None,
        flags=tuple(flag for flag in FLAGS if flag in flags),
        conditions=(),
        exchange=draw(st.sampled_from(("", *EXCHANGES))),
        **{field: draw(st.sampled_from(known)) for field, known in CHOICES.items()},
        **values,
    )


@st.composite
def ranges(draw: st.DrawFn, field: str) -> Range:
    """A range that is not contradictory, with bounds among the values of the field and beyond."""
    beyond = st.nothing() if field == "expiry" else st.floats(-1e6, 1e15, allow_nan=False)
    bounds = st.one_of(st.none(), _numbers(field), beyond)
    drawn = Range(*[None if b is None else number_of(field, b) for b in (draw(bounds) for _ in range(4))])
    try:
        return drawn.tightened(field)
    except FilterError:
        return Range(gte=number_of(field, NUMBERS[field][1]))


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    """Any valid filter."""
    lists = {
        "underlying": draw(_subset(TICKERS)),
        "underlying_not": draw(_subset(TICKERS)),
        "exchange": draw(_subset(EXCHANGES)),
        "symbol": draw(_subset(SYMBOLS)),
        "flags_all": draw(_subset(FLAGS, 2)),
        "flags_any": draw(_subset(FLAGS, 5)),
        "flags_none": draw(_subset(FLAGS)),
    } | {field: draw(_subset(known, 6)) for field, known in CHOICES.items()}
    wanted = draw(st.lists(st.sampled_from(RANGES), max_size=3, unique=True))
    named = {name: tuple(values) for name, values in lists.items() if draw(st.booleans())}
    bounds = tuple((field, draw(ranges(field))) for field in wanted)
    try:
        return Filter(**named, ranges=bounds)
    except FilterError:
        return Filter(ranges=bounds)
