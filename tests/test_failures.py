"""When things fail: Redis gone, loading, hung or emptied, a gateway killed or overloaded, clients slow or dead."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from engine.client import Reconnected, StreamClient
from engine.gateway import hub as hub_module
from engine.gateway.frames import Frame
from engine.gateway.overload import STEPS, UP_AFTER
from engine.gateway.poll import Poll
from engine.gateway.push import Push
from engine.gateway.session import Session
from engine.processes import listening
from engine.settings import Settings
from engine.store.connect import connect
from engine.store.embedded import EmbeddedRedis
from schemas import keys
from schemas.filter_text import parse_filter
from schemas.messages import (
    ENCODINGS,
    HEARTBEAT_S,
    MSGPACK,
    Batch,
    CloseCode,
    Error,
    ErrorCode,
    Heartbeat,
    History,
    Page,
    Ping,
    ServerMessage,
    Snapshot,
    Subscribe,
    Unsubscribe,
)
from schemas.stream_position import StreamPosition
from schemas.tier import Delivery
from tests.gateways import Gateway, Peer, gateway, ids, run
from tests.http_gateway import SECRET
from tests.indexing import NOON, a_print, append, index
from tests.processes import hang
from tests.test_three_ways import Written, write
from tests.trade_strategies import a_trade
from web import server as server_module
from web import stream as stream_module
from web import wire as wire_module
from web.wire import Wire

QUICK = {"pro": {"interval_ms": 50}, "free": {"interval_ms": 50, "delay_s": 1}}
"""Tiers whose batches come often, so that the tests do not wait."""

LIVE = pytest.mark.parametrize("tier", ["premium", "pro"])


class Market:
    """Prints that are indexed at once, in whichever Redis is there."""

    def __init__(self, url: str) -> None:
        self._settings = Settings.load(redis_url=url)
        self._indexers = 0

    async def trade(self, *numbers: int, **fields: Any) -> None:
        """Index prints of these numbers, a second apart."""
        await asyncio.to_thread(self._trade, numbers, fields)

    def _trade(self, numbers: tuple[int, ...], fields: dict[str, Any]) -> None:
        with connect(self._settings) as client:
            append(client, [a_print(n, **({"ts": NOON + n * 1_000} | fields)) for n in numbers])
            self._indexers += 1
            index(client, self._settings, f"indexer-{self._indexers}")


@pytest.fixture
def server(stack: Path, tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis of the test's own, which keeps an append-only file."""
    server = EmbeddedRedis(stack, tmp_path / "redis", persistent=True)
    server.start()
    yield server
    if server.pid is not None:
        os.kill(server.pid, signal.SIGCONT)
    server.stop()


@pytest.fixture
def market(server: EmbeddedRedis) -> Market:
    """A market whose index is there already."""
    market = Market(server.url)
    asyncio.run(market.trade())
    return market


@pytest.fixture
def own(server: EmbeddedRedis) -> Settings:
    """Settings of the test's own Redis."""
    return Settings.load(redis_url=server.url)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens each second or so happens more often."""
    monkeypatch.setattr(hub_module, "SWEEP_S", 0.05)
    monkeypatch.setattr(hub_module, "AWAY_HEARTBEAT_S", 0.2)
    monkeypatch.setattr(hub_module, "CHECK_S", 0.1)


async def until(fact: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    deadline = asyncio.get_running_loop().time() + 40
    while not fact():
        assert asyncio.get_running_loop().time() < deadline, f"{what} does not happen"
        await asyncio.sleep(0.02)


async def everything(peer: Peer, enough: Callable[[list[ServerMessage]], bool]) -> list[ServerMessage]:
    """All messages, heartbeats too, until it is enough."""
    heard: list[ServerMessage] = []
    while not enough(heard):
        heard.append(ENCODINGS[MSGPACK].server_message(await peer.socket.recv()))
    return heard


def said(heard: list[ServerMessage], kind: type[Any]) -> list[Any]:
    return [message for message in heard if isinstance(message, kind)]


def told_away(heard: list[ServerMessage]) -> bool:
    """That the source is away, and three heartbeats since."""
    away = [
        place
        for place, message in enumerate(heard)
        if isinstance(message, Error) and message.code == ErrorCode.SOURCE_UNAVAILABLE
    ]
    return bool(away) and len(said(heard[away[0] :], Heartbeat)) >= 3


async def readiness(running: Gateway) -> tuple[int, dict[str, str]]:
    """Status of /readyz, and why not, by check."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://{running.address}/readyz")
    return answer.status_code, {c["name"]: c["reason"] for c in answer.json()["checks"] if c["reason"]}


