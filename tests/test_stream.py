"""The stream on a real gateway, a real Redis and real sockets: what clients are sent, and when."""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
import redis

from engine.settings import Settings
from schemas import keys
from schemas.filter_text import parse_filter
from schemas.flags import Flag
from schemas.messages import (
    JSON,
    MSGPACK,
    Batch,
    CloseCode,
    Error,
    ErrorCode,
    Hello,
    History,
    Page,
    Ping,
    Pong,
    Snapshot,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from schemas.stream_position import StreamPosition
from schemas.trade import COLUMNS
from tests.gateways import ID, SEQ, SIDE, Gateway, Peer, gateway, ids, run
from tests.indexing import NOON, a_print, append, index

FLAGS = COLUMNS.index("flags")
TS = COLUMNS.index("ts")


class Market:
    """Prints that are indexed at once."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._client, self._settings = client, settings
        self._number = 0

    async def trade(self, *numbers: int, **fields: Any) -> None:
        """Index prints of these numbers, a second apart."""
        prints = [a_print(n, **({"ts": NOON + n * 1_000} | fields)) for n in numbers]
        append(self._client, prints)
        self._number += 1
        await asyncio.to_thread(index, self._client, self._settings, f"indexer-{self._number}")


@pytest.fixture
def market(client: redis.Redis, settings: Settings) -> Market:
    """A market whose index is there already."""
    market = Market(client, settings)
    asyncio.run(market.trade())
    return market


async def batches(peer: Peer, *wanted: str) -> list[Batch]:
    """Batches until all these trades came."""
    missing, found = set(wanted), list[Batch]()
    while missing:
        batch = await peer.expect(Batch)
        found.append(batch)
        missing -= set(ids(batch.rows))
    return found


def test_a_client_is_welcomed_with_its_tier_limits_and_columns(settings: Settings) -> None:
    async def scenario() -> None:
        async with gateway(settings) as running, running.connected(running.token("pro", "bob")) as peer:
            welcome = await peer.expect(Welcome)
            assert (welcome.user, welcome.tier) == ("bob", "pro")
            assert tuple(welcome.columns) == COLUMNS
            assert welcome.limits["subscriptions"] == 5
            assert welcome.limits["rows"] == 100
            assert welcome.epoch

    run(scenario())


@pytest.mark.parametrize("encoding", [MSGPACK, JSON])
def test_a_client_gets_a_snapshot_and_then_the_trades_that_pass_its_filter(
    settings: Settings, market: Market, encoding: str
) -> None:
    async def scenario() -> None:
        await market.trade(1, 2, 3)
        async with gateway(settings) as running, running.client(encoding=encoding) as peer:
            snapshot = await peer.subscribe("mine", "SPY", snapshot=2)
            assert isinstance(snapshot, Snapshot)
            assert (snapshot.sub, ids(snapshot.rows), snapshot.more) == ("mine", ["t_3", "t_2"], True)
            assert snapshot.recovered is False
            await market.trade(4)
            await market.trade(5, symbol="QQQ261218C00600000")
            await market.trade(6)
            got = await batches(peer, "t_4", "t_6")
            assert [i for batch in got for i in ids(batch.rows)] == ["t_4", "t_6"]
            assert all(batch.skipped == 0 and not batch.gone for batch in got)
            await peer.say(Ping(7))
            assert (await peer.expect(Pong)).t == 7

    run(scenario())


def test_both_encodings_say_the_same(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        await market.trade(1)
        async with (
            gateway(settings) as running,
            running.client(user="ann", encoding=MSGPACK) as one,
            running.client(user="bob", encoding=JSON) as two,
        ):
            assert await one.subscribe("a", "") == await two.subscribe("a", "")
            await market.trade(2)
            assert await one.expect(Batch) == await two.expect(Batch)

    run(scenario())


def test_a_row_is_the_trade_in_the_order_of_the_columns(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        await market.trade(1)
        async with gateway(settings) as running, running.client() as peer:
            snapshot = await peer.subscribe()
            await market.trade(2)
            (pushed,) = (await peer.expect(Batch)).rows
            (found,) = snapshot.rows
            trade = dict(zip(COLUMNS, found, strict=True))
            assert (trade["id"], trade["underlying"], trade["price"], trade["side"]) == (
                "t_1",
                "SPY",
                2,
                "ask",
            )
            # What a search finds and what the tape announces are one form: only these differ between the two trades.
            same = {"id", "seq", "ts", "volume", "vol_oi"}
            assert [a for a, c in zip(found, COLUMNS, strict=True) if c not in same] == [
                b for b, c in zip(pushed, COLUMNS, strict=True) if c not in same
            ]

    run(scenario())


def test_equal_filters_share_one_group_however_they_are_written(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        async with (
            gateway(settings) as running,
            running.client(user="ann") as one,
            running.client(user="bob") as two,
        ):
            await one.subscribe("x", "QQQ,SPY calls")
            await two.subscribe("y", {"right": ["C"], "underlying": ["SPY", "QQQ"]})
            assert groups(running) == 1
            await market.trade(1)
            first, second = await one.expect(Batch), await two.expect(Batch)
            assert (first.sub, second.sub) == ("x", "y")
            assert first.rows == second.rows
            await one.say(Unsubscribe("x"))
            await one.say(Ping(1))
            await one.expect(Pong)
            assert groups(running) == 1
            await market.trade(2)
            await two.expect(Batch)
            await one.silent()
        assert groups(running) == 0

    run(scenario())


def groups(running: Gateway) -> int:
    """Distinct filters that a gateway follows."""
    samples = running.services.metrics.registry
    return int(
        sum(
            samples.get_sample_value("flowtape_groups", {"delivery": delivery}) or 0
            for delivery in ("push", "poll")
        )
    )


@pytest.mark.parametrize("tier", ["premium", "pro"])
def test_a_trade_that_is_rewritten_comes_again_and_one_that_no_longer_passes_is_told_as_gone(
    settings: Settings, market: Market, tier: str
) -> None:
    async def scenario() -> None:
        tiers = {"pro": {"interval_ms": 50}}
        async with gateway(settings, tiers=tiers) as running, running.client(tier) as peer:
            await peer.subscribe("asks", "side:ask -sweep")
            await peer.subscribe("all", "")
            await market.trade(1)
            heard = [await peer.expect(Batch), await peer.expect(Batch)]
            assert {batch.sub: ids(batch.rows) for batch in heard} == {"asks": ["t_1"], "all": ["t_1"]}
            # A leg on another exchange makes the first part of a sweep.
            await market.trade(2, ts=NOON + 1_100, exchange="XPHL")
            rows: dict[str, dict[str, Any]] = {"asks": {}, "all": {}}
            gone: dict[str, list[Any]] = {"asks": [], "all": []}
            while not gone["asks"] or set(rows["all"]) != {"t_1", "t_2"}:
                batch = await peer.expect(Batch)
                rows[batch.sub] |= {row[ID]: row for row in batch.rows}
                gone[batch.sub] += batch.gone
            assert gone["all"] == []
            (left,) = gone["asks"]
            assert left == rows["all"]["t_1"]
            assert Flag.SWEEP in left[FLAGS]
            # No row is ever sent that does not pass.
            assert rows["asks"] == {}
            assert rows["all"]["t_1"][SEQ] == 3

    run(scenario())


@pytest.mark.parametrize("tier", ["premium", "pro"])
def test_a_cancelled_trade_is_shown_as_it_is_now(settings: Settings, market: Market, tier: str) -> None:
    async def scenario() -> None:
        tiers = {"pro": {"interval_ms": 50}}
        async with gateway(settings, tiers=tiers) as running, running.client(tier) as peer:
            await peer.subscribe("a", "side:ask")
            await market.trade(1, size=7)
            await batches(peer, "t_1")
            await market.trade(2, ts=NOON + 60_000, size=7, conditions=("A",))
            batch = await peer.expect(Batch)
            assert batch.rows == []
            (row,) = batch.gone
            assert (row[ID], row[SIDE]) == ("t_1", "none")
            assert Flag.CANCELLED in row[FLAGS]

    run(scenario())


def test_a_batch_that_is_too_long_sends_the_newest_and_says_how_many_it_left_out(
    settings: Settings, market: Market
) -> None:
    async def scenario() -> None:
        tiers = {"premium": {"rows": 5, "interval_ms": 400}, "pro": {"rows": 5, "interval_ms": 400}}
        async with (
            gateway(settings, tiers=tiers) as running,
            running.client("premium") as pushed,
            running.client("pro") as polled,
        ):
            await pushed.subscribe()
            await polled.subscribe()
            await market.trade(*range(1, 41))
            for peer in (pushed, polled):
                seen: list[str] = []
                left_out = 0
                while len(seen) + left_out < 40:
                    batch = await peer.expect(Batch)
                    assert len(batch.rows) <= 5
                    assert [row[TS] for row in batch.rows] == sorted(
                        (row[TS] for row in batch.rows), reverse=True
                    )
                    seen += ids(batch.rows)
                    left_out += batch.skipped
                assert len(seen) + left_out == 40
                assert left_out > 0
                assert "t_40" in seen

    run(scenario())


@pytest.mark.parametrize("tier", ["premium", "pro"])
def test_who_comes_back_gets_what_was_missed_whole_and_in_order(
    settings: Settings, market: Market, tier: str
) -> None:
    async def scenario() -> None:
        await market.trade(1)
        async with gateway(settings) as running, running.client(tier) as peer:
            pos = (await peer.subscribe("a", "SPY side:ask")).pos
        await market.trade(2, 3)
        await market.trade(4, symbol="QQQ261218C00600000")
        await market.trade(5, exchange="XPHL", ts=NOON + 3_100)
        # Another gateway, which has read nothing of it.
        tiers = {tier: {"rows": 2, "interval_ms": 50}}
        async with gateway(settings, tiers=tiers) as running, running.client(tier) as peer:
            got = [await peer.subscribe("a", "SPY side:ask", since=pos)]
            while "t_5" not in ids(got[-1].rows) and len(got) < 4:
                got.append(await peer.expect(Batch))
            assert all(isinstance(batch, Batch) and batch.recovered for batch in got)
            assert [batch.skipped for batch in got] == [0] * len(got)
            assert [i for batch in got for i in reversed(ids(batch.rows))][:2] == ["t_2", "t_3"]
            assert {i for batch in got for i in ids(batch.rows)} == {"t_2", "t_3", "t_5"}
            # Whoever is cut off between two of them goes on from there.
            async with running.client(tier, "bob") as other:
                rest = [await other.subscribe("b", "SPY side:ask", since=got[0].pos)]
                while "t_5" not in ids(rest[-1].rows):
                    rest.append(await other.expect(Batch))
                assert "t_2" not in {i for batch in rest for i in ids(batch.rows)}
            await market.trade(6)
            await batches(peer, "t_6")

    run(scenario())


def test_nothing_is_missed_or_sent_anew_where_nothing_happened(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        await market.trade(1)
        async with gateway(settings) as running:
            async with running.client() as peer:
                pos = (await peer.subscribe()).pos
            async with running.client() as peer:
                again = await peer.subscribe(since=pos)
                assert isinstance(again, Batch)
                assert (again.rows, again.recovered, again.skipped) == ([], True, 0)

    run(scenario())


@pytest.mark.parametrize(
    "why", ["epoch", "trimmed", "too far", "no position", "an empty tape that began anew"]
)
def test_who_cannot_be_given_all_that_was_missed_gets_a_new_snapshot(
    client: redis.Redis, settings: Settings, market: Market, why: str
) -> None:
    async def scenario() -> None:
        await market.trade(1)
        async with gateway(settings) as running, running.client() as peer:
            pos = (await peer.subscribe()).pos
        await market.trade(2, 3, 4)
        if why == "epoch":
            client.hset(keys.clock(0), "epoch", "another")
        elif why == "trimmed":
            client.xtrim(keys.tape(0), maxlen=1, approximate=False)
        elif why == "no position":
            pos = "p1_nonsense"
        elif why == "an empty tape that began anew":
            client.delete(keys.tape(0), keys.clock(0))
        async with (
            gateway(settings, resume_trades=2 if why == "too far" else 100) as running,
            running.client() as peer,
        ):
            snapshot = await peer.subscribe(since=pos)
            assert isinstance(snapshot, Snapshot)
            assert snapshot.recovered is False
            assert ids(snapshot.rows) == ["t_4", "t_3", "t_2", "t_1"]

    run(scenario())


def test_clients_that_are_connected_get_a_new_snapshot_when_the_tape_begins_anew(
    client: redis.Redis, settings: Settings, market: Market
) -> None:
    async def scenario() -> None:
        await market.trade(1, 2)
        async with gateway(settings) as running, running.client() as peer:
            first = await peer.subscribe()
            assert ids(first.rows) == ["t_2", "t_1"]
            client.flushall()
            await market.trade(7)
            again: Any = await peer.hear()
            while not isinstance(again, Snapshot) or ids(again.rows) != ["t_7"]:
                again = await peer.hear()
            assert StreamPosition.parse(again.pos).epoch != StreamPosition.parse(first.pos).epoch
            await market.trade(8)
            await batches(peer, "t_8")

    run(scenario())


def test_a_delayed_tier_sees_nothing_newer_than_its_delay(
    client: redis.Redis, settings: Settings, market: Market
) -> None:
    async def scenario() -> None:
        now = time.time_ns() // 1_000_000
        tiers = {"free": {"delay_s": 3, "interval_ms": 100}}
        await market.trade(1, ts=now - 60_000)
        async with gateway(settings, tiers=tiers) as running, running.client("free") as peer:
            now = time.time_ns() // 1_000_000
            await market.trade(2, ts=now)
            snapshot = await peer.subscribe()
            assert ids(snapshot.rows) == ["t_1"]
            batch = await peer.expect(Batch)
            assert ids(batch.rows) == ["t_2"]
            assert time.time_ns() // 1_000_000 >= now + 3_000
            # Late ones, older than what was shown already, are not lost.
            await market.trade(3, ts=now - 30_000)
            assert ids((await peer.expect(Batch)).rows) == ["t_3"]
            pos = batch.pos
            await peer.say(History("a", snapshot.pos, 10))
            assert isinstance(await peer.hear(), Page)
        await market.trade(4, ts=now - 20_000)
        async with gateway(settings, tiers=tiers) as running, running.client("free") as peer:
            back = await peer.subscribe(since=pos)
            assert isinstance(back, Batch)
            assert back.recovered
            assert sorted(ids(back.rows)) == ["t_3", "t_4"]

    run(scenario())


def test_history_goes_back_to_the_first_trade(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        await market.trade(*range(1, 13))
        async with gateway(settings) as running, running.client() as peer:
            snapshot = await peer.subscribe(snapshot=3)
            seen = ids(snapshot.rows)
            before: str | None = snapshot.pos
            while before is not None:
                await peer.say(History("a", before, 4))
                page = await peer.expect(Page)
                assert page.more is (page.before is not None)
                seen += ids(page.rows)
                before = page.before
            assert seen == [f"t_{n}" for n in range(12, 0, -1)]
            await peer.say(History("a", snapshot.before or "", 2))
            assert ids((await peer.expect(Page)).rows) == ["t_9", "t_8"]
            await peer.say(History("none", snapshot.pos, 2))
            assert (await peer.expect(Error)).code == ErrorCode.UNKNOWN_SUB
            await peer.say(History("a", "nonsense", 2))
            assert (await peer.expect(Error)).code == ErrorCode.BAD_POSITION

    run(scenario())


def test_history_begins_at_an_exchange_time_that_the_client_names(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        await market.trade(*range(1, 6))
        await market.trade(6, 7, ts=NOON + 3_000)
        async with gateway(settings) as running, running.client() as peer:
            await peer.subscribe(snapshot=1)
            before = base64.urlsafe_b64encode(f"{NOON + 3_000}.9007199254740991.16383".encode())
            await peer.say(History("a", before.rstrip(b"=").decode(), 10))
            assert ids((await peer.expect(Page)).rows) == ["t_7", "t_6", "t_3", "t_2", "t_1"]

    run(scenario())


def test_history_finds_what_batches_left_out(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        await market.trade(1, 2, 3)
        tiers = {"premium": {"rows": 4, "interval_ms": 400}}
        async with gateway(settings, tiers=tiers) as running, running.client() as peer:
            snapshot = await peer.subscribe(snapshot=1)
            await market.trade(*range(4, 40))
            seen, left_out = set(ids(snapshot.rows)), 0
            while len(seen) + left_out < 37:
                batch = await peer.expect(Batch)
                seen |= set(ids(batch.rows))
                left_out += batch.skipped
            assert left_out > 0
            before: str | None = batch.pos
            while before is not None:
                await peer.say(History("a", before, 10))
                page = await peer.expect(Page)
                seen |= set(ids(page.rows))
                before = page.before
            assert seen == {f"t_{n}" for n in range(1, 40)}
            await peer.say(History("a", None, 10))
            page = await peer.expect(Page)
            assert (page.rows, page.more) == ([], False)

    run(scenario())


def test_a_channel_that_was_changed_meanwhile_brings_a_new_snapshot_to_who_comes_back(
    settings: Settings, market: Market
) -> None:
    async def scenario() -> None:
        await market.trade(1)
        async with gateway(settings) as running:
            channels = running.services.channels
            await channels.save("ann", "mine", parse_filter("SPY"), 50)
            async with running.client() as peer:
                pos = (await peer.subscribe("a", None, channel="mine")).pos
            await market.trade(2)
            async with running.client() as peer:
                back = await peer.subscribe("a", None, channel="mine", since=pos)
                assert (ids(back.rows), back.recovered) == (["t_2"], True)
            await channels.save("ann", "mine", parse_filter("calls"), 50)
            async with running.client() as peer:
                anew = await peer.subscribe("a", None, channel="mine", since=pos)
                assert isinstance(anew, Snapshot)
                assert (ids(anew.rows), anew.recovered) == (["t_2", "t_1"], False)

    run(scenario())


def test_there_is_no_history_below_a_snapshot_that_holds_everything(
    settings: Settings, market: Market
) -> None:
    async def scenario() -> None:
        await market.trade(1, 2)
        async with gateway(settings) as running, running.client() as peer:
            snapshot = await peer.subscribe()
            assert (snapshot.more, snapshot.before) == (False, None)
            await peer.say(History("a", snapshot.pos, 5))
            page = await peer.expect(Page)
            assert (page.rows, page.more) == ([], False)

    run(scenario())


def test_a_subscription_of_a_name_that_is_taken_replaces_it(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        async with gateway(settings) as running, running.client() as peer:
            await peer.subscribe("a", "puts")
            await peer.subscribe("a", "calls")
            await market.trade(1)
            assert ids((await peer.expect(Batch)).rows) == ["t_1"]
            assert groups(running) == 1

    run(scenario())


def test_what_is_refused_is_said_and_the_connection_stays(settings: Settings, market: Market) -> None:
    async def scenario() -> None:
        async with gateway(settings) as running, running.client("pro") as peer:
            for message, code in (
                (Subscribe("x", "premium>=lots"), ErrorCode.BAD_FILTER),
                (Subscribe("x", {"underlying": "SPY"}), ErrorCode.BAD_FILTER),
                (Subscribe("x"), ErrorCode.BAD_FILTER),
                (Subscribe("x", ["SPY"]), ErrorCode.BAD_FILTER),
                (Subscribe("x", 5), ErrorCode.BAD_FILTER),
                (Subscribe("x", "SPY", "mine"), ErrorCode.BAD_FILTER),
                (Subscribe("x", None, "nobody's"), ErrorCode.UNKNOWN_CHANNEL),
                (Unsubscribe("x"), ErrorCode.UNKNOWN_SUB),
            ):
                await peer.say(message)
                error = await peer.expect(Error)
                assert (error.code, error.sub) == (code, "x"), message
                assert error.message.endswith((".", "!")), error.message
            for number in range(5):
                await peer.subscribe(str(number))
            assert (await peer.subscribe("5")).code == ErrorCode.SUBSCRIPTION_LIMIT
            assert isinstance(await peer.subscribe("4", "puts"), Snapshot)

    run(scenario())


def test_a_hello_lets_a_client_in_that_cannot_send_headers(settings: Settings) -> None:
    async def scenario() -> None:
        async with gateway(settings) as running, running.connected() as peer:
            await peer.say(Hello(running.token()))
            assert (await peer.expect(Welcome)).tier == "premium"
            # Once let in, saying it again does no harm.
            await peer.say(Hello())
            await peer.silent()

    run(scenario())


def test_a_stopping_gateway_sends_its_clients_away_with_4001(settings: Settings) -> None:
    async def scenario() -> None:
        async with gateway(settings) as running, AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(running.client(user=f"user{n}")) for n in range(5)]
            closing = [asyncio.create_task(peer.closed()) for peer in peers]
            await running.services.hub.drain()
            assert await asyncio.gather(*closing) == [CloseCode.GOING_AWAY] * 5
            async with running.connected(running.token()) as late:
                assert await late.closed() == CloseCode.GOING_AWAY

    run(scenario())


def test_an_expired_token_ends_the_session(settings: Settings) -> None:
    async def scenario() -> None:
        async with gateway(settings) as running, running.connected(running.token(lifetime_s=2)) as peer:
            await peer.expect(Welcome)
            assert await peer.closed() == CloseCode.NOT_AUTHENTICATED

    run(scenario())


def test_several_partitions_are_one_stream(client: redis.Redis, settings: Settings) -> None:
    several = settings.model_copy(update={"partitions": 3})

    async def scenario() -> None:
        tickers = ["SPY", "QQQ", "TSLA", "AAPL", "NVDA", "IWM"]

        async def trade(first: int) -> None:
            prints = [
                a_print(first + n, symbol=f"{t}261218C00600000", ts=NOON + (first + n) * 1_000)
                for n, t in enumerate(tickers)
            ]
            append(client, prints, 3)
            for p in range(3):
                await asyncio.to_thread(index, client, several, f"{first}-{p}", p)

        await trade(1)
        async with gateway(settings, partitions=3) as running, running.client() as peer:
            snapshot = await peer.subscribe()
            assert ids(snapshot.rows) == [f"t_{n}" for n in range(6, 0, -1)]
            await trade(7)
            got = await batches(peer, *(f"t_{n}" for n in range(7, 13)))
            pos = got[0].pos
        await trade(13)
        async with gateway(settings, partitions=3) as running, running.client() as peer:
            back = await peer.subscribe(since=pos)
            assert isinstance(back, Batch)
            assert set(ids(back.rows)) >= {f"t_{n}" for n in range(13, 19)}
            assert not {f"t_{n}" for n in range(1, 7)} & set(ids(back.rows))

    run(scenario())
