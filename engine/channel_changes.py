"""Which saved channels were changed or deleted, heard by every gateway as it happens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from typing import Any, Final

import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from engine.backoff import Backoff
from schemas import keys

PING_S: Final = 10.0
"""After so long without a change Redis is asked whether the subscription still stands."""

RECONNECT_S, RECONNECT_MAX_S = 0.1, 5.0
"""Ceilings of the pauses before changes are subscribed to again."""


async def follow(client: redis.asyncio.Redis, rng: random.Random) -> AsyncGenerator[str | None, None]:
    """Keys of channels that were changed or deleted; None is: any may have changed. It never ends by itself.

    None comes first, and again whenever the connection was lost in between: Redis keeps nothing for who is not
    there. Raises RedisError where Redis refuses the subscription.
    """
    backoff = Backoff(RECONNECT_S, RECONNECT_MAX_S, rng)
    while True:
        try:
            async with client.pubsub() as pubsub:
                await pubsub.subscribe(keys.CHANNEL_CHANGES)
                while True:
                    message = await _next(pubsub)
                    backoff.reset()
                    # redis-py connects again by itself and says nothing; but whenever it subscribes, Redis answers.
                    if message["type"] == "subscribe":
                        yield None
                    elif message["type"] == "message":
                        yield message["data"].decode()
        except (RedisConnectionError, RedisTimeoutError, OSError):
            await asyncio.sleep(backoff.next())


async def _next(pubsub: Any) -> dict[str, Any]:
    """The next message, also the answer to a ping. Raises RedisConnectionError where none comes."""
    message: dict[str, Any] | None = await pubsub.get_message(timeout=PING_S)
    if message is None:
        await pubsub.ping()
        message = await pubsub.get_message(timeout=PING_S)
    if message is None:
        raise RedisConnectionError("Redis did not answer a ping.")
    return message
