"""Rates: so many at once, so many a minute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.access import rates
from engine.access.rates import Rate, UserRates
from schemas.errors import RateError


def test_as_many_as_the_limit_at_once_and_no_more() -> None:
    rate = Rate(100)
    assert [rate.allow(5.0) for _ in range(102)] == [True] * 100 + [False] * 2


def test_it_fills_with_time() -> None:
    rate = Rate(60)
    while rate.allow(0.0):
        pass
    assert [rate.allow(0.9), rate.allow(1.0), rate.allow(1.0)] == [False, True, False]


def test_it_never_holds_more_than_the_limit() -> None:
    rate = Rate(3)
    rate.allow(0.0)
    assert [rate.allow(1e9) for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_jumps_back_gives_nothing() -> None:
    rate = Rate(2)
    assert [rate.allow(now) for now in (100.0, 100.0, 50.0, 40.0)] == [True, True, False, False]


@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=200))
def test_no_minute_has_more_than_the_limit_twice(limit: int, pauses: list[float]) -> None:
    rate, now, allowed = Rate(limit), 0.0, []
    for pause in pauses:
        now += pause
        if rate.allow(now):
            allowed.append(now)
    for at in allowed:
        assert sum(at <= other <= at + 60 for other in allowed) <= 2 * limit


def test_each_user_has_a_rate_and_who_asks_too_often_is_told_when_to_ask_again() -> None:
    users = UserRates(7, "searches", "Wait.")
    for user in ("ann", "bob"):
        for _ in range(7):
            users.count(user, 0.0)
        with pytest.raises(RateError, match="More than 7 searches a minute") as caught:
            users.count(user, 0.0)
        assert caught.value.remedy == "Wait."
        users.count(user, caught.value.retry_s)


def test_of_too_many_users_the_one_longest_away_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "RATED_USERS", 2)
    users = UserRates(1, "searches", "Wait.")
    for user in ("ann", "bob"):
        users.count(user, 0.0)
    for user in ("ann", "ann", "bob", "ann"):
        with pytest.raises(RateError):
            users.count(user, 0.0)
    users.count("eve", 0.0)
    with pytest.raises(RateError):
        users.count("ann", 0.0)
    users.count("bob", 0.0)
