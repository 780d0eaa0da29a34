"""The client of the stream and `flowtape tail` on a real gateway over a real Redis: nothing lost, nothing invented."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from engine.client import Disconnected, Reconnected, StreamClient, Subscription, as_trades
from engine.settings import Settings
from schemas.errors import StreamError
from schemas.filter_predicate import predicate
from schemas.filter_text import parse_filter
from schemas.messages import SUBPROTOCOLS, Batch, CloseCode, ErrorCode, Snapshot
from schemas.print import Print
from schemas.trade import Trade
from tests.gateways import Gateway, gateway, run
from tests.http_gateway import SECRET
from tests.indexing import NOON, a_print, append, index, trades

ROOT = Path(__file__).parents[1]

FILTER = "SPY side:ask -sweep size>=20"

QUICK: dict[str, Any] = {"backoff_s": 0.01, "backoff_max_s": 0.1}

FREQUENT = {"pro": {"interval_ms": 50}, "premium": {"rows": 500}}
"""Tiers whose batches come often, so that the tests do not wait."""


class Market:
    """Random prints, some of which become sweeps or are cancelled later; each call indexes some at once."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._client, self._settings = client, settings
        self._rng = random.Random(7)
        self._number = self._calls = 0

    async def trade(self, count: int) -> None:
        """Index so many prints."""
        rng = self._rng
        await self._index(
            self._print(
                symbol=rng.choice(["SPY261218C00600000", "SPY261218P00500000", "QQQ261218C00500000"]),
                size=rng.choice([10, 20, 50]),
                exchange=rng.choice(["XCBO", "XPHL"]),
                price=rng.choice([1.9, 1.95, 2.0]),
            )
            for _ in range(count)
        )

    async def sweep(self) -> None:
        """Index a print, and then one that makes a sweep of both."""
        for exchange in ("XCBO", "XPHL"):
            await self._index([self._print(size=50, exchange=exchange)])

    def _print(self, **fields: Any) -> Print:
        self._number += 1
        return a_print(self._number, ts=NOON + self._number * 40, **fields)

    async def _index(self, prints: Iterable[Print]) -> None:
        append(self._client, prints)
        self._calls += 1
        await asyncio.to_thread(index, self._client, self._settings, f"indexer-{self._calls}")

    def passing(self, text: str) -> dict[str, Trade]:
        """What of all that was indexed passes a filter."""
        test = predicate(parse_filter(text))
        return {trade.id: trade for trade in trades(self._client).values() if test(trade)}


@pytest.fixture
def market(client: redis.Redis, settings: Settings) -> Market:
    """A market whose index is there already."""
    market = Market(client, settings)
    asyncio.run(market.trade(0))
    return market


def shown(subscription: Subscription) -> dict[str, Trade]:
    return {trade.id: trade for trade in as_trades(subscription.view.rows())}


async def until(subscription: Subscription, fact: Callable[[], bool]) -> list[Any]:
    """Read events until something is so; the events."""
    read = []
    while not fact():
        read.append(await anext(subscription))
    return read


@asynccontextmanager
async def following(running: Gateway, tier: str, **options: Any) -> AsyncIterator[StreamClient]:
    async with StreamClient(f"http://{running.address}", running.token(tier), **QUICK, **options) as stream:
        yield stream


@pytest.mark.parametrize("encoding", SUBPROTOCOLS)
@pytest.mark.parametrize("tier", ["premium", "pro"])
def test_a_view_becomes_what_passes_the_filter_rewritten_trades_included(
    settings: Settings, market: Market, tier: str, encoding: str
) -> None:
    async def scenario() -> None:
        await market.trade(60)
        async with (
            gateway(settings, tiers=FREQUENT) as running,
            following(running, tier, encoding=encoding) as stream,
        ):
            subscription = await stream.subscribe(FILTER, keep=None)
            read = []
            for change in (
                market.trade(1),
                market.sweep(),
                market.trade(30),
                market.sweep(),
                market.trade(50),
            ):
                await change
                read += await until(subscription, lambda: shown(subscription) == market.passing(FILTER))
            assert any(isinstance(event, Batch) and event.gone for event in read)
            assert len(subscription.view) > 5
            assert subscription.view.skipped == 0

    run(scenario())