# Redis


@LIVE
def test_a_redis_that_is_gone_is_told_and_the_stream_goes_on_when_it_is_back(
    server: EmbeddedRedis, own: Settings, market: Market, tier: str
) -> None:
    async def scenario() -> None:
        async with gateway(own, tiers=QUICK) as running, running.client(tier) as peer:
            assert (await peer.subscribe("a", "SPY")).rows == []
            await market.trade(1, 2)
            assert sorted(ids((await peer.expect(Batch)).rows)) == ["t_1", "t_2"]
            await asyncio.to_thread(server.kill)
            heard = await everything(peer, told_away)
            assert len(said(heard, Error)) == 1
            lags = [beat.lag_ms for beat in said(heard, Heartbeat)]
            assert lags == sorted(set(lags))
            status, reasons = await readiness(running)
            assert status == 503
            assert set(reasons) >= {"redis", "tape"}
            assert "Redis does not answer" in reasons["tape"]
            # Whoever comes meanwhile is let in, told, and served later.
            async with running.client(tier, "bob") as late:
                assert (await late.expect(Error)).code == ErrorCode.SOURCE_UNAVAILABLE
                await late.say(Subscribe("b", "SPY"))
                error = await late.expect(Error)
                assert (error.code, error.sub) == (ErrorCode.SOURCE_UNAVAILABLE, "b")
                await asyncio.to_thread(server.start)
                await market.trade(3)
                snapshot = await late.expect(Snapshot)
                assert set(ids(snapshot.rows)) >= {"t_1", "t_2"}
                batch = await peer.expect(Batch)
                assert (ids(batch.rows), batch.skipped) == (["t_3"], 0)
                await market.trade(4)
                assert ids((await peer.expect(Batch)).rows) == ["t_4"]
                await peer.silent()
                view = set(ids(snapshot.rows))
                while "t_4" not in view:
                    view |= set(ids((await late.expect(Batch)).rows))
                assert view == {"t_1", "t_2", "t_3", "t_4"}
            status, _ = await readiness(running)
            assert status == 200

    run(scenario())


def test_a_channel_that_cannot_be_read_for_now_is_subscribed_when_redis_is_back(
    server: EmbeddedRedis, own: Settings, market: Market
) -> None:
    async def scenario() -> None:
        async with gateway(own) as running, running.client() as peer:
            await running.services.channels.save("ann", "mine", parse_filter("SPY"), 50)
            await market.trade(1)
            await asyncio.to_thread(server.kill)
            assert (await peer.expect(Error)).code == ErrorCode.SOURCE_UNAVAILABLE
            for name in ("a", "b"):
                await peer.say(Subscribe(name, None, "mine"))
                error = await peer.expect(Error)
                assert (error.code, error.sub) == (ErrorCode.SOURCE_UNAVAILABLE, name)
            await peer.say(Unsubscribe("b"))
            await asyncio.to_thread(server.start)
            snapshot = await peer.expect(Snapshot)
            assert (snapshot.sub, ids(snapshot.rows)) == ("a", ["t_1"])
            await market.trade(2)
            assert ids((await peer.expect(Batch)).rows) == ["t_2"]
            await peer.silent()

    run(scenario())


