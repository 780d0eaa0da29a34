"""The publisher against a real Redis: order, bounds, policies, and a Redis that goes away."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
import redis.asyncio
from redis.exceptions import ResponseError

from engine.publish import QUEUE_BYTES, Policy, Publisher
from engine.scripts import script
from engine.settings import Settings
from engine.store.connect import connect, connect_async
from schemas import keys
from schemas.contract import parse_osi
from schemas.print import RAW_BYTES, Event, Print, Reference, Reject

GUARD_S = 60
"""What is not done by then hangs: the test fails."""

SYMBOLS = [f"{root}261218C00600000" for root in ("SPY", "QQQ", "AAPL", "TSLA", "VIX", "IWM", "NVDA", "AMD")]


def a_print(n: int, symbol: str = SYMBOLS[0], feed: str = "massive") -> Print:
    return Print(id=f"ms_{n}", feed=feed, ts=1_781_278_205_000 + n, received=1_781_278_205_001 + n, symbol=symbol,
                 price=1.25, size=1 + n, exchange="XCBO", conditions=("I",), bid=1.2, ask=1.3)  # fmt: skip


def play(scenario: Coroutine[Any, Any, None]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(GUARD_S):
            await scenario

    asyncio.run(guarded())


@asynccontextmanager
async def publishing(settings: Settings, policy: Policy, **changes: Any) -> AsyncIterator[Publisher]:
    settings = settings.model_copy(update=changes)
    client = connect_async(settings)
    publisher = Publisher(client, settings, policy)
    try:
        yield publisher
    finally:
        await publisher.close()
        await client.aclose()


async def until(condition: Callable[[], bool]) -> None:
    """Give other tasks their turns until a counter says so."""
    while not condition():  # noqa: ASYNC110 - counters have no event
        await asyncio.sleep(0.001)


def stream(client: redis.Redis, p: int = 0) -> list[Event]:
    """What is on a partition's stream, in its order."""
    entries: Any = client.xrange(keys.prints(p))
    return [
        msgspec.msgpack.decode(fields[b"d"], type=Print)
        if b"d" in fields
        else msgspec.msgpack.decode(fields[b"r"], type=Reference)
        for _, fields in entries
    ]


def acknowledge_all(client: redis.Redis) -> None:
    """What an indexer does: read and acknowledge what is there."""
    entries: Any = client.xreadgroup(keys.INDEXER_GROUP, "test", {keys.prints(0): ">"})
    for batch in entries.values():
        for each in batch:
            client.xack(keys.prints(0), keys.INDEXER_GROUP, *[entry_id for entry_id, _ in each])


def test_events_arrive_whole_and_in_their_order(settings: Settings, client: redis.Redis) -> None:
    events: list[Event] = [a_print(n) for n in range(1_000)]
    events.insert(500, Reference(feed="massive", symbol=SYMBOLS[0], date=20260612, open_interest=7))

    async def scenario() -> None:
        async with publishing(settings, Policy.WAIT) as publisher:
            for first in range(0, len(events), 37):
                await publisher.put(events[first : first + 37])
            await publisher.drain()
            assert publisher.counts.published == 1_000
            assert publisher.counts.references == 1
            assert publisher.counts.queued == 0

    play(scenario())
    assert stream(client) == events


def test_each_partition_gets_the_prints_of_its_underlyings(settings: Settings, client: redis.Redis) -> None:
    async def scenario() -> None:
        async with publishing(settings, Policy.WAIT, partitions=4) as publisher:
            await publisher.put([a_print(n, SYMBOLS[n % len(SYMBOLS)]) for n in range(400)])
            await publisher.put([a_print(400, "no contract")])
            await publisher.drain()

    play(scenario())
    found = [(p, event) for p in range(4) for event in stream(client, p)]
    assert len(found) == 401
    assert len({p for p, _ in found}) > 1
    for p, event in found:
        if event.symbol != "no contract":
            assert p == keys.partition_of(parse_osi(event.symbol).underlying, 4)
    assert (0, "no contract") in [(p, event.symbol) for p, event in found]


def test_rejects_go_to_the_dead_stream_with_their_reason_and_bytes(
    settings: Settings, client: redis.Redis
) -> None:
    async def scenario() -> None:
        async with publishing(settings, Policy.WAIT, dead_length=10) as publisher:
            await publisher.put([Reject("massive", "no field p", b"\x00\xff" * 9), a_print(1)])
            await publisher.drain()
            assert publisher.counts.rejected == 1

    play(scenario())
    ((_, fields),) = client.xrange(keys.dead(0))
    assert fields[b"reason"] == b"no field p"
    assert fields[b"feed"] == b"massive"
    assert fields[b"raw"] == b"\x00\xff" * 9
    assert fields[b"kind"] == b"message"
    assert int(fields[b"at"]) > 1_700_000_000_000
    assert len(stream(client)) == 1


