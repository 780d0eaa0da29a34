"""The HTTP part on a real gateway: trades by page and tier, who is let in, refusals, headers, what is left unsaid."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from engine.clock import now_ms
from engine.search_index import drop_index, ensure_index
from engine.settings import Settings
from engine.stats import (
    BUCKETS,
    BUCKETS_MOST,
    SLICE_TRADES,
    STATS_TRADES,
    TOP,
    TOP_MOST,
    WINDOW_MS,
    WINDOW_MS_LEAST,
    WINDOW_MS_MOST,
)
from schemas.errors import SearchRequestError
from schemas.filter_predicate import predicate
from schemas.filter_text import filter_text, parse_filter
from schemas.tier import TIERS
from schemas.trade import Trade
from tests.http_gateway import Client, asking
from tests.test_search import order, write
from tests.test_search_async import distinct
from tests.trade_strategies import a_trade, filters, trades
from web.app import build
from web.headers import HEADERS
from web.parameters import Parameters, duration_text
from web.stats import PARAMETERS as STATS_PARAMETERS
from web.trades import PARAMETERS as TRADES_PARAMETERS

START = 1_700_000_000_000


def rows_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["trades"]
    return found


def assert_problem(
    answer: httpx.Response, status: int, code: str, field: str | None = None
) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["status"]) == (status, status)
    assert body["type"] == f"urn:flowtape:problem:{code}"
    assert body.get("field") == field
    return body


@examples(max_examples=12)
@given(st.lists(trades(), min_size=1, max_size=25), filters(), st.integers(1, 2), st.integers(1, 9))
def test_pages_of_a_filter_are_all_its_documents_newest_first(
    client: redis.Redis, settings: Settings, drawn: Sequence[Trade], wanted: Any, partitions: int, limit: int
) -> None:
    client.flushdb()
    rows = distinct(drawn, partitions)
    write(client, rows, partitions)

    async def work(ask: Client) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        before = None
        while True:
            params = {"q": filter_text(wanted), "limit": limit} | ({"before": before} if before else {})
            answer = await ask.get("/v1/trades", params)
            found += rows_of(answer)
            if (before := answer.json()["before"]) is None:
                return found

    test = predicate(wanted)
    expected = [row for row in sorted(rows, key=lambda row: order(row, partitions)) if test(row)]
    as_json = msgspec.json.decode(msgspec.json.encode(expected))
    assert asking(settings, work, partitions=partitions) == as_json


def test_a_page_has_as_many_rows_as_the_tier_and_not_more(client: redis.Redis, settings: Settings) -> None:
    write(client, [a_trade(n, ts=START + n) for n in range(120)])

    async def work(ask: Client) -> None:
        for tier in TIERS.values():
            found = rows_of(await ask.get("/v1/trades", tier=tier.name))
            assert len(found) == min(120, tier.rows)
            assert len(rows_of(await ask.get("/v1/trades", {"limit": 7}, tier.name))) == 7
            for limit in (tier.rows + 1, 10**9, "9" * 5_000, "0" * 5_000 + "200"):
                assert rows_of(await ask.get("/v1/trades", {"limit": limit}, tier.name)) == found
            assert len(rows_of(await ask.get("/v1/trades", {"limit": "007"}, tier.name))) == 7
            for limit in (0, -1, "00", "", "many", "1.5", "٣"):
                refused = await ask.get("/v1/trades", {"limit": limit}, tier.name)
                body = assert_problem(refused, 400, "parameter", "limit")
                assert f"from 1 (more than {tier.rows} are {tier.rows})" in body["detail"]

    asking(settings, work)


def test_a_delayed_tier_sees_nothing_newer_than_its_delay(client: redis.Redis, settings: Settings) -> None:
    now = now_ms()
    ages = {"now": 0, "recent": 800_000, "old": 1_000_000, "older": 2_000_000}
    write(client, [a_trade(n, id=name, ts=now - age) for n, (name, age) in enumerate(ages.items())])

    async def work(ask: Client) -> None:
        seen = {
            tier: [row["id"] for row in rows_of(await ask.get("/v1/trades", tier=tier))] for tier in TIERS
        }
        assert seen == {
            "free": ["old", "older"],
            "pro": ["now", "recent", "old", "older"],
            "premium": ["now", "recent", "old", "older"],
        }
        # The cursor of one who may see more shows no more to one who may not.
        first = await ask.get("/v1/trades", {"limit": 1})
        again = await ask.get("/v1/trades", {"before": first.json()["before"]}, "free")
        assert [row["id"] for row in rows_of(again)] == ["old", "older"]

    asking(settings, work)


@pytest.mark.parametrize(
    ("path", "params", "code", "field"),
    [
        ("/v1/trades", {"q": "premium>=much"}, "filter", "premium"),
        ("/v1/trades", {"q": "@premium:[0 inf]"}, "filter", None),
        ("/v1/trades", {"before": "nonsense"}, "parameter", "before"),
        ("/v1/trades", {"limti": 5}, "parameter", "limti"),
        ("/v1/trades", [("limit", 5), ("limit", 6)], "parameter", "limit"),
        ("/v1/stats", {"window": "0"}, "parameter", "window"),
        ("/v1/stats", {"window": "15w"}, "parameter", "window"),
        ("/v1/stats", {"window": "2d"}, "parameter", "window"),
        ("/v1/stats", {"buckets": 0}, "parameter", "buckets"),
        ("/v1/stats", {"top": 51}, "parameter", "top"),
        ("/v1/stats", {"q": "sweeep"}, "filter", None),
    ],
)
def test_what_is_asked_for_wrongly_is_refused_with_the_place(
    client: redis.Redis, settings: Settings, path: str, params: Any, code: str, field: str | None
) -> None:
    ensure_index(client, 1)
    assert_problem(asking(settings, lambda ask: ask.get(path, params)), 400, code, field)


PRIVATE = ("/v1/trades", "/v1/stats", "/v1/channels", "/v1/channels/mine")
OPEN = ("/healthz", "/v1/openapi.json", "/")


def test_only_a_good_token_opens_what_is_private(client: redis.Redis, settings: Settings) -> None:
    ensure_index(client, 1)

    async def work(ask: Client) -> None:
        good = ask.services.access.issue("ann", "premium", 600)
        for path in PRIVATE:
            for headers in (
                {},
                {"Authorization": "Bearer "},
                {"Authorization": f"Basic {good}"},
                {"Authorization": f"Bearer {good[:-4]}AAAA"},
                {"Authorization": f"Bearer {ask.services.access.issue('ann', 'premium', -1)}"},
                {"Cookie": f"flowtape_session={good[:-4]}AAAA"},
            ):
                answer = await ask.http.get(path, headers=headers)
                body = assert_problem(answer, 401, "access")
                assert answer.headers["www-authenticate"] == 'Bearer realm="flowtape"'
                assert good[:20] not in body["detail"]
            # Never in the address, where logs and histories keep it.
            assert (await ask.http.get(path, params={"token": good})).status_code == 401
        for path in OPEN:
            assert (await ask.http.get(path)).status_code == 200
        cookie = await ask.http.get("/v1/trades", headers={"Cookie": f"flowtape_session={good}"})
        assert cookie.status_code == 200

    asking(settings, work)


def test_an_address_that_is_not_there_and_a_method_that_is_not_taken_are_problems_too(
    settings: Settings,
) -> None:
    async def work(ask: Client) -> None:
        for path in ("/v1/nothing", "/v1/trades/", "/v2/trades", "/v1/trades/t_1"):
            assert_problem(await ask.get(path), 404, "request")
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = await ask.http.request(method, "/v1/trades")
            assert_problem(answer, 405, "request")
            assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}

    asking(settings, work)


def test_every_answer_carries_the_security_headers_and_private_ones_are_not_stored(
    client: redis.Redis, settings: Settings
) -> None:
    ensure_index(client, 1)

    async def work(ask: Client) -> None:
        for path in (*PRIVATE, *OPEN, "/v1/nothing", "/readyz"):
            answer = await ask.get(path)
            for name in HEADERS:
                assert answer.headers[name], (path, name)
            assert answer.headers["x-content-type-options"] == "nosniff"
            policy = answer.headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            if path in PRIVATE:
                assert answer.headers["cache-control"] == "no-store"
            # No other origin reads an answer.
            assert "access-control-allow-origin" not in answer.headers

    asking(settings, work)


def test_a_strangers_host_name_is_refused_by_a_gateway_of_this_machine_alone(settings: Settings) -> None:
    async def work(ask: Client) -> list[int]:
        hosts = ("127.0.0.1:8000", "localhost:8000", "[::1]:8000", "evil.example", "127.0.0.1.evil.example")
        return [(await ask.http.get("/healthz", headers={"Host": host})).status_code for host in hosts]

    assert asking(settings, work) == [200, 200, 200, 421, 421]
    assert asking(settings, work, host="0.0.0.0") == [200] * 5  # noqa: S104


def test_too_many_searches_of_one_user_are_refused_and_others_are_not(
    client: redis.Redis, settings: Settings
) -> None:
    ensure_index(client, 1)

    async def work(ask: Client) -> None:
        for _ in range(3):
            assert rows_of(await ask.get("/v1/trades")) == []
        refused = await ask.get("/v1/trades")
        assert_problem(refused, 429, "rate")
        assert int(refused.headers["retry-after"]) == 20
        assert rows_of(await ask.get("/v1/trades", user="bob")) == []
        # Each address counts for itself.
        assert (await ask.get("/v1/stats")).status_code == 200

    asking(settings, work, searches_per_minute=3)


def test_without_an_index_or_redis_the_answer_is_503_and_says_when_to_ask_again(
    client: redis.Redis, settings: Settings
) -> None:
    async def work(ask: Client) -> None:
        for path in ("/v1/trades", "/v1/stats"):
            answer = await ask.get(path)
            body = assert_problem(answer, 503, "source")
            assert answer.headers["retry-after"] == "5"
            assert "sock" not in body["detail"]

    ensure_index(client, 1)
    drop_index(client, 0)
    asking(settings, work)
    asking(settings.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"}), work)


def test_a_search_that_takes_too_long_is_503(client: redis.Redis, settings: Settings) -> None:
    write(client, [a_trade(n, ts=START) for n in range(20_000)])
    answer = asking(settings, lambda ask: ask.get("/v1/stats"), query_timeout_ms=10)
    body = assert_problem(answer, 503, "search")
    assert "did not end within 10 ms" in body["detail"]


def test_a_fault_of_ours_tells_nothing(settings: Settings) -> None:
    class Broken:
        async def identify(self, token: str) -> None:
            raise ValueError(f"inside: {token}")

    async def work(ask: Client) -> httpx.Response:
        broken: Any = Broken()
        transport = httpx.ASGITransport(
            build(replace(ask.services, access=broken)), raise_app_exceptions=False
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return await http.get("/v1/trades", headers={"Authorization": "Bearer abc"})

    answer = asking(settings, work)
    assert_problem(answer, 500, "internal")
    assert "inside" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_many_requests_at_once_get_each_its_own_answer(client: redis.Redis, settings: Settings) -> None:
    tickers = [f"T{n}" for n in range(40)]
    write(client, [a_trade(n, ts=START + n, underlying=tickers[n % 40]) for n in range(2_000)])

    async def one(ask: Client, ticker: str) -> set[str]:
        found = rows_of(await ask.get("/v1/trades", {"q": ticker}, user=ticker))
        return {row["underlying"] for row in found}

    async def work(ask: Client) -> list[set[str]]:
        return await asyncio.gather(*(one(ask, ticker) for ticker in tickers))

    assert asking(settings, work) == [{ticker} for ticker in tickers]


def test_searches_over_http_are_measured(client: redis.Redis, settings: Settings) -> None:
    ensure_index(client, 1)

    async def work(ask: Client) -> str:
        for path in ("/v1/trades", "/v1/trades", "/v1/stats"):
            await ask.get(path)
        ask.services.metrics.flush()
        return ask.services.metrics.text().decode()

    text = asking(settings, work)
    assert 'flowtape_query_seconds_count{kind="trades"} 2.0' in text
    assert 'flowtape_query_seconds_count{kind="stats"} 1.0' in text


@given(st.one_of(st.text(max_size=20), st.from_regex(r"[0-9]{1,6}[smhd]?", fullmatch=True)))
def test_any_text_is_a_duration_or_a_refusal(text: str) -> None:
    given_parameters = Parameters(QueryParams([("window", text)]), ("window",))
    try:
        length = given_parameters.duration_ms("window", 1, 1_000, 86_400_000)
    except SearchRequestError:
        return
    again = Parameters(QueryParams([("window", duration_text(length))]), ("window",))
    assert again.duration_ms("window", 1, 1_000, 86_400_000) == length


@pytest.mark.parametrize(
    ("text", "ms"), [("90s", 90_000), ("60", 60_000), ("15m", 900_000), ("2h", 7_200_000), ("1d", 86_400_000)]
)
def test_durations(text: str, ms: int) -> None:
    assert Parameters(QueryParams([("w", text)]), ("w",)).duration_ms("w", 1, 1, 10**9) == ms


def test_a_filter_of_any_operator_is_text_to_redis(client: redis.Redis, settings: Settings) -> None:
    write(client, [a_trade(1)])
    attempts = [
        "*",
        "SPY|QQQ",
        "@underlying:{SPY}",
        "SPY) | (*",
        "$v0",
        "SPY=>[KNN 1 @v $x]",
        "~SPY",
        "'SPY'",
        "SPY*",
    ]

    async def work(ask: Client) -> None:
        for text in attempts:
            answer = await ask.get("/v1/trades", {"q": text})
            # Read as a filter of ours, or refused; never an error of Redis.
            assert answer.status_code in (200, 400), (text, answer.text)
            if answer.status_code == 200:
                assert parse_filter(text) is not None

    asking(settings, work)


def test_the_tables_of_the_docs_have_every_parameter_field_and_problem(
    client: redis.Redis, settings: Settings
) -> None:
    page = (Path(__file__).parents[1] / "docs" / "http.md").read_text(encoding="utf-8")
    write(client, [a_trade(1)])
    for name in {*TRADES_PARAMETERS, *STATS_PARAMETERS}:
        assert f"| `{name}` |" in page
    sums = asking(settings, lambda ask: ask.get("/v1/stats")).json()
    for name in sums:
        assert f"`{name}`" in page
    default, most = duration_text(WINDOW_MS), duration_text(WINDOW_MS_MOST)
    assert f"`{default}` | `{duration_text(WINDOW_MS_LEAST)}` to `{most}`" in page
    assert f"| {BUCKETS} | 1 to {BUCKETS_MOST} |" in page
    assert f"| {TOP} | 1 to {TOP_MOST} |" in page
    assert f"{SLICE_TRADES:,} trades" in page
    assert f"{STATS_TRADES:,}" in page
