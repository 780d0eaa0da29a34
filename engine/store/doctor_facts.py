"""Gathers what `flowtape doctor` judges; asks much, changes nothing, and takes a refusal for an answer."""

from __future__ import annotations

import time
from typing import Any

import redis
from redis.exceptions import ResponseError

from engine.search_index import indexed_fields, wanted_fields
from engine.settings import Settings
from engine.store.doctor import Facts, Partition
from schemas import keys

PINGS = 200
"""Round trips measured."""


def gather(client: redis.Redis, settings: Settings) -> Facts:
    """The facts about a Redis that answers."""
    info: dict[str, Any] = {}
    for section in ("server", "memory", "persistence", "replication"):
        info.update(client.execute_command("INFO", section))
    modules = _modules(client)
    search, json = _knows(client, "FT.SEARCH"), _knows(client, "JSON.SET")
    version = str(info["redis_version"])
    return Facts(
        version=version,
        cluster=info.get("redis_mode") == "cluster",
        replica=info.get("role") == "slave",
        search=search,
        search_version=_module_version(modules, "search", "searchlight"),
        json=json,
        json_version=_module_version(modules, "rejson"),
        search_on_timeout=_on_timeout(client) if search else None,
        used_memory=int(info["used_memory"]),
        maxmemory=int(info.get("maxmemory", 0)),
        policy=str(info.get("maxmemory_policy", "not told")),
        append_only=bool(info.get("aof_enabled")),
        append_sync=_setting(client, "appendfsync"),
        snapshots=_setting(client, "save"),
        last_write_ok="err" not in (info.get("aof_last_write_status"), info.get("rdb_last_bgsave_status")),
        latency_ms=tuple(_ping_ms(client) for _ in range(PINGS)),
        partitions=tuple(_partition(client, p, search) for p in range(settings.partitions)),
        backlog_limit=settings.backlog_limit,
    )


def _ask(client: redis.Redis, *command: str) -> Any:
    """The reply, or None where Redis does not know the command or does not allow it, as hosted ones do."""
    try:
        return client.execute_command(*command)
    except ResponseError:
        return None


def _knows(client: redis.Redis, command: str) -> bool:
    # Hosted ones may refuse to list modules or commands; a call without arguments tells as well.
    try:
        client.execute_command(command)
    except ResponseError as error:
        return "unknown command" not in str(error).lower()
    return True


def _modules(client: redis.Redis) -> dict[str, int]:
    found = {}
    for module in _ask(client, "MODULE", "LIST") or ():
        fields = _fields(module)
        found[_text(fields["name"]).lower()] = int(fields["ver"])
    return found


def _module_version(modules: dict[str, int], *names: str) -> str | None:
    for name in names:
        if name in modules:
            number = modules[name]
            return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
    return None


def _setting(client: redis.Redis, name: str) -> str | None:
    reply = _ask(client, "CONFIG", "GET", name)
    fields = _fields(reply) if reply else {}
    return _text(fields[name]) if name in fields else None


def _on_timeout(client: redis.Redis) -> str | None:
    # Redis 8 made the settings of search its own and deprecated FT.CONFIG.
    own = _setting(client, "search-on-timeout")
    if own is not None:
        return own.lower()
    reply = _ask(client, "FT.CONFIG", "GET", "ON_TIMEOUT")
    if isinstance(reply, list) and reply:
        reply = dict(reply)
    value = _fields(reply).get("ON_TIMEOUT") if reply else None
    return None if value is None else _text(value).lower()


def _ping_ms(client: redis.Redis) -> float:
    start = time.perf_counter()
    client.ping()
    return (time.perf_counter() - start) * 1000


def _partition(client: redis.Redis, p: int, search: bool) -> Partition:
    index, documents, failures = _index(client, p) if search else ("absent", 0, 0)
    unread: int | None = _length(client, keys.prints(p))
    pending = 0
    for group in _ask(client, "XINFO", "GROUPS", keys.prints(p)) or ():
        fields = _fields(group)
        if _text(fields["name"]) == keys.INDEXER_GROUP:
            unread, pending = fields.get("lag"), int(fields["pending"])
    owner = _ask(client, "GET", keys.owner(p))
    return Partition(
        number=p,
        index=index,
        documents=documents,
        index_failures=failures,
        owner=_text(owner) if owner else "",
        unread=None if unread is None else int(unread),
        pending=pending,
        dead=_length(client, keys.dead(p)),
    )


def _index(client: redis.Redis, p: int) -> tuple[str, int, int]:
    """State of an index, its documents, and how many it could not take."""
    # redis-om takes half a second to import.
    from schemas.document import index_arguments

    try:
        has = indexed_fields(client, p)
    except ResponseError:
        return "absent", 0, 0
    info = _fields(client.execute_command("FT.INFO", keys.index(p)))
    differ = sorted({field for field, _ in has ^ wanted_fields(index_arguments(p))})
    state = f"made by another version, differs in {', '.join(differ)}" if differ else "fits"
    return state, int(float(info["num_docs"])), int(float(info.get("hash_indexing_failures", 0)))


def _length(client: redis.Redis, stream: str) -> int:
    return int(_ask(client, "XLEN", stream) or 0)


def _fields(reply: Any) -> dict[str, Any]:
    """A map as RESP3 gives it, or the flat list of RESP2, with texts as keys."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=False)
    return {_text(key): value for key, value in pairs}


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
