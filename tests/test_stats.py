"""The sums of a window: equal to those made in Python of the same documents, whole or an error, never held long."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from engine import stats as module
from engine.search import Search
from engine.search_index import ensure_index
from engine.settings import Settings
from engine.stats import BUCKETS_MOST, TOP_MOST, WINDOW_MS_LEAST, WINDOW_MS_MOST, Flow, Stats, edge_of, stats
from schemas.errors import RedisSetupError, SearchError, SearchRequestError
from schemas.filter import Filter
from schemas.filter_predicate import predicate
from schemas.filter_text import parse_filter
from schemas.trade import Trade
from tests.http_gateway import Client, asking
from tests.test_search import EVERYTHING, write
from tests.test_search_async import distinct
from tests.trade_strategies import a_trade, filters, trades

START = 1_700_000_000_000


def summed(
    client: redis.Redis,
    wanted: Filter,
    window_ms: int,
    until: int | None = None,
    *,
    buckets: int = 3,
    top: int = 5,
    partitions: int = 1,
    timeout_ms: int = 2_000,
) -> Stats:
    question = stats(
        wanted,
        window_ms,
        until,
        START,
        buckets=buckets,
        top=top,
        partitions=partitions,
        timeout_ms=timeout_ms,
    )
    return Search(client, partitions, timeout_ms).run(question)


def flow_of(rows: Sequence[Trade]) -> Flow:
    """The sums made one by one."""
    flow = Flow()
    for row in rows:
        flow.add(row.right, row.sentiment, 1, row.premium, row.size)
    return flow


def assert_same(found: Flow, expected: Flow) -> None:
    """Redis writes sums with twelve digits."""
    for name in Flow.__slots__:
        one, other = getattr(found, name), getattr(expected, name)
        assert math.isclose(one, other, rel_tol=1e-10, abs_tol=1e-6), name
    assert found.trades == expected.trades


@examples(max_examples=40)
@given(st.data(), st.lists(trades(), max_size=40), filters(), st.integers(1, 3), st.integers(1, 7))
def test_sums_are_those_of_the_documents_in_the_window(
    client: redis.Redis,
    data: st.DataObject,
    drawn: list[Trade],
    wanted: Filter,
    partitions: int,
    buckets: int,
) -> None:
    client.flushdb()
    rows = [
        msgspec.structs.replace(row, ts=START + data.draw(st.integers(0, 4_000)))
        for row in distinct(drawn, partitions)
    ]
    write(client, rows, partitions)
    until = data.draw(st.one_of(st.none(), st.integers(START, START + 5_000)))
    window = data.draw(st.integers(WINDOW_MS_LEAST, 4_000))
    test, top = predicate(wanted), data.draw(st.integers(1, 9))
    found = summed(client, wanted, window, until, buckets=buckets, top=top, partitions=partitions)

    to = min(max((row.ts for row in rows), default=START), START + 5_000 if until is None else until)
    assert (found.after, found.to) == (to - window, to)
    mine = [row for row in rows if to - window < row.ts <= to and test(row) and "cancelled" not in row.flags]
    assert_same(found.whole, flow_of(mine))
    by_name = {row.underlying: flow_of([r for r in mine if r.underlying == row.underlying]) for row in mine}
    assert len(found.underlyings) == min(top, len(by_name))
    for name, flow in found.underlyings:
        assert_same(flow, by_name[name])
    premiums = [flow.premium for _, flow in found.underlyings]
    assert premiums == sorted(premiums, reverse=True)
    least = min(premiums, default=0)
    left = {name for name, _ in found.underlyings}
    assert all(flow.premium <= least * (1 + 1e-10) for name, flow in by_name.items() if name not in left)
    assert len(found.series) == buckets
    for number, flow in enumerate(found.series):
        low, high = found.edge(number), found.edge(number + 1)
        assert_same(flow, flow_of([row for row in mine if low < row.ts <= high]))


@given(st.integers(0, 2**41), st.integers(1, WINDOW_MS_MOST), st.integers(1, BUCKETS_MOST))
def test_parts_of_the_series_meet_and_cover_the_window(after: int, length: int, buckets: int) -> None:
    edges = [edge_of(after, after + length, number, buckets) for number in range(buckets + 1)]
    assert edges[0] == after
    assert edges[-1] == after + length
    assert edges == sorted(edges)


def test_a_dense_window_is_summed_in_slices_and_each_is_bounded(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLICE_TRADES", 100)
    # A burst in the midst of little, and more in one millisecond than a slice may hold.
    times = [*range(0, 60_000, 500), *(30_000 + n // 4 for n in range(2_000)), *([45_000] * 300)]
    rows = [a_trade(n, ts=START + at, premium=n / 100) for n, at in enumerate(times)]
    write(client, rows)
    client.config_resetstat()
    found = summed(client, EVERYTHING, 60_000)
    assert_same(found.whole, flow_of(rows))
    calls = client.info("commandstats")["cmdstat_FT.AGGREGATE"]["calls"]
    assert 20 < calls < 200


def test_cancelled_trades_are_left_out_whatever_the_filter_says(client: redis.Redis) -> None:
    write(client, [a_trade(1, premium=10), a_trade(2, premium=5, flags=("cancelled",))])
    assert summed(client, EVERYTHING, 60_000).whole.premium == 10
    assert summed(client, parse_filter("cancelled"), 60_000).whole.trades == 0


def test_nets_and_ratios() -> None:
    flow = Flow()
    flow.add("C", "bullish", 2, 300.0, 30)
    flow.add("P", "bullish", 1, 100.0, 20)
    flow.add("P", "bearish", 1, 50.0, 40)
    flow.add("C", "neutral", 1, 7.0, 1)
    assert (flow.net_premium, flow.net_bullish_premium) == (157.0, 350.0)
    assert (flow.bullish_premium, flow.bearish_premium) == (400.0, 50.0)
    assert (flow.put_call_premium, flow.put_call_volume) == (0.4886, 1.9355)
    assert Flow().put_call_premium is None


def test_net_premium_of_calls_and_of_puts_is_what_was_bought_minus_what_was_sold() -> None:
    flow = Flow()
    flow.add("C", "bullish", 1, 300.0, 1)
    flow.add("C", "bearish", 1, 120.0, 1)
    flow.add("P", "bearish", 1, 80.0, 1)
    flow.add("P", "bullish", 1, 500.0, 1)
    flow.add("C", "neutral", 1, 7.0, 1)
    flow.add("P", "neutral", 1, 9.0, 1)
    assert (flow.net_call_premium, flow.net_put_premium) == (180.0, -420.0)
    assert flow.net_bullish_premium == flow.net_call_premium - flow.net_put_premium


def test_no_trades_at_all_give_zeros_up_to_now(client: redis.Redis) -> None:
    ensure_index(client, 1)
    found = summed(client, EVERYTHING, 60_000)
    assert found.to == START
    assert found.whole == Flow()
    assert found.underlyings == []


def test_more_trades_than_may_be_summed_are_an_error_that_names_the_window(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STATS_TRADES", 50)
    write(client, [a_trade(n, ts=START + n) for n in range(51)])
    with pytest.raises(SearchRequestError, match="more than 50 trades") as caught:
        summed(client, EVERYTHING, 60_000)
    assert caught.value.parameter == "window"


def test_a_sum_that_redis_cuts_short_fails(client: redis.Redis) -> None:
    write(client, [a_trade(n, ts=START) for n in range(20_000)])
    with pytest.raises(SearchError, match="did not end within 1 ms"):
        summed(client, EVERYTHING, 60_000, timeout_ms=1)


def test_a_missing_index_is_said(client: redis.Redis) -> None:
    with pytest.raises(RedisSetupError, match="no index"):
        summed(client, EVERYTHING, 60_000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window_ms", WINDOW_MS_LEAST - 1),
        ("window_ms", WINDOW_MS_MOST + 1),
        ("buckets", 0),
        ("buckets", BUCKETS_MOST + 1),
        ("top", 0),
        ("top", TOP_MOST + 1),
    ],
)
def test_what_is_asked_for_is_bounded(client: redis.Redis, name: str, value: int) -> None:
    with pytest.raises(SearchRequestError, match="out of range"):
        summed(client, EVERYTHING, **{"window_ms": 60_000, name: value})


def test_over_http_the_sums_come_with_underlyings_and_series(client: redis.Redis, settings: Settings) -> None:
    rows = [
        a_trade(1, ts=START, premium=100.25, size=3, sentiment="bullish"),
        a_trade(2, ts=START + 40_000, right="P", premium=50.1, size=2, sentiment="bearish"),
        a_trade(3, ts=START + 50_000, underlying="QQQ", premium=7, size=1, sentiment="neutral"),
    ]
    write(client, rows)
    answer = asking(settings, lambda ask: ask.get("/v1/stats", {"window": "1m", "buckets": 2, "top": 1}))
    assert answer.status_code == 200
    found = answer.json()
    assert {name: found[name] for name in ("after", "to", "trades", "premium", "net_premium")} == {
        "after": START - 10_000,
        "to": START + 50_000,
        "trades": 3,
        "premium": 157.35,
        "net_premium": 57.15,
    }
    assert found["net_bullish_premium"] == 50.15
    assert (found["net_call_premium"], found["net_put_premium"]) == (100.25, 50.1)
    assert (found["put_call_premium"], found["put_call_volume"]) == (0.4671, 0.5)
    assert [each["underlying"] for each in found["underlyings"]] == ["SPY"]
    assert [(part["after"], part["to"], part["premium"]) for part in found["series"]] == [
        (START - 10_000, START + 20_000, 100.25),
        (START + 20_000, START + 50_000, 57.1),
    ]


def test_a_delayed_tier_gets_the_sums_behind_the_clock(client: redis.Redis, settings: Settings) -> None:
    async def work(ask: Client) -> list[int]:
        answers = [await ask.get("/v1/stats", {"window": "1h"}, tier) for tier in ("free", "pro")]
        return [answer.json()["trades"] for answer in answers]

    from engine.clock import now_ms

    now = now_ms()
    write(client, [a_trade(1, ts=now - 1_000_000), a_trade(2, ts=now - 100_000), a_trade(3, ts=now)])
    assert asking(settings, work) == [1, 3]


def test_many_at_once_are_all_answered(client: redis.Redis, settings: Settings) -> None:
    import asyncio

    write(client, [a_trade(n, ts=START + n) for n in range(500)])

    async def work(ask: Client) -> list[int]:
        answers = await asyncio.gather(*(ask.get("/v1/stats", {"window": f"{n + 1}s"}) for n in range(20)))
        return [answer.json()["trades"] for answer in answers]

    assert asking(settings, work) == [500] * 20
