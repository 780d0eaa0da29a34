"""Connections: what they are set to, and what is said where there is none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import ResponseError

from engine.settings import Settings
from engine.store.connect import RETRIES, connect, connect_async, redis_server
from engine.store.embedded import EmbeddedRedis
from engine.store.waiting_pool import CONNECTIONS
from schemas.errors import RedisSetupError, SettingsError


@pytest.fixture
def guarded(stack: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of a server that wants the password `open sesame`."""
    server = EmbeddedRedis(stack, tmp_path, persistent=False, modules=False)
    with server.use() as url:
        with redis.Redis.from_url(url) as client:
            client.config_set("requirepass", "open sesame")
        yield url


def test_the_fixture_is_a_redis_with_search_and_json(client: redis.Redis) -> None:
    names = {module[b"name"] for module in client.execute_command("MODULE", "LIST")}
    assert {b"search", b"ReJSON"} <= names


def test_replies_are_bytes_and_maps_read_by_hiredis(client: redis.Redis) -> None:
    client.hset("hash", mapping={"field": "value"})
    assert client.execute_command("HGETALL", "hash") == {b"field": b"value"}
    connection = client.connection_pool.get_connection()
    assert type(connection._parser).__name__ == "_HiredisParser"
    client.connection_pool.release(connection)


def test_a_connection_that_breaks_is_made_again(client: redis.Redis) -> None:
    own = client.client_id()
    with redis.Redis.from_url(client_url(client)) as other:
        other.client_kill_filter(_id=own)
    assert client.ping()


def client_url(client: redis.Redis) -> str:
    return f"unix://{client.connection_pool.connection_kwargs['path']}"


async def ping(settings: Settings) -> bool:
    client = connect_async(settings)
    try:
        return bool(await client.ping())
    finally:
        await client.aclose()


def test_the_asyncio_client_reaches_the_same_redis(settings: Settings) -> None:
    import asyncio

    assert asyncio.run(ping(settings))


def test_nobody_listening_is_an_error_with_address_and_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(
            RedisSetupError,
            match=rf"No Redis answers at redis://127\.0\.0\.1:{port}: .*FLOWTAPE_REDIS_URL.*redis:8",
        ):
            connect(Settings.load(redis_url=f"redis://127.0.0.1:{port}"))


def test_a_password_never_stands_in_an_error() -> None:
    with pytest.raises(RedisSetupError) as caught:
        connect(Settings.load(redis_url="unix://user:secret@/nowhere/redis.sock"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:6379", "redis://127.0.0.1:port"])
@pytest.mark.parametrize("make", [connect, connect_async])
def test_an_address_of_no_redis_is_refused_with_the_forms_that_are_known(make: object, url: str) -> None:
    assert callable(make)
    with pytest.raises(SettingsError, match="Expected redis://host:port"):
        make(Settings.load(redis_url=url))


def test_a_redis_that_wants_a_password_says_where_to_put_it(guarded: str) -> None:
    with pytest.raises(RedisSetupError, match=r"refuses the user or password.*user:password@"):
        connect(Settings.load(redis_url=guarded))


def test_a_wrong_password_is_told_like_a_missing_one(guarded: str) -> None:
    with pytest.raises(RedisSetupError, match="refuses the user or password"):
        connect(Settings.load(redis_url=f"{guarded}?password=wrong"))


def test_a_right_password_opens(guarded: str) -> None:
    client = connect(Settings.load(redis_url=f"{guarded}?password=open%20sesame"))
    assert client.ping()
    client.close()


def test_a_configured_redis_is_used_and_nothing_is_started(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"data_dir": tmp_path / "data"})
    with redis_server(settings) as found:
        assert found.redis_url == settings.redis_url
    assert not (tmp_path / "data").exists()


def test_an_error_of_a_command_is_not_tried_again(client: redis.Redis) -> None:
    client.config_resetstat()
    with pytest.raises(ResponseError, match="unknown command"):
        client.execute_command("NO.SUCH")
    assert client.info("stats")["total_error_replies"] == 1
    assert RETRIES == 3


def test_of_many_commands_at_once_some_wait_and_none_is_refused(settings: Settings) -> None:
    async def scenario() -> None:
        async with connect_async(settings) as client:
            assert (
                await asyncio.gather(*(client.ping() for _ in range(5 * CONNECTIONS)))
                == [True] * 5 * CONNECTIONS
            )
            assert len(await client.client_list()) <= CONNECTIONS

    asyncio.run(scenario())


def test_commands_that_are_cancelled_leave_their_turn_to_others(settings: Settings) -> None:
    async def scenario() -> None:
        async with connect_async(settings, reply_s=5.0) as client:
            for _ in range(5):
                tasks = [asyncio.create_task(client.blpop(["nothing"], 3)) for _ in range(2 * CONNECTIONS)]
                await asyncio.sleep(0.05)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            assert await asyncio.gather(*(client.ping() for _ in range(2 * CONNECTIONS)))
            tasks = [asyncio.create_task(client.blpop(["nothing"], 2)) for _ in range(CONNECTIONS)]
            await asyncio.sleep(0.2)
            assert await client.ping()
            await asyncio.gather(*tasks)

    asyncio.run(scenario())


def test_who_waits_too_long_for_a_connection_is_told(settings: Settings) -> None:
    async def scenario() -> None:
        async with connect_async(settings, reply_s=0.5) as client:
            pool = client.connection_pool
            held = [await pool.get_connection() for _ in range(CONNECTIONS)]
            with pytest.raises(redis.TimeoutError, match="in use"):
                await client.ping()
            for connection in held:
                await pool.release(connection)
            assert await client.ping()

    asyncio.run(scenario())