def test_a_gateway_that_starts_without_redis_serves_when_it_is_there(
    server: EmbeddedRedis, own: Settings, market: Market
) -> None:
    async def scenario() -> None:
        await market.trade(1)
        async with gateway(own) as running, running.client() as peer:
            pos = (await peer.subscribe()).pos
        await market.trade(2)
        await asyncio.to_thread(server.kill)
        async with gateway(own) as running, running.client() as peer:
            assert (await peer.expect(Error)).code == ErrorCode.SOURCE_UNAVAILABLE
            await peer.say(Subscribe("new", ""))
            await peer.say(Subscribe("back", "", since=pos))
            for sub in ("new", "back"):
                assert (await peer.expect(Error)).sub == sub
            await asyncio.to_thread(server.start)
            heard = {message.sub: message for message in [await peer.hear(), await peer.hear()]}  # type: ignore[union-attr]
            assert ids(heard["new"].rows) == ["t_2", "t_1"]
            assert isinstance(heard["back"], Batch)
            assert (ids(heard["back"].rows), heard["back"].recovered) == (["t_2"], True)

    run(scenario())


class SlowlyLoading(EmbeddedRedis):
    """A Redis that takes its time for each key that it reads from its files."""

    def _command(self) -> list[str]:
        return [*super()._command(), "--key-load-delay", "3000",
                "--loading-process-events-interval-bytes", "1024"]  # fmt: skip


def test_a_redis_that_still_reads_its_data_is_told_as_such(
    server: EmbeddedRedis, own: Settings, market: Market, stack: Path
) -> None:
    async def scenario() -> None:
        await market.trade(*range(1, 1501))
        with connect(own) as client:
            client.bgrewriteaof()
            await until(
                lambda: not client.info("persistence")["aof_rewrite_in_progress"], "the rewrite's end"
            )
        await asyncio.to_thread(server.kill)
        slow = SlowlyLoading(stack, server.folder, persistent=True)
        loading = asyncio.create_task(asyncio.to_thread(slow.start))
        await until(lambda: slow.pid is not None, "the start")
        try:
            async with gateway(own, ready_lag_s=1_000) as running:
                hub = running.services.hub
                await until(lambda: "reads its data" in (hub.source_error or ""), "loading")
                async with running.client() as peer:
                    assert "Redis still reads its data" in (await peer.expect(Error)).message
                    _, reasons = await readiness(running)
                    assert reasons["redis"] == "Redis reads its data."
                    await peer.say(Subscribe("a", "", snapshot=2))
                    assert (await peer.expect(Error)).sub == "a"
                    await loading
                    assert ids((await peer.expect(Snapshot)).rows) == ["t_1500", "t_1499"]
        finally:
            await loading
            await asyncio.to_thread(slow.stop)

    run(scenario())


