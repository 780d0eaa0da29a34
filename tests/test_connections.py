"""Connections of a user: the limit holds over all gateways, and what a dead gateway held comes free."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import redis
import redis.asyncio

from engine.access.connections import LEASE_MS, RENEW_S, RENEW_USERS, Connections
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
