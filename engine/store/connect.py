"""Connections to the Redis that the settings name, or to the embedded one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from engine.settings import Settings
from engine.store.embedded import EmbeddedRedis, default_data, temporary_server
from engine.store.redis_stack import OWN_REDIS, default_cache, stack_folder
from engine.store.waiting_pool import WaitingPool
from engine.terminal.progress import ByteProgress
from schemas.errors import RedisSetupError, SettingsError

CONNECT_SECONDS = 5.0
"""How long a connection may take to be made."""

REPLY_SECONDS = 30.0
"""How long a reply may take; longer than any blocking read of ours."""

RETRIES = 3
"""Attempts after the first, where a connection breaks; every write of ours is idempotent."""

BACKOFF_SECONDS, BACKOFF_MAX_SECONDS = 0.05, 1.0

LOADING_SECONDS = 600.0
"""How long a Redis that reads its data is waited for."""


def connect(settings: Settings) -> redis.Redis:
    """A client of the Redis that `settings.redis_url` names; it answers bytes and has answered a ping.

    Waits while Redis reads its data. Raises RedisSetupError where the address is wrong or nobody listens.
    """
    url = _url(settings)
    try:
        client = redis.Redis.from_url(
            url,
            retry=Retry(ExponentialWithJitterBackoff(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS), RETRIES),
            **_options(),
        )
    except ValueError as error:
        raise _wrong_url(error) from None
    try:
        _await_answer(client)
    except (RedisError, OSError) as error:
        client.close()
        raise explain(url, error) from error
    return client


def connect_async(
    settings: Settings, retries: int = RETRIES, reply_s: float = REPLY_SECONDS
) -> redis.asyncio.Redis:
    """As `connect`, for asyncio; the connection is made at the first command, and tried `retries` times again.

    A reply that does not come within `reply_s` seconds is not asked for again: a Redis that hangs is told at once.
    Of many commands at once some wait, for as long at most.
    """
    backoff = ExponentialWithJitterBackoff(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS)
    try:
        pool = WaitingPool.from_url(
            _url(settings),
            wait_s=reply_s,
            retry=AsyncRetry(backoff, retries, supported_errors=(RedisConnectionError,)),
            **_options() | {"socket_timeout": reply_s},
        )
    except ValueError as error:
        raise _wrong_url(error) from None
    return redis.asyncio.Redis.from_pool(pool)


@contextmanager
def redis_server(settings: Settings, *, persistent: bool = True) -> Iterator[Settings]:
    """Settings whose `redis_url` is set: the configured one, or that of the embedded Redis, found or started.

    The embedded one stops at the end unless another process uses it too. Without `persistent` it is a fresh
    one for this caller alone, which keeps nothing.
    """
    if settings.redis_url is not None:
        yield settings
        return
    cache, data = settings.cache_dir or default_cache(), settings.data_dir or default_data()
    with ByteProgress("Fetching Redis Stack, once") as progress:
        stack = stack_folder(cache, progress)
    if not persistent:
        with temporary_server(stack) as server:
            yield settings.model_copy(update={"redis_url": server.url})
        return
    with (
        ByteProgress("Redis reads its data") as progress,
        EmbeddedRedis(stack, data, loading=progress).use() as url,
    ):
        yield settings.model_copy(update={"redis_url": url})


def explain(url: str, error: Exception) -> RedisSetupError:
    """What an error of a connection means, and what to do."""
    where = _without_password(url)
    if isinstance(error, AuthenticationError) or "NOAUTH" in str(error) or "WRONGPASS" in str(error):
        return RedisSetupError(
            f"Redis at {where} refuses the user or password.",
            "Put them into FLOWTAPE_REDIS_URL as redis://user:password@host:port.",
        )
    if isinstance(error, BusyLoadingError):
        return RedisSetupError(
            f"Redis at {where} still reads its data after {LOADING_SECONDS:.0f} s.",
            "Try again when it is ready.",
        )
    if isinstance(error, ResponseError):
        return RedisSetupError(f"Redis at {where} answered: {_said(error)}.", "Check FLOWTAPE_REDIS_URL.")
    return RedisSetupError(
        f"No Redis answers at {where}: {_said(error)}.",
        f"Check FLOWTAPE_REDIS_URL, or unset it to use the embedded Redis. {OWN_REDIS}",
    )


def _options() -> dict[str, Any]:
    return {
        # RESP3: a search whose time ran out says so in its reply, which RESP2 has no place for.
        "protocol": 3,
        "decode_responses": False,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": REPLY_SECONDS,
        "client_name": "flowtape",
    }


def _await_answer(client: redis.Redis) -> None:
    deadline = time.monotonic() + LOADING_SECONDS
    while True:
        try:
            client.ping()
        except BusyLoadingError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _url(settings: Settings) -> str:
    if settings.redis_url is None:
        raise SettingsError("No Redis is named.", "Set FLOWTAPE_REDIS_URL, or open it with redis_server().")
    return settings.redis_url


def _wrong_url(error: ValueError) -> SettingsError:
    return SettingsError(
        f"FLOWTAPE_REDIS_URL is no address of a Redis: {_said(error)}.",
        "Expected redis://host:port, rediss://host:port or unix:///path/to/socket.",
    )


def _said(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
