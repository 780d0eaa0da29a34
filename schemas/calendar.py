"""Dates of the options market: New York days, days to expiry, and which expiries are the monthly ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")

_HOUR_MS = 3_600_000


@lru_cache(maxsize=4_096)
def _ny_date_of_hour(hour: int) -> int:
    day = datetime.fromtimestamp(hour * 3600, UTC).astimezone(NEW_YORK)
    return day.year * 10_000 + day.month * 100 + day.day


def new_york_date(ts: int) -> int:
    """The New York date of a unix time in ms, as yyyymmdd."""
    # New York's offset is whole hours and changes on the hour, so all of one UTC hour has one date.
    return _ny_date_of_hour(ts // _HOUR_MS)


@lru_cache(maxsize=4_096)
def _hour_start_ms(yyyymmdd: int, hour: int) -> int:
    day = as_date(yyyymmdd)
    local = datetime(day.year, day.month, day.day, hour, tzinfo=NEW_YORK)
    start = local.astimezone(UTC)
    if start.astimezone(NEW_YORK).hour != hour:
        raise ValueError(f"{hour:02d} o'clock was skipped in New York on {day.isoformat()}")
    return round(start.timestamp()) * 1000


def new_york_ms(yyyymmdd: int, ms_of_day: int) -> int:
    """Unix ms of a wall-clock time in New York, `ms_of_day` as a clock shows it (34,200,000 is 9:30 on every day).

    The hour that is repeated in autumn is taken for its first pass. Raises ValueError for a date or a time that
    does not exist, such as the hour skipped in spring.
    """
    hour, rest = divmod(ms_of_day, _HOUR_MS)
    if not 0 <= hour < 24:
        raise ValueError(f"{ms_of_day} is no time of day in ms (0 to 86,399,999)")
    return _hour_start_ms(yyyymmdd, hour) + rest


@lru_cache(maxsize=1_024)
def as_date(yyyymmdd: int) -> date:
    """A yyyymmdd integer as a date. Raises ValueError where it is none."""
    return date(yyyymmdd // 10_000, yyyymmdd // 100 % 100, yyyymmdd % 100)


@lru_cache(maxsize=65_536)
def days_to_expiry(today: int, expiry: int) -> int:
    """Calendar days from one yyyymmdd to another; 0 on the day of expiry, negative after it."""
    return (as_date(expiry) - as_date(today)).days


@lru_cache(maxsize=1_024)
def third_friday(year: int, month: int) -> date:
    """The third Friday of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


def _easter(year: int) -> date:
    # The anonymous Gregorian algorithm (Meeus, Astronomical Algorithms, chapter 8).
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    month, day = divmod(h + m - 7 * ((a + 11 * h + 22 * m) // 451) + 114, 31)
    return date(year, month, day + 1)


def _is_juneteenth(day: date) -> bool:
    """Whether exchanges are closed for Juneteenth (since 2022), on the Friday before where it is a Saturday."""
    return day.year >= 2022 and day.month == 6 and (day.day == 19 or (day.day == 18 and day.weekday() == 4))


def _closed_third_friday(day: date) -> bool:
    """Holidays that can fall on a third Friday: Good Friday and Juneteenth."""
    return day == _easter(day.year) - timedelta(days=2) or _is_juneteenth(day)


@lru_cache(maxsize=16_384)
def is_monthly(expiry: int, underlying: str) -> bool:
    """Whether an expiry (yyyymmdd) is the standard monthly one of its underlying.

    Equity and index options expire on the third Friday, on the Thursday before where that Friday is a holiday,
    and until January 2015 formally on the Saturday after (OCC). VIX options expire 30 days before the next
    month's third Friday, usually a Wednesday, a day earlier where that day or that Friday is a holiday (Cboe).
    """
    day = as_date(expiry)
    if underlying == "VIX":
        year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
        friday = third_friday(year, month)
        settles = friday - timedelta(days=30)
        early = _closed_third_friday(friday) or _is_juneteenth(settles)
        return day == settles - timedelta(days=1) if early else day == settles
    friday = third_friday(day.year, day.month)
    if day == friday:
        return True
    if day == friday - timedelta(days=1):
        return _closed_third_friday(friday)
    return day == friday + timedelta(days=1) and expiry < 20_150_201