def test_the_dead_stream_is_bounded(settings: Settings, client: redis.Redis) -> None:
    async def scenario() -> None:
        async with publishing(settings, Policy.WAIT, dead_length=100) as publisher:
            await publisher.put([Reject("massive", "wrong", b"x") for _ in range(2_000)])
            await publisher.drain()

    play(scenario())
    # MAXLEN ~ trims by whole nodes, of 100 entries by default.
    assert 100 <= client.xlen(keys.dead(0)) <= 300


def test_put_waits_while_the_indexer_is_behind_and_goes_on_when_it_caught_up(
    settings: Settings, client: redis.Redis
) -> None:
    client.xgroup_create(keys.prints(0), keys.INDEXER_GROUP, id="0", mkstream=True)
    small = {"backlog_limit": 100, "publish_queue": 100, "publish_batch": 50}

    async def scenario() -> None:
        async with publishing(settings, Policy.WAIT, **small) as publisher:
            put = asyncio.create_task(publisher.put([a_print(n) for n in range(1_000)]))
            await until(lambda: publisher.counts.waits >= 2)
            assert not put.done()
            # One batch may pass the limit, as it is asked before and not within.
            assert client.xlen(keys.prints(0)) < 100 + 50
            assert publisher.counts.queue_high <= 100
            await until(lambda: acknowledge_all(client) or (put.done() and not publisher.counts.queued))
            await put
            await publisher.drain()
            assert publisher.counts.dropped.total() == 0

    play(scenario())
    assert [event.id for event in stream(client)] == [f"ms_{n}" for n in range(1_000)]


def test_a_live_feed_drops_the_oldest_and_counts_them_by_feed(
    settings: Settings, client: redis.Redis
) -> None:
    client.xgroup_create(keys.prints(0), keys.INDEXER_GROUP, id="0", mkstream=True)
    small = {"backlog_limit": 100, "publish_queue": 200, "publish_batch": 50}

    async def scenario() -> None:
        async with publishing(settings, Policy.DROP_OLDEST, **small) as publisher:
            await publisher.put([a_print(n) for n in range(100)])
            await publisher.drain()
            for n in range(100, 600):
                await publisher.put([a_print(n, feed="alpaca")])
            counts = publisher.counts
            assert counts.queued <= 200
            assert counts.dropped == {"alpaca": 500 - counts.queued}
            await until(lambda: acknowledge_all(client) or not counts.queued)
            assert counts.published + counts.dropped.total() == 600

    play(scenario())
    kept = [event.id for event in stream(client)]
    numbers = [int(name.removeprefix("ms_")) for name in kept]
    assert numbers == sorted(numbers)
    assert numbers[:100] == list(range(100))
    # The newest of the queue are there without a gap; before them one batch at most was on its way.
    assert numbers[-150:] == list(range(450, 600))
    assert len(numbers) <= 100 + 200


def test_a_flood_of_rejects_costs_no_prints(settings: Settings, client: redis.Redis) -> None:
    async def scenario() -> None:
        async with publishing(settings, Policy.DROP_OLDEST, publish_queue=200) as publisher:
            await publisher.put([a_print(n) for n in range(90)] + [Reject("massive", "x", b"x")] * 1_000)
            assert publisher.counts.dropped_rejects == {"massive": 890}
            assert not publisher.counts.dropped
            await publisher.drain()

    play(scenario())
    assert len(stream(client)) == 90


def test_large_rejects_are_bounded_by_their_bytes_and_cost_no_prints(
    settings: Settings, client: redis.Redis
) -> None:
    large = Reject("massive", "x", b"x" * RAW_BYTES)
    fit = QUEUE_BYTES // RAW_BYTES

    async def scenario() -> None:
        async with publishing(
            settings, Policy.DROP_OLDEST, backlog_limit=100, publish_linger_ms=60_000
        ) as publisher:
            await publisher.put([a_print(n) for n in range(5_000)])
            for _ in range(fit + 100):
                await publisher.put([large])
            counts = publisher.counts
            assert not counts.dropped
            assert (
                counts.dropped_rejects.total() + counts.rejected + counts.queued
                == fit + 100 + 5_000 - counts.published
            )
            assert publisher.waiting_bytes <= QUEUE_BYTES
            # A connection that is cut with megabytes unsent would outlive the loop.
            kept = fit + 100 - counts.dropped_rejects.total()
            await until(lambda: kept - counts.rejected < settings.publish_batch)

    play(scenario())


def test_what_is_not_in_redis_at_the_close_counts_as_dropped(settings: Settings, client: redis.Redis) -> None:
    async def scenario() -> None:
        async with publishing(settings, Policy.DROP_OLDEST, backlog_limit=100) as publisher:
            await publisher.put([a_print(n) for n in range(100)])
            await publisher.drain()
            await publisher.put([a_print(n) for n in range(100, 150)])
            await publisher.close()
            assert publisher.counts.dropped == {"massive": 50}
            assert publisher.counts.queued == 0

    play(scenario())


