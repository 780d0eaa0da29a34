"""Dates of the options market against published calendars."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendar import as_date, days_to_expiry, is_monthly, new_york_date, new_york_ms, third_friday

NEW_YORK = ZoneInfo("America/New_York")


def number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@given(st.integers(631_152_000_000, 4_102_444_800_000))
def test_a_time_has_the_date_that_new_york_had(ts: int) -> None:
    moment = datetime.fromtimestamp(ts // 1000, UTC).astimezone(NEW_YORK)
    assert new_york_date(ts) == number(moment.date())


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-06-12T03:59:59.999+00:00", 20_260_611), ("2026-06-12T04:00:00+00:00", 20_260_612),
        ("2026-12-12T04:59:59.999+00:00", 20_261_211), ("2026-12-12T05:00:00+00:00", 20_261_212),
        ("2026-03-08T04:59:59.999+00:00", 20_260_307), ("2026-03-08T05:00:00+00:00", 20_260_308),
        ("2026-03-09T03:59:59.999+00:00", 20_260_308), ("2026-03-09T04:00:00+00:00", 20_260_309),
        ("2026-11-01T03:59:59.999+00:00", 20_261_031), ("2026-11-01T04:00:00+00:00", 20_261_101),
        ("2026-11-02T04:59:59.999+00:00", 20_261_101), ("2026-11-02T05:00:00+00:00", 20_261_102),
    ],
)  # fmt: skip
def test_days_change_at_midnight_in_new_york_around_each_change_of_clocks(text: str, day: int) -> None:
    assert new_york_date(ms(text)) == day


@pytest.mark.parametrize(
    ("day", "clock", "text"),
    [
        (20_260_306, 34_200_000, "2026-03-06T14:30:00+00:00"), (20_260_309, 34_200_000, "2026-03-09T13:30:00+00:00"),
        (20_260_308, 34_200_000, "2026-03-08T13:30:00+00:00"), (20_261_030, 34_200_000, "2026-10-30T13:30:00+00:00"),
        (20_261_101, 34_200_000, "2026-11-01T14:30:00+00:00"), (20_261_102, 34_200_000, "2026-11-02T14:30:00+00:00"),
        (20_261_101, 5_400_000, "2026-11-01T05:30:00+00:00"), (20_160_601, 0, "2016-06-01T04:00:00+00:00"),
        (20_240_521, 45_173_736, "2024-05-21T16:32:53.736+00:00"),
    ],
)  # fmt: skip
def test_a_wall_clock_in_new_york_is_one_moment(day: int, clock: int, text: str) -> None:
    assert new_york_ms(day, clock) == ms(text)


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(3 * 3_600_000, 86_399_999))
def test_a_wall_clock_keeps_its_date(day: date, clock: int) -> None:
    assert new_york_date(new_york_ms(number(day), clock)) == number(day)


@pytest.mark.parametrize(
    ("day", "clock"),
    [(20_260_308, 2 * 3_600_000), (20_260_612, 86_400_000), (20_260_612, -1), (20_260_231, 0), (0, 0)],
)
def test_a_wall_clock_that_does_not_exist_is_refused(day: int, clock: int) -> None:
    with pytest.raises(ValueError):
        new_york_ms(day, clock)


def test_days_to_expiry_are_calendar_days() -> None:
    assert days_to_expiry(20_260_612, 20_260_612) == 0
    assert days_to_expiry(20_260_612, 20_260_618) == 6
    assert days_to_expiry(20_240_228, 20_240_301) == 2
    assert days_to_expiry(20_260_613, 20_260_612) == -1


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(0, 1_500))
def test_days_to_expiry_undo_the_adding_of_days(day: date, days: int) -> None:
    assert days_to_expiry(number(day), number(day + timedelta(days=days))) == days
    assert as_date(number(day)) == day


@given(st.integers(2000, 2099), st.integers(1, 12))
def test_the_third_friday_is_one(year: int, month: int) -> None:
    day = third_friday(year, month)
    assert day.weekday() == 4
    assert 15 <= day.day <= 21


MONTHLY = [
    # Cboe's expiration calendars. Good Friday was the third one in 2014, 2019, 2022 and 2025.
    20_190_418, 20_220_414, 20_250_417, 20_260_116, 20_260_220, 20_260_320, 20_260_417, 20_260_515,
    # Juneteenth: the third Friday itself in 2026, the Friday before it in 2027. Exchanges were open in 2021.
    20_260_618, 20_270_617, 20_210_618, 20_260_717, 20_241_220, 20_150_220,
    # Until January 2015 the Saturday after.
    20_140_621, 20_141_018, 20_150_117, 20_140_419,
]  # fmt: skip
WEEKLY = [
    20_190_417, 20_260_612, 20_260_626, 20_260_615, 20_150_221, 20_260_516, 20_260_731, 20_261_231, 20_210_617,
]  # fmt: skip


@pytest.mark.parametrize("expiry", MONTHLY)
def test_standard_monthly_expiries_are_monthly(expiry: int) -> None:
    assert is_monthly(expiry, "SPY")


@pytest.mark.parametrize("expiry", WEEKLY)
def test_other_expiries_are_not(expiry: int) -> None:
    assert not is_monthly(expiry, "SPY")


@pytest.mark.parametrize(
    "expiry",
    [
        20_160_615, 20_190_319, 20_220_315, 20_240_618, 20_250_318, 20_260_121, 20_260_218,
        20_260_318, 20_260_415, 20_260_519, 20_260_617, 20_260_722, 20_261_216,
    ],
)  # fmt: skip
def test_vix_expires_thirty_days_before_the_next_months_third_friday(expiry: int) -> None:
    assert is_monthly(expiry, "VIX")


@pytest.mark.parametrize(
    "expiry", [20_160_608, 20_160_601, 20_190_320, 20_240_619, 20_260_520, 20_260_619, 20_260_610, 20_260_116]
)
def test_vix_weeklies_are_weeklies(expiry: int) -> None:
    assert not is_monthly(expiry, "VIX")
