"""Prints in, trades out: what tests of the indexer share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import redis

from engine.indexer import Indexer
from engine.settings import Settings
from schemas import keys
from schemas.contract import parse_osi
from schemas.print import Print, Reference
from schemas.trade import Trade

NOON = 1_795_280_400_000
"""2026-11-21 12:00 in New York."""


def a_print(number: int = 1, **fields: Any) -> Print:
    """A print of ten SPY calls at the ask; `fields` say what is different."""
    values: dict[str, Any] = {
        "id": f"t_{number}", "feed": "test", "ts": NOON, "received": NOON, "symbol": "SPY261218C00600000",
        "price": 2.0, "size": 10, "exchange": "XCBO", "bid": 1.9, "ask": 2.0,
    }  # fmt: skip
    return Print(**(values | fields))


def append(client: redis.Redis, events: Iterable[Print | Reference], partitions: int = 1) -> None:
    """Put prints and reference data on the stream of their partition."""
    with client.pipeline(transaction=False) as pipe:
        for event in events:
            p = keys.partition_of(parse_osi(event.symbol).underlying, partitions)
            pipe.xadd(
                keys.prints(p), {"d" if isinstance(event, Print) else "r": msgspec.msgpack.encode(event)}
            )
        pipe.execute()


def unprocessed(client: redis.Redis, partition: int = 0) -> int:
    """Prints that are not acknowledged yet."""
    groups: Any = client.xinfo_groups(keys.prints(partition))
    return sum(int(group["lag"]) + int(group["pending"]) for group in groups)


def index(client: redis.Redis, settings: Settings, name: str = "one", partition: int = 0) -> Indexer:
    """Run an indexer until nothing is left to do."""
    indexer = Indexer(client, settings, partition, name)
    # It asks once before it has made the group.
    indexer.run(lambda: indexer.owner and unprocessed(client, partition) == 0)
    return indexer


def trades(client: redis.Redis, partition: int = 0) -> dict[str, Trade]:
    """Every trade document, by id."""
    names = sorted(client.scan_iter(match=keys.trade_prefix(partition) + "*", count=1_000))
    if not names:
        return {}
    found: Any = client.execute_command("JSON.MGET", *names, "$")
    decoded = [msgspec.json.decode(document, type=list[Trade])[0] for document in found]
    return {trade.id: trade for trade in decoded}


def tape(client: redis.Redis, partition: int = 0) -> list[Trade]:
    """Every announced trade, oldest first."""
    entries: Any = client.xrange(keys.tape(partition))
    return [msgspec.msgpack.decode(fields[b"d"], type=Trade) for _, fields in entries]


def contract(client: redis.Redis, symbol: str, partition: int = 0) -> dict[str, int]:
    """The hash of a contract."""
    found: Any = client.hgetall(keys.contract(partition, symbol))
    return {name.decode(): int(value) for name, value in found.items()}


def counts(client: redis.Redis, partition: int = 0) -> dict[str, int]:
    """The outcomes by feed."""
    found: Any = client.hgetall(keys.counts(partition))
    return {name.decode(): int(value) for name, value in found.items()}


def dump(client: redis.Redis) -> dict[bytes, Any]:
    """Documents, contracts and tape as they are, to compare before and after."""
    state: dict[bytes, Any] = {}
    for key in client.scan_iter(match="ft:*", count=1_000):
        kind: Any = client.type(key)
        if b":trade:" in key:
            state[key] = client.execute_command("JSON.GET", key)
        elif b":contract:" in key:
            state[key] = client.hgetall(key)
        elif key.endswith((b":tape", b":clock")):
            state[key] = client.xlen(key) if kind == b"stream" else client.hgetall(key)
    return state