@LIVE
def test_a_redis_that_hangs_is_noticed_and_nothing_is_lost(
    server: EmbeddedRedis, own: Settings, market: Market, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a read that waits for announcements, as it must be.
    monkeypatch.setattr(server_module, "REPLY_S", 2.0)
    monkeypatch.setattr(stream_module, "LEASE_S", 0.3)

    async def scenario() -> None:
        async with gateway(own, tiers=QUICK, query_timeout_ms=100) as running, running.client(tier) as peer:
            await peer.subscribe()
            await market.trade(1)
            assert ids((await peer.expect(Batch)).rows) == ["t_1"]
            assert server.pid is not None
            await asyncio.to_thread(hang, server.pid)
            async with running.client(tier, "bob") as late:  # let in, though nobody counts connections
                await late.say(Subscribe("b", ""))
                heard = await everything(peer, told_away)
                assert len(said(heard, Error)) == 1
                # Noticed long before the half minute that other commands are given.
                told = next(place for place, message in enumerate(heard) if isinstance(message, Error))
                assert said(heard[told:], Heartbeat)[0].lag_ms < 20_000
                os.kill(server.pid, signal.SIGCONT)
                # On a quiet tape too, who waits hears that it is read again, long before a heartbeat is due.
                beats = said(heard, Heartbeat)
                while beats[-1].lag_ms >= beats[0].lag_ms:
                    beats += said(await everything(peer, lambda heard: said(heard, Heartbeat)), Heartbeat)
                assert beats[-1].t - beats[-2].t < 1_000 * HEARTBEAT_S
                await market.trade(2)
                assert ids((await peer.expect(Batch)).rows) == ["t_2"]
                await peer.silent()
                first: Any = await late.hear()
                while isinstance(first, Error):
                    first = await late.hear()
                assert isinstance(first, Snapshot)
                view = set(ids(first.rows))
                while view != {"t_1", "t_2"}:
                    view |= set(ids((await late.expect(Batch)).rows))

    run(scenario())


@pytest.mark.parametrize("tier", ["premium", "pro", "free"])
def test_a_redis_that_was_emptied_brings_new_snapshots(own: Settings, market: Market, tier: str) -> None:
    async def scenario() -> None:
        past = time.time_ns() // 1_000_000 - 60_000
        await market.trade(1, ts=past)
        async with gateway(own, tiers=QUICK) as running, running.client(tier) as peer:
            first = await peer.subscribe()
            assert ids(first.rows) == ["t_1"]
            with connect(own) as client:
                client.flushall()
            await market.trade(7, ts=past)
            view: set[str] = {"t_1"}
            epochs = set()
            while view != {"t_7"}:
                message = await peer.hear()
                if isinstance(message, Snapshot):
                    view = set(ids(message.rows))
                    epochs.add(StreamPosition.parse(message.pos).epoch)
                elif isinstance(message, Batch):
                    view |= set(ids(message.rows))
            assert epochs
            assert StreamPosition.parse(first.pos).epoch not in epochs

    run(scenario())


def test_a_redis_that_came_back_without_its_newest_trades_brings_new_snapshots(
    own: Settings, market: Market
) -> None:
    """As after a crash before its file was written: the trades are indexed again, with the same seq."""

    async def scenario() -> None:
        await market.trade(1, 2)
        async with gateway(own) as running, running.client() as peer:
            assert ids((await peer.subscribe()).rows) == ["t_2", "t_1"]
            with connect(own) as client:
                (last, _), *_ = client.xrevrange(keys.tape(0), count=1)  # type: ignore[misc,union-attr]
                client.xdel(keys.tape(0), last)
                client.delete(keys.trade(0, "t_2"))
                client.hset(keys.clock(0), "seq", 1)
            await market.trade(3)
            snapshot: Any = await peer.hear()
            while not isinstance(snapshot, Snapshot) or ids(snapshot.rows) != ["t_3", "t_1"]:
                snapshot = await peer.hear()

    run(scenario())


# Gateways


@asynccontextmanager
async def process(own: Settings) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A gateway in a process of its own, and its address."""
    environment = {**os.environ, "FLOWTAPE_JWT_SECRET": SECRET, "FLOWTAPE_REDIS_URL": own.redis_url or ""}
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "engine.cli", "serve", "--port", "0",
        stdout=PIPE, env=environment, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    try:
        assert started.stdout is not None
        line = (await started.stdout.readline()).decode()
        found = re.search(r"http://\S+:\d+", line)
        assert found is not None, line
        yield started, found.group()
    finally:
        if started.returncode is None:
            started.terminate()
        await started.wait()


def test_the_clients_of_a_gateway_that_is_killed_go_on_at_another_one(own: Settings, market: Market) -> None:
    async def scenario() -> None:
        await market.trade(1)
        async with gateway(own) as other, process(own) as (started, address):
            token = other.token()
            async with StreamClient(address, token, backoff_s=0.01) as stream:
                subscription = await stream.subscribe("SPY", keep=None)
                await market.trade(2)
                while len(subscription.view) < 2:
                    await anext(subscription)
                started.kill()
                stream.url = other.url
                await market.trade(3, 4)
                events = []
                while len(subscription.view) < 4:
                    events.append(await anext(subscription))
                assert [e.recovered for e in events if isinstance(e, Reconnected)] == [True]
                assert not [e for e in events if isinstance(e, Snapshot)]
                recovered = [e for e in events if isinstance(e, Batch)]
                assert sorted(i for batch in recovered for i in ids(batch.rows)) == ["t_3", "t_4"]

    run(scenario())


def test_a_user_who_loses_all_connections_with_a_killed_gateway_is_let_in_with_all_elsewhere(
    own: Settings, market: Market
) -> None:
    async def come_back(running: Gateway, opened: AsyncExitStack) -> None:
        await opened.enter_async_context(running.client())

    async def scenario() -> None:
        limit = own.connections
        async with gateway(own) as other, process(own) as (started, address), AsyncExitStack() as opened:
            first = Gateway(other.services, int(address.rpartition(":")[2]))
            async with AsyncExitStack() as lost:
                peers = [await lost.enter_async_context(first.client()) for _ in range(limit)]
                async with other.connected(other.token()) as peer:
                    assert await peer.closed() == CloseCode.TOO_MANY
                started.kill()
                assert [await peer.closed() for peer in peers] == [1006] * limit
                await asyncio.gather(*(come_back(other, opened) for _ in range(limit)))
            async with other.connected(other.token()) as peer:
                assert await peer.closed() == CloseCode.TOO_MANY

    run(scenario())


def test_a_gateway_that_stood_still_counts_its_connections_again(own: Settings, market: Market) -> None:
    async def scenario() -> None:
        async with gateway(own, connections=1) as one, gateway(own, connections=1) as two, one.client():
            with connect(own) as client:
                # What others do who take it for dead.
                client.delete(keys.connections("ann"), keys.gateway(one.services.connections.gateway))
                await until(lambda: client.zcard(keys.connections("ann")), "its next sign of life")
            async with two.connected(two.token()) as peer:
                assert await peer.closed() == CloseCode.TOO_MANY

    run(scenario())


def test_a_gateway_that_stops_leaves_no_sign_of_life(own: Settings, market: Market) -> None:
    async def scenario() -> None:
        with connect(own) as client:
            async with gateway(own) as running:
                key = keys.gateway(running.services.connections.gateway)
                await until(lambda: client.exists(key), "its sign of life")
            assert not client.exists(key)

    run(scenario())


@LIVE
def test_an_error_that_nobody_foresaw_ends_nothing_and_new_snapshots_follow(
    own: Settings, market: Market, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = Push if tier == "premium" else Poll
    match = kind.match
    raised: list[str] = []

    def failing(self: Any, announced: Any) -> None:
        if not raised:
            raised.append(announced.trade.id)
            raise LookupError("on purpose")
        match(self, announced)

    async def scenario() -> None:
        async with gateway(own, tiers=QUICK) as running, running.client(tier) as peer:
            await peer.subscribe()
            monkeypatch.setattr(kind, "match", failing)
            await market.trade(1)
            assert (await peer.expect(Error)).code == ErrorCode.SOURCE_UNAVAILABLE
            assert ids((await peer.expect(Snapshot)).rows) == ["t_1"]
            await market.trade(2)
            assert ids((await peer.expect(Batch)).rows) == ["t_2"]
            assert (await readiness(running))[0] == 200
        assert raised == ["t_1"]

    run(scenario())


@pytest.mark.parametrize("tier", ["premium", "pro", "free"])
def test_what_is_no_trade_is_passed_over(own: Settings, market: Market, tier: str) -> None:
    """An entry of the tape, and a document that a search finds, of another version."""

    async def scenario() -> None:
        past = time.time_ns() // 1_000_000 - 60_000
        await market.trade(1, ts=past)
        async with gateway(own, tiers=QUICK) as running, running.client(tier) as peer:
            await peer.subscribe("first")
            with connect(own) as client:
                odd = msgspec.json.encode({"id": "odd", "seq": 2, "ts": past})
                client.execute_command("JSON.SET", keys.trade(0, "odd"), "$", odd)
                client.xadd(keys.tape(0), {"d": b"\xc1"})
                client.hset(keys.clock(0), "seq", 2)
                write(client, [Written(a_trade(3, ts=past), None)], 1)
            batch = await peer.expect(Batch)
            assert ids(batch.rows) == ["t_3"]
            if tier != "free":
                await peer.say(Subscribe("second", "", snapshot=10))
                assert ids((await peer.expect(Snapshot)).rows) == ["t_3", "t_1"]
            assert running.services.hub.tape.unreadable == 1
            counted = running.services.metrics.tape_unreadable
            await until(lambda: next(iter(counted.collect())).samples[0].value == 1, "the metric")

    run(scenario())


# Clients


def session_of(running: Gateway, user: str) -> Session:
    """The session of a user."""
    return next(s for s in running.services.hub.sessions if s.identity.user == user)


def wire_of(session: Session) -> Wire:
    wire: Any = session._outlet
    assert isinstance(wire, Wire)
    return wire


@asynccontextmanager
async def narrow(running: Gateway, user: str, tier: str = "premium") -> AsyncIterator[Peer]:
    """A client for which the kernel holds little, and which takes little before it is read."""
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    host, _, port = running.address.partition(":")
    end.connect((host, int(port)))
    async with running.client(
        tier, user, sock=end, max_queue=1, ping_interval=None, close_timeout=0.1
    ) as peer:
        yield peer


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kernel holds little for each connection, and the gateway no more than it says: a buffer and a frame."""
    monkeypatch.setattr(listening, "SEND_BUFFER", 4_096)
    write_frame, fullest = Wire.write, 0

    def watched(self: Wire, frame: Frame) -> None:
        nonlocal fullest
        write_frame(self, frame)
        fullest = max(fullest, self.transport.get_write_buffer_size())

    monkeypatch.setattr(Wire, "write", watched)
    yield
    assert SMALL["session_buffer"] < fullest <= SMALL["session_buffer"] + FRAME


SMALL: dict[str, Any] = {
    "session_buffer": 16_384,
    "tiers": {"premium": {"rows": 20, "interval_ms": 1}, "pro": {"rows": 20, "interval_ms": 50}},
    "history_per_minute": 1_000,
    "messages_per_minute": 1_000,
}

FRAME = 12_000
"""More than a batch of 20 rows takes."""


async def clog(market: Market, session: Session, first: int = 1) -> int:
    """Trade until a session is clogged, and twice as much again; the number of the next trade."""
    number, rounds = first, 0
    while rounds < 6:
        await market.trade(*range(number, number + 60))
        number += 60
        rounds += session.clogged
        assert number < 6_000
    return number


@LIVE
@pytest.mark.usefixtures("little")
def test_a_client_that_stops_reading_gets_the_newest_rows_when_it_reads_again_and_holds_up_nobody(
    own: Settings, market: Market, tier: str
) -> None:
    async def scenario() -> None:
        async with (
            gateway(own, **SMALL, slow_client_s=1_000) as running,
            running.client("premium", "fast") as fast,
            narrow(running, "slow", tier) as slow,
        ):
            await fast.say(Subscribe("f", "", snapshot=0))
            await slow.say(Subscribe("s", "", snapshot=0))
            session = session_of(running, "slow")
            got: set[str] = set()
            left_out = 0

            async def read_fast() -> None:
                nonlocal left_out
                while True:
                    message = await fast.hear()
                    if isinstance(message, Batch):
                        got.update(ids(message.rows))
                        left_out += message.skipped

            reading = asyncio.create_task(read_fast())
            count = await clog(market, session) - 1
            await until(lambda: len(got) + left_out >= count, "the fast client's last trade")
            # Held in one batch at most, newest first.
            (held,) = [s.held for s in session.subscriptions.values()]
            assert held is not None
            assert len(held._trades) <= 4 * 20
            seen: set[str] = set()
            skipped = 0
            while f"t_{count}" not in seen:
                message = await slow.hear()
                if isinstance(message, Batch):
                    assert len(message.rows) <= 20
                    seen |= set(ids(message.rows))
                    skipped += message.skipped
            assert len(seen) + skipped == count
            assert skipped > left_out
            assert {f"t_{n}" for n in range(count - 19, count + 1)} <= seen
            # What was left out is there to be asked for.
            before: str | None = (
                session.subscriptions["s"].held_pos or running.services.hub.tape.position.text()
            )
            while before is not None:
                await slow.say(History("s", before, 20))
                page = await slow.hear()
                assert isinstance(page, Page), page
                seen |= set(ids(page.rows))
                before = page.before
            assert seen == {f"t_{n}" for n in range(1, count + 1)}
            assert not session.clogged
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    run(scenario())


@pytest.mark.usefixtures("little")
def test_a_client_that_never_reads_again_is_closed_as_too_slow_and_then_cut(
    own: Settings, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "LINGER_S", 1.0)

    async def scenario() -> None:
        async with gateway(own, **SMALL, slow_client_s=1.5) as running, narrow(running, "slow") as slow:
            await slow.say(Subscribe("s", "", snapshot=0))
            session = session_of(running, "slow")
            wire = wire_of(session)
            number = 1
            while session in running.services.hub.sessions:
                await market.trade(*range(number, number + 60))
                number += 60
                assert number < 20_000
            closed = running.services.metrics.registry.get_sample_value(
                "flowtape_closes_total", {"code": str(int(CloseCode.TOO_SLOW))}
            )
            assert closed == 1
            await until(lambda: wire.disconnected, "the cut")

    run(scenario())


@pytest.mark.usefixtures("little")
def test_nothing_is_left_of_a_client_that_goes_while_all_it_asked_for_waits(
    own: Settings, market: Market
) -> None:
    async def scenario() -> None:
        async with gateway(own, **SMALL, slow_client_s=1_000) as running:
            before = len(asyncio.all_tasks())
            async with narrow(running, "slow") as slow:
                await slow.say(Subscribe("s", "", snapshot=0))
                session = session_of(running, "slow")
                await clog(market, session)
                # Both wait until it reads.
                await slow.say(History("s", running.services.hub.tape.position.text(), 5))
                await slow.say(Subscribe("more", "SPY"))
                await asyncio.sleep(0.2)
                assert session in running.services.hub.sessions
                slow.socket.transport.abort()
                await until(lambda: session not in running.services.hub.sessions, "the end")
            await until(lambda: len(asyncio.all_tasks()) <= before, "the end of its tasks")
            assert not running.services.hub._groups

    run(scenario())


@pytest.mark.usefixtures("little")
def test_snapshots_that_wait_for_a_slow_client_do_not_come_all_at_once(own: Settings, market: Market) -> None:
    async def scenario() -> None:
        async with gateway(own, **SMALL, slow_client_s=1_000) as running, narrow(running, "slow") as slow:
            await slow.say(Subscribe("s", "", snapshot=0))
            await clog(market, session_of(running, "slow"))
            for number in range(20):
                await slow.say(Subscribe(f"w{number}", f"size<={number + 500}"))
            await slow.say(Ping(1))
            waiting = {f"w{number}" for number in range(20)}
            while waiting:
                message = await slow.hear()
                if isinstance(message, Snapshot):
                    waiting.discard(message.sub)

    run(scenario())


def test_a_client_that_answers_no_ping_is_gone(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PING_S", 0.3)
    monkeypatch.setattr(server_module, "PONG_S", 0.5)

    async def scenario() -> None:
        async with gateway(own) as running, running.client(user="there") as peer:
            host, _, port = running.address.partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                f"GET /v1/stream HTTP/1.1\r\nHost: {running.address}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: flowtape.v1.msgpack\r\n"
                f"Authorization: Bearer {running.token(user='dead')}\r\n\r\n".encode()
            )
            hub = running.services.hub
            await until(lambda: len(hub.sessions) == 2, "the dead client's entry")
            # It reads, but says nothing ever again; the end is the gateway's.
            everything_said = await reader.read()
            assert int(CloseCode.HEARTBEAT_LOST).to_bytes(2, "big") in everything_said
            await until(lambda: len(hub.sessions) == 1, "its end")
            writer.close()
            await peer.subscribe()

    run(scenario())


CLIENT = """
import sys, time
from websockets.sync.client import connect
with connect(sys.argv[1], additional_headers={"Authorization": "Bearer " + sys.argv[2]},
             subprotocols=["flowtape.v1.msgpack"], ping_interval=None) as socket:
    socket.recv()
    print("in", flush=True)
    time.sleep(600)
"""


def test_a_client_whose_process_stands_still_is_gone(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PING_S", 0.3)
    monkeypatch.setattr(server_module, "PONG_S", 1.0)

    async def scenario() -> None:
        async with gateway(own) as running:
            hub = running.services.hub
            started = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CLIENT, running.url, running.token(), stdout=PIPE
            )
            assert started.stdout is not None
            assert await started.stdout.readline() == b"in\n"
            (session,) = hub.sessions
            await asyncio.sleep(2.5)  # It answers pings: it stays.
            assert session in hub.sessions
            await asyncio.to_thread(hang, started.pid)
            await until(lambda: session not in hub.sessions, "its end")
            await until(lambda: wire_of(session).disconnected, "the cut")
            started.kill()
            await started.wait()

    run(scenario())


def test_so_many_trades_that_leave_a_filter_that_no_batch_can_say_it_bring_a_new_snapshot(
    own: Settings, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.gateway.pending.GONE_LIMIT", 3)

    async def scenario() -> None:
        async with (
            gateway(own, tiers={"premium": {"interval_ms": 1_000}}) as running,
            running.client() as peer,
        ):
            await peer.subscribe("a", "-cancelled")
            await market.trade(*range(1, 11))
            seen = set(ids((await peer.expect(Batch)).rows))
            while len(seen) < 10:
                seen |= set(ids((await peer.expect(Batch)).rows))
            cancels = [a_print(n, size=10, ts=NOON + 90_000, conditions=("A",)) for n in range(11, 19)]
            with connect(own) as client:
                append(client, cancels)
            await market.trade(20)
            view = seen
            again = False
            while len(view) != 3:
                message = await peer.hear()
                if isinstance(message, Snapshot):
                    view, again = set(ids(message.rows)), True
                elif isinstance(message, Batch):
                    view = (view | set(ids(message.rows))) - set(ids(message.gone))
            assert again

    run(scenario())


# Overload


def test_intervals_stretch_while_the_gateway_is_behind_and_the_metric_says_so(
    own: Settings, market: Market
) -> None:
    async def scenario() -> None:
        async with gateway(own, tiers={"pro": {"interval_ms": 200}}) as running, AsyncExitStack() as stack:
            services = running.services
            pushed = await stack.enter_async_context(running.client("premium", "ann"))
            polled = await stack.enter_async_context(running.client("pro", "bob"))
            await pushed.subscribe()
            await polled.subscribe()
            hub = services.hub

            def step() -> float | None:
                return services.metrics.registry.get_sample_value("flowtape_overload_step")

            await until(lambda: step() == 0, "calm")
            for _ in range(4 * UP_AFTER):
                if hub._overload.level == len(STEPS) - 1:
                    break
                time.sleep(0.5)  # noqa: ASYNC251 - work that keeps the loop: all its timers are late
                await asyncio.sleep(0)
            assert hub._overload.level > 0
            await until(lambda: step() == hub._overload.level, "the metric")
            push_factor, poll_factor = hub._overload.step
            by_tier = {group.tier.delivery: group for group in hub._groups.values()}
            await market.trade(1)
            await pushed.expect(Batch)
            group = by_tier[Delivery.PUSH]
            assert group.next_at - group.positioned_at >= push_factor * 0.05 - 1e-6
            group = by_tier[Delivery.POLL]
            due = group.next_at
            await until(lambda: group.next_at != due, "the next search")
            assert group.next_at - due >= poll_factor * 0.2 - 1e-6

    run(scenario())
