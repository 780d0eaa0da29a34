"""Tickets: links that let a browser on this machine in, once."""

from __future__ import annotations

import secrets
import time
from typing import Final

import jwt
import redis.asyncio

from engine.access.tokens import REQUIRED, SIGNATURE, TOKEN_BYTES, Access, Identity, refusal
from engine.processes.listening import local_address
from engine.settings import Settings
from schemas import keys
from schemas.errors import AccessError

TICKET_S: Final = 600
"""A ticket is good for so long, unless it says otherwise."""

AUDIENCE: Final = "flowtape-ticket"
"""`aud` of a ticket."""

PARAMETER: Final = "ticket"
"""Name of a ticket in the address; a token is never there."""

_PURPOSE: Final = "ticket"


def mint(access: Access, user: str, tier: str, lifetime_s: int = TICKET_S) -> str:
    """A ticket for `user`. Raises AccessError for a wrong user or tier, SettingsError without a secret."""
    claims = access.claims_for(user, tier, lifetime_s)
    claims |= {"aud": AUDIENCE, "jti": secrets.token_urlsafe(16)}
    return jwt.encode(claims, access.derived_key(_PURPOSE), SIGNATURE)


def link(settings: Settings, ticket: str) -> str:
    """The address of the settings' gateway that a ticket opens, for a browser on this machine."""
    return f"{local_address(settings)}/?{PARAMETER}={ticket}"


async def redeem(access: Access, client: redis.asyncio.Redis, ticket: str) -> Identity:
    """Use a ticket up: whose it was, and when it would have expired.

    Of several who redeem one ticket at once, on any gateways, one succeeds. Raises AccessError for the others, and
    for a ticket that is expired or none.
    """
    identity, ticket_id = _check(access, ticket)
    # Kept a little longer than the ticket, for a Redis whose clock is ahead.
    kept_s = max(1, identity.expires - int(time.time())) + 60
    if not await client.set(keys.ticket(ticket_id), b"", nx=True, ex=kept_s):
        raise AccessError("The ticket has been used.", "Get a fresh one.", expired=True)
    return identity


def _check(access: Access, ticket: str) -> tuple[Identity, str]:
    if len(ticket) > TOKEN_BYTES or not ticket.isascii():
        raise AccessError("The ticket is none.")
    try:
        claims = jwt.decode(
            ticket,
            access.derived_key(_PURPOSE),
            [SIGNATURE],
            options={"require": [*REQUIRED, "jti"]},
            audience=AUDIENCE,
        )
    except jwt.PyJWTError as error:
        raise refusal(error, "ticket") from None
    return access.identity(claims), claims["jti"]
