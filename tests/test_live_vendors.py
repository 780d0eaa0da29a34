"""Every live feed against a stand-in for its vendor on a real socket (tests/vendors), into a real Redis."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import redis.asyncio

import tests.vendors
from engine.feeds.live import FeedState, Supervisor
from engine.feeds.registry import live_feed
from engine.publish import Policy, Publisher
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas import keys
from schemas.errors import FeedRefusedError
from schemas.print import Print
from tests.vendors.harness import Turn, Vendor, Wire

GUARD_MS = 20_000
"""A print that is not there by then never comes: the test fails rather than hangs."""

GUARD_S = 60
"""A scenario that is not over by then never will be."""

VENDORS = sorted(
    module.name
    for module in pkgutil.iter_modules(tests.vendors.__path__)
    if hasattr(importlib.import_module(f"tests.vendors.{module.name}"), "Server")
)


def vendor_server(name: str) -> Vendor:
    return importlib.import_module(f"tests.vendors.{name}").Server()


@dataclass
class Run:
    """A feed that runs against its vendor's stand-in."""

    vendor: Vendor
    supervisor: Supervisor
    publisher: Publisher
    client: redis.asyncio.Redis
    task: asyncio.Task[None]

    async def prints(self, count: int) -> list[Print]:
        """All prints of the stream, once there are `count` different ones at least."""
        found: list[Print] = []
        last = b"0"
        while len({each.id for each in found}) < count:
            read = asyncio.ensure_future(self.client.xread({keys.prints(0): last}, block=GUARD_MS))
            await asyncio.wait({read, self.task}, return_when=asyncio.FIRST_COMPLETED)
            if not read.done():
                read.cancel()
                await self.task
                pytest.fail("the feed ended")
            entries = [entry for stream in (await read).values() for batch in stream for entry in batch]
            assert entries, f"{len(found)} prints came, expected {count}; {self.supervisor.status}"
            last = entries[-1][0]
            found += [msgspec.msgpack.decode(fields[b"d"], type=Print) for _, fields in entries]
        return found

    async def stop(self) -> list[Print]:
        """Stop the feed, drain the publisher, and return all that is on the stream."""
        self.supervisor.stop()
        await self.task
        await self.publisher.drain()
        entries = await self.client.xrange(keys.prints(0))
        return [msgspec.msgpack.decode(fields[b"d"], type=Print) for _, fields in entries]

    async def dead(self) -> list[dict[bytes, bytes]]:
        return [fields for _, fields in await self.client.xrange(keys.dead(0))]


@asynccontextmanager
async def running(
    vendor: Vendor, settings: Settings, *plan: Turn, right_key: bool = True, **overrides: Any
) -> AsyncIterator[Run]:
    vendor.plan = list(plan)
    async with asyncio.timeout(GUARD_S), vendor:
        brief = {"feed_backoff_s": 0.01, "feed_backoff_max_s": 0.05, "redis_url": settings.redis_url}
        settings = Settings.load(**{**brief, **vendor.settings(right_key), **overrides})
        client = connect_async(settings)
        try:
            async with Publisher(client, settings, Policy.DROP_OLDEST) as publisher:
                supervisor = Supervisor(live_feed(vendor.feed), settings, publisher)
                task = asyncio.create_task(supervisor.run())
                yield Run(vendor, supervisor, publisher, client, task)
                supervisor.stop()
                await asyncio.gather(task, return_exceptions=True)
        finally:
            await client.aclose()


def sends(vendor: Vendor, *numbers: int, then: Callable[[Wire], Awaitable[None]] | None = None) -> Turn:
    async def turn(wire: Wire) -> None:
        for number in numbers:
            await wire.send(vendor.message(number))
        await (then(wire) if then else wire.stay())

    return turn


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return vendor_server(request.param)


def test_with_the_right_key_every_print_reaches_the_stream_in_order(
    vendor: Vendor, settings: Settings
) -> None:
    async def scenario() -> None:
        async with running(vendor, settings, sends(vendor, *range(10))) as run:
            await run.prints(10)
            assert run.supervisor.status.state is FeedState.LIVE
            published = await run.stop()
        status = run.supervisor.status
        assert [each.id for each in published] == [vendor.print_id(n) for n in range(10)]
        assert {each.feed for each in published} == {vendor.feed}
        assert (status.state, status.prints, status.rejects, status.reconnects) == (
            FeedState.STOPPED,
            10,
            0,
            0,
        )

    asyncio.run(scenario())


def test_a_wrong_key_ends_the_feed_at_the_first_attempt(vendor: Vendor, settings: Settings) -> None:
    if not vendor.has_key:
        pytest.skip(f"{vendor.feed} has no key")

    async def scenario() -> None:
        async with running(vendor, settings, sends(vendor, 0), right_key=False) as run:
            with pytest.raises(FeedRefusedError) as refused:
                await run.task
        assert refused.value.remedy
        assert refused.value.exit_status != 0
        assert run.supervisor.status.state is FeedState.REFUSED
        assert vendor.logins == 0
        assert vendor.attempts == 1

    asyncio.run(scenario())


def test_a_connection_cut_within_a_message_is_made_again_and_doubles_nothing(
    vendor: Vendor, settings: Settings
) -> None:
    async def scenario() -> None:
        torn = sends(vendor, *range(5), then=lambda wire: wire.cut(vendor.message(5)))
        redelivers = sends(vendor, *range(3, 10))
        async with running(vendor, settings, torn, redelivers) as run:
            await run.prints(10)
            published = await run.stop()
        assert [each.id for each in published] == [vendor.print_id(n) for n in range(10)]
        assert run.supervisor.status.reconnects >= 1
        assert run.supervisor.status.last_error
        assert vendor.logins == 2

    asyncio.run(scenario())


def test_garbage_is_rejected_or_ends_the_connection_but_never_the_feed(
    vendor: Vendor, settings: Settings
) -> None:
    async def scenario() -> None:
        async def garbage(wire: Wire) -> None:
            await wire.send(vendor.message(0))
            for message in vendor.garbage:
                await wire.send(message)
            await wire.send(vendor.message(1))
            await wire.stay()

        async with running(vendor, settings, garbage, sends(vendor, 0, 1)) as run:
            await run.prints(2)
            published = await run.stop()
            dead = await run.dead()
        status = run.supervisor.status
        assert {vendor.print_id(0), vendor.print_id(1)} == {each.id for each in published}
        assert status.rejects or status.reconnects
        assert len(dead) == status.rejects
        assert all(each[b"reason"] and each[b"feed"] == vendor.feed.encode() for each in dead)

    asyncio.run(scenario())


def test_a_silent_connection_is_taken_for_dead(vendor: Vendor, settings: Settings) -> None:
    async def scenario() -> None:
        turns = sends(vendor, 0), sends(vendor, 0, 1)
        async with running(vendor, settings, *turns, feed_silence_s=0.2) as run:
            published = await run.prints(2)
            await run.stop()
        assert [each.id for each in published] == [vendor.print_id(0), vendor.print_id(1)]
        assert "silent" in run.supervisor.status.last_error

    asyncio.run(scenario())
