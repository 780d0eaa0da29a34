"""Shared answers: made once for all who ask at one time, good for a moment, and nobody's cancelling is another's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import redis

from engine.clock import now_ms
from engine.settings import Settings
from tests.http_gateway import Client, asking
from tests.test_search import write
from tests.trade_strategies import a_trade
from web.shared_answers import KEPT, SharedAnswers
from web.stats import FRESH_S

START = 1_700_000_000_000


class Maker:
    """Makes answers once it may, and counts them."""

    def __init__(self) -> None:
        self.made = self.cancelled = 0
        self.may = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> bytes:
        self.made += 1
        number = self.made
        try:
            await self.may.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return b"%d" % number


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(20):
            await scenario()

    asyncio.run(guarded())


async def settle() -> None:
    """Let all that can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_equal_requests_at_one_time_share_an_answer_and_different_ones_do_not() -> None:
    async def scenario() -> None:
        answers, make, other = SharedAnswers(60), Maker(), Maker()
        asked = [asyncio.create_task(answers.get("a", make)) for _ in range(5)]
        asked.append(asyncio.create_task(answers.get("b", other)))
        await settle()
        make.may.set()
        other.may.set()
        assert await asyncio.gather(*asked) == [b"1"] * 6
        assert (make.made, other.made) == (1, 1)

    run(scenario)


def test_an_answer_is_given_again_while_it_is_fresh() -> None:
    async def scenario() -> None:
        answers, make = SharedAnswers(0.05), Maker()
        make.may.set()
        assert [await answers.get("a", make) for _ in range(3)] == [b"1"] * 3
        await asyncio.sleep(0.06)
        assert await answers.get("a", make) == b"2"

    run(scenario)


def test_who_stops_waiting_takes_the_answer_from_nobody_else() -> None:
    async def scenario() -> None:
        answers, make = SharedAnswers(60), Maker()
        first, second, third = (asyncio.create_task(answers.get("a", make)) for _ in range(3))
        await settle()
        for one in (first, third):
            one.cancel()
        await settle()
        assert first.cancelled()
        assert third.cancelled()
        make.may.set()
        assert await second == b"1"
        assert (make.made, make.cancelled) == (1, 0)

    run(scenario)


def test_when_nobody_waits_any_more_the_answer_is_not_made() -> None:
    async def scenario() -> None:
        answers, make = SharedAnswers(60), Maker()
        asked = [asyncio.create_task(answers.get("a", make)) for _ in range(2)]
        await settle()
        for one in asked:
            one.cancel()
        # Who comes in the very moment is not given what was just given up.
        late = asyncio.create_task(answers.get("a", make))
        await settle()
        make.may.set()
        assert await late in (b"1", b"2")
        assert make.made - make.cancelled == 1

    run(scenario)


def test_a_failure_is_everybodys_who_waited_and_nobodys_after() -> None:
    async def scenario() -> None:
        answers, make = SharedAnswers(60), Maker()
        make.error = ValueError("no answer")
        asked = [asyncio.create_task(answers.get("a", make)) for _ in range(3)]
        await settle()
        make.may.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(each) for each in found] == ["no answer"] * 3
        make.error = None
        assert await answers.get("a", make) == b"2"

    run(scenario)


def test_only_so_many_answers_are_kept() -> None:
    async def scenario() -> None:
        answers, make = SharedAnswers(60), Maker()
        make.may.set()
        for key in range(KEPT + 3):
            await answers.get(key, make)
        assert await answers.get(KEPT + 2, make) == b"%d" % (KEPT + 3)
        assert await answers.get(0, make) == b"%d" % (KEPT + 4)
        assert make.made == KEPT + 4

    run(scenario)


def sums_in_redis(client: redis.Redis) -> int:
    """Commands that summed since the statistics were reset."""
    return int(client.info("commandstats").get("cmdstat_FT.AGGREGATE", {"calls": 0})["calls"])


def test_equal_sums_over_http_are_summed_once_and_reused_for_a_second(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(client, [a_trade(n, ts=START + n) for n in range(50)])
    monkeypatch.setattr("web.stats.FRESH_S", 30.0)

    async def work(ask: Client) -> None:
        async def summed(**params: object) -> dict[str, object]:
            answer = await ask.get("/v1/stats", {"window": "1s", **params})
            assert answer.status_code == 200, answer.text
            assert answer.headers["cache-control"] == "no-store"
            found: dict[str, object] = answer.json()
            return found

        client.config_resetstat()
        first = await summed(q="SPY sweep")
        once = sums_in_redis(client)
        assert once > 0
        client.config_resetstat()
        same = await asyncio.gather(*(summed(q=q) for q in ("SPY  SWEEP", "sweep SPY") * 5))
        assert all(each == first for each in same)
        assert sums_in_redis(client) == 0
        for other in ({"q": "SPY"}, {"q": "SPY sweep", "top": 3}, {"q": "SPY sweep", "buckets": 3}):
            client.config_resetstat()
            await asyncio.gather(*(summed(**other) for _ in range(5)))
            assert sums_in_redis(client) == once, other

    asking(settings, work)
    assert FRESH_S == 1.0


def test_a_delayed_tier_shares_no_sum_with_a_live_one(client: redis.Redis, settings: Settings) -> None:
    now = now_ms()
    write(client, [a_trade(1, ts=now - 1_000_000), a_trade(2, ts=now)])

    async def work(ask: Client) -> list[int]:
        tiers = ("premium", "free", "pro", "free")
        answers = await asyncio.gather(*(ask.get("/v1/stats", {"window": "1h"}, tier) for tier in tiers))
        return [answer.json()["trades"] for answer in answers]

    assert asking(settings, work) == [2, 1, 2, 1]