def test_a_stream_goes_on_without_a_gap_on_the_gateway_that_follows(
    settings: Settings, market: Market
) -> None:
    async def scenario() -> None:
        await market.trade(40)
        async with gateway(settings) as first:
            port = int(first.address.rpartition(":")[2])
            stream = StreamClient(f"http://{first.address}", first.token(), **QUICK)
            await stream.__aenter__()
            subscription = await stream.subscribe(FILTER, keep=None)
            await until(subscription, lambda: shown(subscription) == market.passing(FILTER))
        try:
            await market.trade(40)  # while no gateway runs
            async with gateway(settings, port=port):
                await market.trade(20)
                read = await until(subscription, lambda: shown(subscription) == market.passing(FILTER))
                lost = next(event for event in read if isinstance(event, Disconnected))
                assert str(CloseCode.GOING_AWAY.value) in lost.why
                assert Reconnected(recovered=True) in read
                assert any(isinstance(event, Batch) and event.recovered for event in read)
                assert not any(isinstance(event, Snapshot) for event in read)
        finally:
            await stream.__aexit__()

    run(scenario())


def test_a_gap_that_is_too_far_is_told_and_begins_anew(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        await market.trade(10)
        async with gateway(settings, resume_trades=20) as running:
            async with following(running, "premium") as stream:
                first = await stream.subscribe(FILTER)
                await anext(first)
                pos = first.view.pos
            await market.trade(60)
            async with following(running, "premium") as stream:
                again = await stream.subscribe(FILTER, since=pos, keep=None)
                event = await anext(again)
                assert isinstance(event, Snapshot)
                assert shown(again) == market.passing(FILTER)

    run(scenario())


def test_history_page_by_page_gives_every_trade_once(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        await market.trade(150)
        async with gateway(settings) as running, following(running, "premium") as stream:
            subscription = await stream.subscribe("SPY", snapshot=10)
            snapshot = await anext(subscription)
            assert isinstance(snapshot, Snapshot)
            found = as_trades(snapshot.rows)
            more = True
            while more:
                page = await stream.history(subscription, limit=17)
                found += as_trades(page.rows)
                more = page.more
            assert (await stream.history(subscription, limit=17)).rows == []
            expected = sorted(
                market.passing("SPY").values(), key=lambda trade: (trade.ts, trade.seq), reverse=True
            )
            assert found == expected
            # And from the newest on, where no rows came at first.
            empty = await stream.subscribe("SPY", snapshot=0)
            assert as_trades((await stream.history(empty, limit=5)).rows) == expected[:5]

    run(scenario())


def test_a_token_that_ends_is_replaced_and_nothing_is_missed(settings: Settings, market: Market) -> None:
    asked = 0

    async def scenario() -> None:
        async with gateway(settings) as running:

            def token() -> str:
                nonlocal asked
                asked += 1
                return running.token(lifetime_s=2 if asked == 1 else 600)

            async with StreamClient(f"http://{running.address}", token) as stream:
                subscription = await stream.subscribe(FILTER, keep=None)
                read = await until(subscription, lambda: asked == 2)
                await market.trade(60)
                read += await until(subscription, lambda: shown(subscription) == market.passing(FILTER))
                assert Reconnected(recovered=True) in read

    run(scenario())


def test_refusals_of_the_gateway_become_errors_with_its_code(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        async with gateway(settings) as running:
            with pytest.raises(StreamError) as refused:
                async with StreamClient(f"http://{running.address}", "no token", **QUICK):
                    pass
            assert refused.value.code == CloseCode.NOT_AUTHENTICATED
            async with following(running, "pro") as stream:
                for code, wanted in (
                    (ErrorCode.BAD_FILTER, {"filter": "swep"}),
                    (ErrorCode.UNKNOWN_CHANNEL, {"channel": "nothing"}),
                ):
                    with pytest.raises(StreamError) as wrong:
                        await stream.subscribe(**wanted)
                    assert wrong.value.code == code
                first, *_ = [await stream.subscribe() for _ in range(5)]
                with pytest.raises(StreamError) as many:
                    await stream.subscribe()
                assert many.value.code == ErrorCode.SUBSCRIPTION_LIMIT
                await first.close()
                await stream.subscribe()

    run(scenario())


def test_connections_that_are_cut_again_and_again_lose_nothing(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        await market.trade(30)
        async with gateway(settings, tiers=FREQUENT) as running, following(running, "premium") as stream:
            subscription = await stream.subscribe(FILTER, keep=None)
            snapshots, rng = 0, random.Random(3)
            for _ in range(15):
                trading = asyncio.create_task(market.trade(10))
                await asyncio.sleep(rng.uniform(0, 0.05))
                if stream._connection is not None:
                    stream._connection._socket.transport.abort()
                await trading
                read = await until(subscription, lambda: shown(subscription) == market.passing(FILTER))
                snapshots += sum(isinstance(event, Snapshot) for event in read)
            assert snapshots <= 1

    run(scenario())


def test_a_saved_channel_goes_on_with_a_snapshot_when_it_is_changed_and_ends_when_it_is_deleted(
    settings: Settings, market: Market
) -> None:
    async def scenario() -> None:
        await market.trade(40)
        async with gateway(settings) as running, following(running, "premium") as stream:
            channels = running.services.channels
            await channels.save("ann", "mine", parse_filter("SPY"), 50)
            subscription = await stream.subscribe(channel="mine", keep=None)
            await until(subscription, lambda: shown(subscription) == market.passing("SPY"))
            await channels.save("ann", "mine", parse_filter("QQQ"), 50)
            read = await until(subscription, lambda: shown(subscription) == market.passing("QQQ"))
            assert isinstance(read[-1], Snapshot)
            await channels.delete("ann", "mine")
            with pytest.raises(StreamError) as ended:
                await until(subscription, lambda: False)
            assert ended.value.code == ErrorCode.CHANNEL_DELETED

    run(scenario())


def test_tail_prints_what_passes_over_a_restart_of_the_gateway(settings: Settings, market: Market) -> None:
    ids: dict[str, str] = {}

    async def read_until(process: asyncio.subprocess.Process, wanted: set[str]) -> None:
        assert process.stdout is not None
        while wanted - set(ids):
            line = (await process.stdout.readline()).decode()
            trade = msgspec.json.decode(line)
            ids[trade["id"]] = line

    async def scenario() -> None:
        await market.trade(20)
        async with gateway(settings) as first:
            port = int(first.address.rpartition(":")[2])
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "engine.cli", "tail", "--json", "--snapshot", "100", "SPY -sweep",
                cwd=ROOT, stdout=PIPE, stderr=PIPE,
                env={**os.environ, "FLOWTAPE_JWT_SECRET": SECRET, "FLOWTAPE_GATEWAY_URL": f"http://{first.address}"},
            )  # fmt: skip
            try:
                await read_until(process, set(market.passing("SPY -sweep")))
            except BaseException:
                process.kill()
                await process.communicate()
                raise
        try:
            await market.trade(20)
            async with gateway(settings, port=port):
                await read_until(process, set(market.passing("SPY -sweep")))
                assert process.stderr is not None
                said = [(await process.stderr.readline()).decode() for _ in range(2)]
                assert said[0].startswith("Disconnected: ")
        finally:
            process.kill()
            await process.communicate()

    run(scenario())
