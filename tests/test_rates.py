"""Rates: so many at once, so many a minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.access.rates import Rate


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