def test_a_mistake_that_redis_will_not_recover_from_is_raised(
    settings: Settings, client: redis.Redis
) -> None:
    client.set(keys.prints(0), "no stream")

    async def scenario() -> None:
        async with publishing(settings, Policy.WAIT) as publisher:
            await publisher.put([a_print(1)])
            with pytest.raises(ResponseError, match="WRONGTYPE"):
                await publisher.drain()
            with pytest.raises(ResponseError, match="WRONGTYPE"):
                await publisher.put([a_print(2)])

    play(scenario())


def test_an_unknown_script_is_loaded_again(settings: Settings, client: redis.Redis) -> None:
    async def scenario() -> None:
        async with publishing(settings, Policy.WAIT) as publisher:
            await publisher.put([a_print(1)])
            await publisher.drain()
            client.script_flush()
            await publisher.put([a_print(2)])
            await publisher.drain()

    play(scenario())
    assert [event.id for event in stream(client)] == ["ms_1", "ms_2"]


class KilledRedis:
    """A Redis with its append-only file, on a port that stays the same when it is killed and started again."""

    def __init__(self, stack: Path, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._command = [str(stack / "bin" / "redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
                         "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always", "--save", "",
                         "--logfile", str(folder / "log")]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def killed(stack: Path, tmp_path: Path) -> Iterator[KilledRedis]:
    server = KilledRedis(stack, tmp_path)
    server.start()
    yield server
    server.kill()


def test_nothing_is_lost_when_redis_is_killed_and_comes_back(killed: KilledRedis) -> None:
    settings = Settings.load(redis_url=killed.url, publish_linger_ms=0)

    async def scenario() -> None:
        async with publishing(settings, Policy.DROP_OLDEST) as publisher:
            for n in range(3_000):
                await publisher.put([a_print(n)])
                if n in (500, 1_700):
                    killed.kill()
                if n in (900, 2_400):
                    await until(lambda: publisher.counts.retries > 0)
                    killed.start()
            await publisher.drain()
            assert publisher.counts.retries > 0
            assert publisher.counts.dropped.total() == 0

    play(scenario())
    with connect(settings) as client:
        ids = [event.id for event in stream(client)]
    assert set(ids) == {f"ms_{n}" for n in range(3_000)}
    first_seen = list(dict.fromkeys(ids))
    assert first_seen == [f"ms_{n}" for n in range(3_000)]


@contextmanager
def group(client: redis.Redis) -> Iterator[None]:
    client.xgroup_create(keys.prints(0), keys.INDEXER_GROUP, id="0", mkstream=True)
    yield


def append(client: redis.Redis, limit: int, *payloads: bytes) -> list[int]:
    pairs = [part for payload in payloads for part in ("d", payload)]
    answer: list[int] = script("append_prints").run(
        client, [keys.prints(0)], [limit, keys.INDEXER_GROUP, *pairs]
    )
    return answer


def test_the_backlog_is_what_the_group_has_not_acknowledged(client: redis.Redis) -> None:
    assert append(client, 10, b"a", b"b") == [2, 0]
    assert append(client, 10) == [0, 2]  # no group yet: the whole stream counts
    with group(client):
        assert append(client, 10, b"c") == [1, 2]
        client.xreadgroup(keys.INDEXER_GROUP, "test", {keys.prints(0): ">"}, count=2)
        assert append(client, 10) == [0, 3]  # two pending, one not delivered
        acknowledge_all(client)
        assert append(client, 10) == [0, 2]
        (pending,) = [entry[0] for entry in client.xrange(keys.prints(0), count=1)]
        client.xack(keys.prints(0), keys.INDEXER_GROUP, pending)
        assert append(client, 10) == [0, 1]


def test_a_batch_is_refused_whole_at_the_limit(client: redis.Redis) -> None:
    assert append(client, 2, b"a", b"b", b"c") == [3, 0]
    assert append(client, 3, b"d") == [0, 3]
    assert append(client, 4, b"d") == [1, 3]
    assert client.xlen(keys.prints(0)) == 4


def test_an_unknown_lag_counts_the_whole_stream(client: redis.Redis) -> None:
    with group(client):
        append(client, 10, b"a", b"b", b"c")
        acknowledge_all(client)
        assert append(client, 10) == [0, 0]
        append(client, 10, b"d", b"e")
        ids = [entry[0] for entry in client.xrange(keys.prints(0))]
        client.xgroup_setid(keys.prints(0), keys.INDEXER_GROUP, ids[1])
        assert client.xinfo_groups(keys.prints(0))[0]["lag"] is None
        assert append(client, 10) == [0, 5]


def test_pairs_must_be_whole(client: redis.Redis) -> None:
    with pytest.raises(ResponseError, match="BADARGS"):
        script("append_prints").run(client, [keys.prints(0)], [10, keys.INDEXER_GROUP, "d"])
