"""Connections of each user, counted over all gateways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import redis.asyncio

from engine.scripts import script
from engine.settings import Settings
from schemas import keys

LEASE_MS: Final = 30_000
"""A connection counts for so long unless it is renewed: what a killed gateway leaves behind lapses then."""

RENEW_S: Final = 10.0
"""A gateway renews its connections this often."""

RENEW_USERS: Final = 500
"""Users whose connections are renewed in one round trip."""


class Connections:
    """Lets each user have `settings.connections` at once. Redis's errors come through."""

    def __init__(self, client: redis.asyncio.Redis, settings: Settings) -> None:
        self._redis = client
        self._limit = settings.connections

    async def admit(self, user: str, session_id: str, now_ms: int) -> bool:
        """Whether the session may be, which then counts until LEASE_MS after `now_ms` (unix ms)."""
        arguments = (session_id, now_ms, LEASE_MS, self._limit)
        admitted = await script("admit_session").run_async(self._redis, [keys.connections(user)], arguments)
        return bool(admitted)

    async def release(self, user: str, session_id: str) -> None:
        """The session has ended; its place is free."""
        await self._redis.zrem(keys.connections(user), session_id)

    async def renew(self, sessions: Iterable[tuple[str, str]], now_ms: int) -> None:
        """Count these sessions (user, session id) until LEASE_MS after `now_ms`.

        They are open, so they count even where Redis has lost them or let them lapse. Leave out what was released.
        """
        of_user: dict[str, dict[str, float]] = defaultdict(dict)
        for user, session_id in sessions:
            of_user[user][session_id] = now_ms + LEASE_MS
        users = list(of_user)
        for start in range(0, len(users), RENEW_USERS):
            pipeline = self._redis.pipeline(transaction=False)
            for user in users[start : start + RENEW_USERS]:
                pipeline.zadd(keys.connections(user), of_user[user])
                pipeline.pexpire(keys.connections(user), LEASE_MS)
            await pipeline.execute()
