"""Keeps the places of open sessions among their users' connections, which come free where a gateway dies."""

from __future__ import annotations

import asyncio
import logging

from redis.exceptions import RedisError

from engine.access.connections import BEAT_MS, RENEW_S, Connections
from engine.clock import now_ms
from engine.gateway.hub import Hub

log = logging.getLogger(__name__)


async def keep_leases(hub: Hub, connections: Connections) -> None:
    """Give signs of life and renew them for ever, until cancelled."""
    loop = asyncio.get_running_loop()
    renew_at = 0.0
    away = False
    while True:
        try:
            # A gateway that others took for dead, as after a pause or with Redis emptied, says at once what it has.
            if not await connections.beat() or loop.time() >= renew_at:
                open_now = [(session.identity.user, session.id) for session in hub.sessions]
                await connections.renew(open_now, now_ms())
                renew_at = loop.time() + RENEW_S
            away = False
        except (RedisError, OSError) as error:
            if not away:
                log.warning("connections cannot be renewed: %s", error)
            away = True
            renew_at = 0.0
        await asyncio.sleep(BEAT_MS / 1000)
