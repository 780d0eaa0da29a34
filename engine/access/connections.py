"""Connections of each user, counted over all gateways, and the gateways' signs of life that they count by."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, Final

import redis.asyncio

from engine.scripts import script
from engine.settings import Settings
from schemas import keys

LEASE_MS: Final = 30_000
"""A connection counts for so long unless it is renewed, whatever became of its gateway."""

RENEW_S: Final = 10.0
"""A gateway renews its connections this often."""

RENEW_USERS: Final = 500
"""Users whose connections are renewed in one round trip."""

BEAT_MS: Final = 250
"""A gateway gives a sign of life this often; for so long a user waits who has too many on other gateways."""

DEAD_MS: Final = 3_000
"""A gateway without a sign of life for so long is dead: its connections count no longer."""

LOOK_MS: Final = 100
"""Between two looks at the gateways that hold a user's places."""

WAIT_S: Final = 4.0
"""How long a connection too many waits at most for the death or a sign of life of those gateways."""


class Connections:
    """Lets each user have `settings.connections` at once. Redis's errors come through.

    Sessions are counted under the name of their gateway, which is this one for all that it admits and renews.
    """

    def __init__(self, client: redis.asyncio.Redis, settings: Settings) -> None:
        self.gateway = secrets.token_hex(8)
        self._redis = client
        self._limit = settings.connections
        self._beats = itertools.count(1)
        self._waiting: Counter[str] = Counter()

    async def admit(self, user: str, session_id: str, now_ms: int) -> bool:
        """Whether the session may be, which then counts until LEASE_MS after `now_ms` (unix ms)."""
        arguments = (self._member(session_id), now_ms, LEASE_MS, self._limit)
        admitted = await script("admit_session").run_async(self._redis, [keys.connections(user)], arguments)
        return bool(admitted)

    async def await_place(self, user: str, session_id: str, now_ms: int) -> bool:
        """Whether a session that was not admitted may be after all, since gateways died that held the user's places.

        A gateway that was killed a moment ago looks as if it lived. So each is asked for a sign of life that is newer
        than this call: it comes within BEAT_MS, or the gateway is dead within DEAD_MS. Only as many of a user wait
        as there could be places for.
        """
        if self._waiting[user] >= self._limit:
            return False
        self._waiting[user] += 1
        try:
            return await self._await_place(user, session_id, now_ms)
        finally:
            self._waiting[user] -= 1
            if not self._waiting[user]:
                del self._waiting[user]

    async def _await_place(self, user: str, session_id: str, now_ms: int) -> bool:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + WAIT_S
        first: dict[str, bytes] = {}
        while True:
            places = await self._places_elsewhere(user)
            beats = await self._last_beats(list(places))
            left_behind = [
                member for gateway, beat in beats.items() if beat is None for member in places[gateway]
            ]
            if left_behind:
                await self._redis.zrem(keys.connections(user), *left_behind)
            if await self.admit(user, session_id, now_ms):
                return True
            living = {gateway: beat for gateway, beat in beats.items() if beat is not None}
            first = living | first
            if all(beat != first[gateway] for gateway, beat in living.items()) or loop.time() >= give_up_at:
                return False
            await asyncio.sleep(LOOK_MS / 1000)

    async def _places_elsewhere(self, user: str) -> dict[str, list[bytes]]:
        """The user's places that other gateways hold, by gateway."""
        places: dict[str, list[bytes]] = defaultdict(list)
        members: list[Any] = await self._redis.zrange(keys.connections(user), 0, -1)
        for member in members:
            places[member.decode().partition(":")[0]].append(member)
        places.pop(self.gateway, None)
        return places

    async def _last_beats(self, gateways: list[str]) -> dict[str, bytes | None]:
        """The last sign of life of each; None of the dead."""
        if not gateways:
            return {}
        # Each by itself: on a cluster their keys are in different places.
        pipeline = self._redis.pipeline(transaction=False)
        for gateway in gateways:
            pipeline.get(keys.gateway(gateway))
        return dict(zip(gateways, await pipeline.execute(), strict=True))

    async def beat(self) -> bool:
        """Give a sign of life. Whether the one before still stood; else others may have given our places away."""
        before = await self._redis.set(keys.gateway(self.gateway), next(self._beats), px=DEAD_MS, get=True)
        return before is not None

    async def stop(self) -> None:
        """This gateway has stopped: what it might not have released counts no longer."""
        await self._redis.delete(keys.gateway(self.gateway))

    async def release(self, user: str, session_id: str) -> None:
        """The session has ended; its place is free."""
        await self._redis.zrem(keys.connections(user), self._member(session_id))

    async def renew(self, sessions: Iterable[tuple[str, str]], now_ms: int) -> None:
        """Count these sessions (user, session id) until LEASE_MS after `now_ms`.

        They are open, so they count even where Redis has lost them or let them lapse. Leave out what was released.
        """
        of_user: dict[str, dict[str, float]] = defaultdict(dict)
        for user, session_id in sessions:
            of_user[user][self._member(session_id)] = now_ms + LEASE_MS
        users = list(of_user)
        for start in range(0, len(users), RENEW_USERS):
            pipeline = self._redis.pipeline(transaction=False)
            for user in users[start : start + RENEW_USERS]:
                pipeline.zadd(keys.connections(user), of_user[user])
                pipeline.pexpire(keys.connections(user), LEASE_MS)
            await pipeline.execute()

    def _member(self, session_id: str) -> str:
        return f"{self.gateway}:{session_id}"
