"""Connections: clear errors, RESP3, bytes."""

from __future__ import annotations

import redis

from engine.settings import Settings


def test_the_client_of_the_fixture_speaks_to_a_redis_with_search_and_json(
    client: redis.Redis, settings: Settings
) -> None:
    names = {module[b"name"] for module in client.execute_command("MODULE", "LIST")}
    assert {b"search", b"ReJSON"} <= names
