"""The search index of a partition: made from the document class, checked against what Redis has."""

from __future__ import annotations

from typing import Any

import redis
from redis.exceptions import ResponseError

from schemas import keys
from schemas.errors import IndexMismatchError, RedisSetupError


def ensure_index(client: redis.Redis, partitions: int) -> None:
    """Make the index of every partition that has none; the alias `trades` only with a single partition.

    Raises IndexMismatchError where an index has other fields than this version writes, and RedisSetupError where
    Redis has no search.
    """
    # redis-om takes half a second to import; only who makes an index pays for it.
    from schemas.document import index_arguments

    for p in range(partitions):
        name = keys.index(p)
        wanted = index_arguments(p)
        try:
            client.execute_command("FT.CREATE", name, *wanted)
        except ResponseError as error:
            if "already exists" in str(error).lower():
                _check(client, name, wanted)
            elif "unknown command" in str(error).lower():
                raise RedisSetupError(
                    "This Redis has no search (FT.CREATE is unknown).",
                    "Use Redis 8, Redis Stack or Redis Enterprise with search; `flowtape doctor` says more.",
                ) from error
            else:
                raise
    if partitions == 1:
        client.execute_command("FT.ALIASUPDATE", keys.INDEX_ALIAS, keys.index(0))


def drop_index(client: redis.Redis, partition: int) -> None:
    """Remove the index of a partition; its documents stay."""
    client.execute_command("FT.DROPINDEX", keys.index(partition))


def indexed_fields(client: redis.Redis, partition: int) -> set[tuple[str, str]]:
    """Name and type of every field that the index in Redis has. Raises ResponseError where there is none."""
    info = _pairs(client.execute_command("FT.INFO", keys.index(partition)))
    fields = set()
    for attribute in info["attributes"]:
        parts = _pairs(attribute)
        fields.add((_text(parts["attribute"]), _text(parts["type"])))
    return fields


def wanted_fields(wanted: list[str]) -> set[tuple[str, str]]:
    """Name and type of every field in the arguments of an FT.CREATE."""
    return {
        (wanted[i + 1], wanted[i + 2])
        for i, word in enumerate(wanted)
        if word == "AS" and i + 2 < len(wanted)
    }


def _check(client: redis.Redis, name: str, wanted: list[str]) -> None:
    partition = int(name[name.index("{") + 1 : name.index("}")])
    has, should = indexed_fields(client, partition), wanted_fields(wanted)
    if has != should:
        differ = ", ".join(sorted(field for field, _ in has ^ should))
        raise IndexMismatchError(
            f"The index {name} was made by another version: it differs in {differ}.",
            f"Drop it with `FT.DROPINDEX {name}` (documents stay) and start again: it is made anew.",
        )


def _pairs(reply: Any) -> dict[str, Any]:
    """A map as RESP3 gives it, or the flat list of RESP2; keys as texts."""
    if isinstance(reply, dict):
        return {_text(key): value for key, value in reply.items()}
    # An attribute ends with words that have no value (SORTABLE): they are of no use here.
    return {_text(reply[i]): reply[i + 1] for i in range(0, len(reply) - 1, 2)}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
