"""Connections of a user: the limit holds over all gateways, and what a dead gateway held comes free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import redis
import redis.asyncio

from engine.access import connections as connections_module
from engine.access.connections import (
    BEAT_MS,
    DEAD_MS,
    LEASE_MS,
    LOOK_MS,
    RENEW_S,
    RENEW_USERS,
    WAIT_S,
    Connections,
)
from engine.processes.ending import end
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas import keys

NOW = 1_800_000_000_000


def serve(
    settings: Settings, scenario: Callable[..., Awaitable[None]], *, limit: int, gateways: int = 1
) -> None:
    """Run a scenario with the connections of so many gateways, each with a client of its own."""

    async def run() -> None:
        limited = settings.model_copy(update={"connections": limit})
        clients = [connect_async(settings) for _ in range(gateways)]
        try:
            await scenario(*(Connections(client, limited) for client in clients))
        finally:
            for client in clients:
                await client.aclose()

    asyncio.run(run())


def test_a_user_has_as_many_as_allowed(settings: Settings) -> None:
    async def scenario(gateway: Connections) -> None:
        assert [await gateway.admit("ann", f"s{n}", NOW) for n in range(4)] == [True, True, True, False]
        assert await gateway.admit("bob", "s0", NOW)

    serve(settings, scenario, limit=3)


def test_the_limit_holds_over_gateways_that_admit_at_once(settings: Settings) -> None:
    async def scenario(*gateways: Connections) -> None:
        asked = [
            gateway.admit("ann", f"{g}-{n}", NOW) for g, gateway in enumerate(gateways) for n in range(20)
        ]
        assert sum(await asyncio.gather(*asked)) == 7

    serve(settings, scenario, limit=7, gateways=3)


def test_a_released_place_is_free(settings: Settings) -> None:
    async def scenario(gateway: Connections) -> None:
        assert await gateway.admit("ann", "one", NOW)
        assert not await gateway.admit("ann", "two", NOW)
        await gateway.release("ann", "one")
        await gateway.release("ann", "one")
        assert await gateway.admit("ann", "two", NOW)

    serve(settings, scenario, limit=1)


def test_admitting_again_takes_no_second_place(settings: Settings) -> None:
    async def scenario(gateway: Connections) -> None:
        for _ in range(3):
            assert await gateway.admit("ann", "one", NOW)
        assert await gateway.admit("ann", "two", NOW)
        assert await gateway.admit("ann", "one", NOW)
        assert not await gateway.admit("ann", "three", NOW)

    serve(settings, scenario, limit=2)


def test_what_is_not_renewed_lapses(settings: Settings) -> None:
    async def scenario(gateway: Connections) -> None:
        assert await gateway.admit("ann", "one", NOW)
        assert not await gateway.admit("ann", "two", NOW + LEASE_MS - 1)
        assert await gateway.admit("ann", "two", NOW + LEASE_MS)

    serve(settings, scenario, limit=1)


def test_what_is_renewed_stays(settings: Settings) -> None:
    async def scenario(gateway: Connections) -> None:
        assert await gateway.admit("ann", "one", NOW)
        await gateway.renew([("ann", "one")], NOW + LEASE_MS - 1)
        assert not await gateway.admit("ann", "two", NOW + LEASE_MS)

    serve(settings, scenario, limit=1)


def test_a_renewal_brings_back_what_redis_has_lost(settings: Settings, client: redis.Redis) -> None:
    sessions = [(f"user {n}", f"session {n}") for n in range(RENEW_USERS + 5)] + [("user 0", "another")]

    async def scenario(gateway: Connections) -> None:
        await gateway.renew(sessions, NOW)
        assert not await gateway.admit("user 0", "third", NOW)
        assert await gateway.admit("user 1", "third", NOW)

    serve(settings, scenario, limit=2)
    assert client.dbsize() == RENEW_USERS + 5


def test_nothing_to_renew_is_fine(settings: Settings, client: redis.Redis) -> None:
    async def scenario(gateway: Connections) -> None:
        await gateway.renew([], NOW)

    serve(settings, scenario, limit=1)
    assert client.dbsize() == 0


def test_a_users_key_ends_with_the_last_lease(settings: Settings, client: redis.Redis) -> None:
    async def scenario(gateway: Connections) -> None:
        await gateway.admit("ann", "one", NOW)
        await gateway.renew([("bob", "one")], NOW)

    serve(settings, scenario, limit=1)
    for user in ("ann", "bob"):
        assert 0 < client.pttl(keys.connections(user)) <= LEASE_MS


def test_an_open_connection_is_renewed_before_it_lapses() -> None:
    assert 2 * RENEW_S * 1_000 < LEASE_MS


@asynccontextmanager
async def alive(*gateways: Connections) -> AsyncIterator[None]:
    """Gateways that give signs of life meanwhile, and none after."""

    async def beat() -> None:
        while True:
            for gateway in gateways:
                await gateway.beat()
            await asyncio.sleep(BEAT_MS / 1000)

    for gateway in gateways:
        await gateway.beat()
    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        await end([beating])


async def let_in(gateway: Connections, session_id: str, user: str = "ann") -> bool:
    """As the stream asks."""
    return await gateway.admit(user, session_id, NOW) or await gateway.await_place(user, session_id, NOW)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits between two looks waits for ever."""
    monkeypatch.setattr(connections_module, "LOOK_MS", 3_600_000)


