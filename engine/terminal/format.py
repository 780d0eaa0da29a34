"""How numbers and times are written for people, the way traders write them; for terminals, so of narrow width."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from schemas.calendar import NEW_YORK
from schemas.flags import Flag
from schemas.trade import Side

UNKNOWN = "-"
"""Stands for a value that nobody gave."""

SIDE_MARKS: dict[str, str] = {
    Side.ABOVE_ASK: "AA",
    Side.ASK: "A",
    Side.MID: "M",
    Side.BID: "B",
    Side.BELOW_BID: "BB",
    Side.NONE: UNKNOWN,
}
"""Above the ask, at the ask, in the middle, at the bid, below the bid."""

FLAG_MARKS: dict[str, str] = {
    Flag.CANCELLED: "CXL",
    Flag.GOLDEN: "GOLDEN",
    Flag.SWEEP: "SWEEP",
    Flag.BLOCK: "BLOCK",
    Flag.UNUSUAL: "UNUSUAL",
    Flag.OPENING: "OPEN",
    Flag.REPEAT: "RPT",
    Flag.LARGE_PREMIUM: "$$$",
    Flag.MULTI_LEG: "ML",
    Flag.STOCK_TIED: "STK",
    Flag.CROSS: "X",
    Flag.FLOOR: "FLR",
    Flag.AUCTION: "AUC",
    Flag.ISO: "ISO",
    Flag.LATE: "LATE",
    Flag.EXTENDED: "EXT",
    Flag.VOLUME_GT_OI: "V>OI",
    Flag.ZERO_DTE: "0D",
    Flag.WEEKLY: "W",
    Flag.SYNTHETIC: "SYN",
}
"""Short forms of the flags, the telling ones first."""

_SCALES = ((1e9, "B"), (1e6, "M"), (1e3, "K"))


def money(dollars: float) -> str:
    """Dollars with three digits that count: `$1.25M`, `$84.3K`, `$920`."""
    size = abs(dollars)
    sign = "-" if dollars < 0 else ""
    for scale, letter in _SCALES:
        # What would round up to 1,000 of a letter is written as 1 of the next.
        if size >= scale * 0.9995:
            part = size / scale
            digits = 2 if part < 9.995 else 1 if part < 99.95 else 0
            return f"{sign}${part:.{digits}f}{letter}"
    return f"{sign}${size:.0f}"


def price(dollars: float | None) -> str:
    """Dollars a share: `2.84`, cents always, more digits where there are some."""
    if dollars is None:
        return UNKNOWN
    cents = f"{dollars:.2f}"
    return cents if abs(float(cents) - dollars) < 1e-9 else f"{dollars:.4f}".rstrip("0")


def strike(dollars: float) -> str:
    """A strike without needless zeros: `600`, `12.5`."""
    return f"{dollars:g}" if dollars < 100_000 else f"{dollars:.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A percentage with its sign: `+5.3%`."""
    return UNKNOWN if value is None else f"{round(value, digits) + 0.0:+.{digits}f}%"


def count(number: int | None) -> str:
    """A whole number with commas: `12,345`."""
    return UNKNOWN if number is None else f"{number:,}"


def expiry(yyyymmdd: int) -> str:
    """An expiry as traders write it, `12/18/26`."""
    return f"{yyyymmdd // 100 % 100:02d}/{yyyymmdd % 100:02d}/{yyyymmdd // 10_000 % 100:02d}"


@lru_cache(maxsize=8_192)
def _clock_of(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).astimezone(NEW_YORK).strftime("%H:%M:%S")


def clock(ts: int, *, millis: bool = False) -> str:
    """The New York time of a unix time in ms: `09:31:02`, or `09:31:02.123`."""
    text = _clock_of(ts // 1000)
    return f"{text}.{ts % 1000:03d}" if millis else text


def zone(ts: int) -> str:
    """The name of New York's time at a unix time in ms: `EST` or `EDT`."""
    return datetime.fromtimestamp(ts / 1000, UTC).astimezone(NEW_YORK).strftime("%Z")


def day(ts: int) -> str:
    """The New York date of a unix time in ms: `2026-11-18`."""
    return datetime.fromtimestamp(ts / 1000, UTC).astimezone(NEW_YORK).strftime("%Y-%m-%d")


def side(name: str) -> str:
    """The mark of a side, at most two letters."""
    return SIDE_MARKS.get(name, name)


def flags(names: Iterable[str], width: int | None = None) -> str:
    """Short forms of flags, the telling ones first; as many whole ones as the width takes."""
    held = set(names)
    text = ""
    for name, mark in FLAG_MARKS.items():
        if name in held:
            longer = f"{text} {mark}" if text else mark
            if width is not None and len(longer) > width:
                break
            text = longer
    return text


def age(ms: float) -> str:
    """How long ago: `45 ms`, `3.2 s`, `4 min`, `2 h`."""
    if ms < 1_000:
        return f"{max(0, ms):.0f} ms"
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.0f} h"
