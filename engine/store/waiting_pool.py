"""A pool of connections in which commands wait for their turn, where redis-py's own refuses those beyond its bound."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import TimeoutError as RedisTimeoutError

CONNECTIONS: Final = 64
"""Connections of one client at once; further commands wait."""


class WaitingPool(redis.asyncio.ConnectionPool):
    """At most CONNECTIONS at once; whoever waits longer than `wait_s` seconds for one gets redis-py's TimeoutError.

    redis-py's BlockingConnectionPool does the same with a condition, whose wakeups cancelled tasks can lose.
    """

    def __init__(self, wait_s: float = 30.0, **options: Any) -> None:
        super().__init__(max_connections=CONNECTIONS, **options)
        self._wait_s = wait_s
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._taken: set[AbstractConnection] = set()

    async def get_connection(self, *_names: Any, **_options: Any) -> AbstractConnection:
        """A connection, as soon as one is free."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError:
            raise RedisTimeoutError(f"All {CONNECTIONS} connections to Redis are in use.") from None
        try:
            connection: AbstractConnection = await super().get_connection()  # type: ignore[no-untyped-call]
        except BaseException:
            self._turns.release()
            raise
        self._taken.add(connection)
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Take it back."""
        try:
            await super().release(connection)
        finally:
            if connection in self._taken:
                self._taken.remove(connection)
                self._turns.release()