def test_all_who_lost_their_gateway_are_let_in_by_another_and_no_more(settings: Settings) -> None:
    async def scenario(killed: Connections, other: Connections) -> None:
        async with alive(other):
            async with alive(killed):
                assert all([await let_in(killed, f"s{n}") for n in range(4)])
            # At once: its last sign of life is as new as that of a living one.
            assert all(await asyncio.gather(*(let_in(other, f"again {n}") for n in range(4))))
            assert not await let_in(other, "one more")

    serve(settings, scenario, limit=4, gateways=2)


def test_the_places_of_a_living_gateway_stay_where_another_one_dies(settings: Settings) -> None:
    async def scenario(killed: Connections, living: Connections, other: Connections) -> None:
        async with alive(living, other):
            async with alive(killed):
                assert [await let_in(gateway, "s") for gateway in (killed, living, living)] == [True] * 3
                assert await let_in(living, "t")
            let = await asyncio.gather(*(let_in(other, f"again {n}") for n in range(3)))
            assert sum(let) == 1
            await living.release("ann", "s")
            assert await let_in(other, "last")

    serve(settings, scenario, limit=3, gateways=3)


def test_a_living_gateways_places_are_not_given_away(settings: Settings) -> None:
    async def scenario(gateway: Connections, other: Connections) -> None:
        async with alive(gateway, other):
            assert await let_in(gateway, "one")
            for n in range(3):
                assert not await let_in(other, f"s{n}")

    serve(settings, scenario, limit=1, gateways=2)


def test_one_too_many_is_refused_at_once_where_its_own_gateway_holds_the_others(
    settings: Settings, no_pause: None
) -> None:
    async def scenario(gateway: Connections) -> None:
        assert [await let_in(gateway, f"s{n}") for n in range(4)] == [True, True, True, False]

    serve(settings, scenario, limit=3)


def test_a_gateway_that_stopped_holds_nothing(settings: Settings, no_pause: None) -> None:
    async def scenario(stopped: Connections, other: Connections) -> None:
        await stopped.beat()
        assert await let_in(stopped, "one")
        await stopped.stop()
        assert await let_in(other, "two")

    serve(settings, scenario, limit=1, gateways=2)


def test_no_more_of_a_user_wait_than_there_could_be_places_for(settings: Settings) -> None:
    async def scenario(killed: Connections, other: Connections) -> None:
        async with alive(killed):
            for n in range(2):
                assert await let_in(killed, f"s{n}")
        waiting = [asyncio.create_task(let_in(other, f"again {n}")) for n in range(6)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert not any(task.result() for task in done)
        assert sum(await asyncio.gather(*waiting)) == 2
        assert not other._waiting

    serve(settings, scenario, limit=2, gateways=2)


def test_a_gateway_hears_that_others_took_it_for_dead(settings: Settings, client: redis.Redis) -> None:
    async def scenario(gateway: Connections) -> None:
        assert [await gateway.beat() for _ in range(3)] == [False, True, True]
        assert 0 < client.pttl(keys.gateway(gateway.gateway)) <= DEAD_MS
        client.flushall()
        assert [await gateway.beat() for _ in range(2)] == [False, True]

    serve(settings, scenario, limit=1)


def test_a_sign_of_life_comes_before_the_gateway_counts_as_dead_and_the_wait_is_for_either() -> None:
    assert 4 * BEAT_MS < DEAD_MS
    assert DEAD_MS + 2 * LOOK_MS < WAIT_S * 1_000
