"""Tickets: good once, for a short time, for nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest
import redis
import redis.asyncio

from engine.access.tickets import AUDIENCE, TICKET_S, link, mint, redeem
from engine.access.tokens import TOKEN_BYTES, Access, Identity
from engine.settings import Settings
from engine.store.connect import connect_async
from schemas.errors import AccessError

SECRET = "a secret for tests that is long enough"  # noqa: S105


def serve(
    settings: Settings,
    scenario: Callable[[Access, redis.asyncio.Redis], Awaitable[None]],
    secret: str = SECRET,
) -> None:
    async def run() -> None:
        client = connect_async(settings)
        try:
            await scenario(Access(settings, secret), client)
        finally:
            await client.aclose()

    asyncio.run(run())


def forged(access: Access, **changed: Any) -> str:
    """A ticket with the right key and other claims; `...` leaves one out."""
    whole = access.claims_for("ann", "pro", 60) | {"aud": AUDIENCE, "jti": "abc"} | changed
    claims = {name: value for name, value in whole.items() if value is not ...}
    return jwt.encode(claims, access.derived_key("ticket"), "HS256")


def test_a_ticket_lets_its_bearer_in_once(settings: Settings) -> None:
    async def scenario(access: Access, client: redis.asyncio.Redis) -> None:
        ticket = mint(access, "ann", "premium")
        identity = await redeem(access, client, ticket)
        assert (identity.user, identity.tier.name) == ("ann", "premium")
        assert time.time() + TICKET_S - 30 < identity.expires <= time.time() + TICKET_S
        for _ in range(3):
            with pytest.raises(AccessError, match="has been used"):
                await redeem(access, client, ticket)
        assert (await redeem(access, client, mint(access, "ann", "premium"))).user == "ann"

    serve(settings, scenario)


def test_of_many_who_redeem_at_once_one_gets_in(settings: Settings) -> None:
    async def run() -> None:
        access = Access(settings, SECRET)
        ticket = mint(access, "ann", "pro")
        clients = [connect_async(settings) for _ in range(4)]
        try:
            ends = await asyncio.gather(
                *(redeem(access, client, ticket) for client in clients for _ in range(10)),
                return_exceptions=True,
            )
        finally:
            for client in clients:
                await client.aclose()
        assert sum(isinstance(end, Identity) for end in ends) == 1
        assert sum(isinstance(end, AccessError) for end in ends) == 39

    asyncio.run(run())


def test_an_expired_ticket_is_refused(settings: Settings, client: redis.Redis) -> None:
    async def scenario(access: Access, redis_client: redis.asyncio.Redis) -> None:
        with pytest.raises(AccessError) as caught:
            await redeem(access, redis_client, mint(access, "ann", "pro", -1))
        assert caught.value.expired

    serve(settings, scenario)
    assert client.dbsize() == 0


def test_a_token_is_no_ticket(settings: Settings) -> None:
    async def scenario(access: Access, client: redis.asyncio.Redis) -> None:
        for settings_ in (settings, settings.model_copy(update={"jwt_audience": AUDIENCE})):
            within = Access(settings_, SECRET)
            with pytest.raises(AccessError, match="right key"):
                await redeem(within, client, within.issue("ann", "pro", 60))

    serve(settings, scenario)


def test_a_ticket_of_another_secret_is_refused(settings: Settings) -> None:
    async def scenario(access: Access, client: redis.asyncio.Redis) -> None:
        other = Access(settings, "another secret that is long enough too")
        with pytest.raises(AccessError, match="right key"):
            await redeem(access, client, mint(other, "ann", "pro"))

    serve(settings, scenario)


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": ...}, {"aud": "flowtape"}, {"aud": 5}, {"jti": ...}, {"jti": 5}, {"jti": None}, {"exp": ...},
        {"sub": ...}, {"sub": "a\nb"}, {"tier": "gold"}, {"tier": 5}, {"tier": ...}, {"exp": True},
    ],
)  # fmt: skip
def test_claims_that_are_wrong_are_refused(
    changed: dict[str, Any], settings: Settings, client: redis.Redis
) -> None:
    async def scenario(access: Access, redis_client: redis.asyncio.Redis) -> None:
        with pytest.raises(AccessError):
            await redeem(access, redis_client, forged(access, **changed))

    serve(settings, scenario)
    assert client.dbsize() == 0


@pytest.mark.parametrize("text", ["", ".", "a.b.c", "é", "\ud800", "x" * (TOKEN_BYTES + 1)])
def test_what_is_no_ticket_is_refused(text: str, settings: Settings) -> None:
    async def scenario(access: Access, client: redis.asyncio.Redis) -> None:
        with pytest.raises(AccessError):
            await redeem(access, client, text)

    serve(settings, scenario)


def test_a_used_ticket_is_remembered_until_it_has_expired(settings: Settings, client: redis.Redis) -> None:
    async def scenario(access: Access, redis_client: redis.asyncio.Redis) -> None:
        await redeem(access, redis_client, mint(access, "ann", "pro", 300))

    serve(settings, scenario)
    (key,) = client.keys()
    assert key.startswith(b"ft:ticket:")
    assert 300 <= client.ttl(key) <= 361


def test_minting_refuses_a_wrong_user_or_tier(settings: Settings) -> None:
    access = Access(settings, SECRET)
    with pytest.raises(AccessError, match="free, premium, pro"):
        mint(access, "ann", "gold")
    with pytest.raises(AccessError, match="printable"):
        mint(access, "", "pro")


@pytest.mark.parametrize(
    ("host", "begins"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123/?ticket=T"),
        ("localhost", "http://localhost:8123/?ticket=T"),
        ("::1", "http://[::1]:8123/?ticket=T"),
        ("0.0.0.0", "http://127.0.0.1:8123/?ticket=T"),  # noqa: S104
    ],
)
def test_a_link_opens_on_this_machine(host: str, begins: str) -> None:
    assert link(Settings.load(host=host, port=8123), "T") == begins
