"""Clients that never read: they are merged, then closed, hold a bounded heap, and delay nobody."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import redis
from websockets.frames import Opcode

from engine.settings import Settings
from schemas.messages import ENCODINGS, MSGPACK, Batch, Subscribe
from tests.attacks import outlet_of, raw, watched
from tests.gateways import ids, run
from tests.indexing import NOON, a_print, append, index


def test_a_client_that_never_reads_is_closed_and_others_get_every_trade(
    client: redis.Redis, settings: Settings
) -> None:
    append(client, [a_print(0, ts=NOON)])
    index(client, settings, "first")

    async def scenario() -> None:
        limits = {"session_buffer": 16_384, "slow_client_s": 1.0}
        async with AsyncExitStack() as opened:
            running = await opened.enter_async_context(watched(settings, **limits))
            connection = await opened.enter_async_context(raw(running, limit=1_024))
            await connection.shake(running, f"Authorization: Bearer {running.token()}")
            outlet = await outlet_of(running)
            (slow,) = running.services.hub.sessions
            for number in range(20):
                connection.frame(Opcode.BINARY, ENCODINGS[MSGPACK].encode(Subscribe(str(number), {})))
            other = await opened.enter_async_context(running.client(user="bob"))
            await other.subscribe("a", "")
            seen: set[str] = set()
            most, number = 0, 0
            deadline = time.monotonic() + 40
            while slow in running.services.hub.sessions and time.monotonic() < deadline:
                wanted = {f"t_{n}" for n in range(number + 1, number + 101)}
                append(client, [a_print(n, ts=NOON + n * 10) for n in range(number + 1, number + 101)])
                await asyncio.to_thread(index, client, settings, f"indexer-{number}")
                number += 100
                while not wanted <= seen:
                    batch = await other.expect(Batch)
                    assert batch.skipped == 0
                    seen |= set(ids(batch.rows))
                most = max(most, outlet.transport.get_write_buffer_size())
            assert slow not in running.services.hub.sessions
            # What was unsent when it was found to be full, and one message of each subscription at most.
            assert most < 20 * 100_000
            assert not slow.subscriptions
            closes = running.services.metrics.registry.get_sample_value(
                "flowtape_closes_total", {"code": "4008"}
            )
            assert closes == 1

    run(scenario())
