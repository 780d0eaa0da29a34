"""Keeps the places of open sessions among their users' connections, which lapse where a gateway dies."""

from __future__ import annotations

import asyncio
import logging
import time

from redis.exceptions import RedisError

from engine.access.connections import RENEW_S, Connections
from engine.gateway.hub import Hub

log = logging.getLogger(__name__)


async def keep_leases(hub: Hub, connections: Connections) -> None:
    """Renew them for ever, until cancelled."""
    while True:
        await asyncio.sleep(RENEW_S)
        try:
            open_now = [(session.identity.user, session.id) for session in hub.sessions]
            await connections.renew(open_now, time.time_ns() // 1_000_000)
        except (RedisError, OSError) as error:
            log.warning("connections cannot be renewed: %s", error)
