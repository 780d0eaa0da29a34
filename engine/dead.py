"""What could not be processed: listed, and tried again.

An entry of the dead stream is a print or reference data that the indexer could not use, or a vendor's message that a
feed could not read. What is tried again leaves the stream only when it is back on its way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import redis

from engine.feeds.registry import feed_names, live_feed
from engine.scripts import script
from engine.settings import Settings
from schemas import keys
from schemas.contract import parse_osi
from schemas.errors import FlowtapeError
from schemas.print import Print, Reference, Reject

PAGE = 500
"""Entries read at once."""

FIELDS = {"print": "d", "reference": "r"}
"""Field on the prints stream of each kind that the indexer refused."""


@dataclass(frozen=True, slots=True)
class DeadEntry:
    """One entry of the dead stream of a partition."""

    partition: int
    id: str
    kind: str
    """`print`, `reference`, or `message` (a vendor's)."""
    feed: str
    reason: str
    raw: bytes
    at: int
    """When it was given up, unix ms."""


@dataclass(frozen=True, slots=True)
class Retry:
    """What became of an entry that was tried again; `reason` is empty where it is back on its way."""

    entry: DeadEntry
    reason: str


def count(client: redis.Redis, settings: Settings) -> int:
    """How many entries there are in all partitions."""
    return sum(int(client.xlen(keys.dead(p))) for p in range(settings.partitions))


def entries(client: redis.Redis, settings: Settings) -> Iterator[DeadEntry]:
    """Every entry, newest first in each partition."""
    for p in range(settings.partitions):
        last = "+"
        while page := _page(client, p, last):
            yield from page
            last = f"({page[-1].id}"


def retry(client: redis.Redis, settings: Settings, entry: DeadEntry) -> Retry:
    """Put one entry back on its way, or say why it stays."""
    if entry.kind in FIELDS:
        _put_back(client, entry, entry.partition, FIELDS[entry.kind], entry.raw)
        return Retry(entry, "")
    if entry.feed not in feed_names():
        return Retry(entry, f"{entry.feed} is no live feed: replay its file again.")
    feed = live_feed(entry.feed)
    if feed.decoder is None:
        return Retry(entry, f"{entry.feed} sends no messages that could be read again.")
    events = feed.decoder(settings).decode(entry.raw, time.time_ns() // 1_000_000)
    usable = [event for event in events if isinstance(event, Print | Reference)]
    if not usable or len(usable) < len(events):
        rejects = [event.reason for event in events if isinstance(event, Reject)]
        return Retry(entry, rejects[0] if rejects else "Nothing in it is a trade.")
    for event in usable[:-1]:
        p = keys.partition_of(parse_osi(event.symbol).underlying, settings.partitions)
        client.xadd(keys.prints(p), {_field(event): msgspec.msgpack.encode(event)})
    last = usable[-1]
    p = keys.partition_of(parse_osi(last.symbol).underlying, settings.partitions)
    if p == entry.partition:
        _put_back(client, entry, p, _field(last), msgspec.msgpack.encode(last))
    else:
        # Another partition's key may be on another node: append first, so that a crash in between doubles a print,
        # which its id tells, and never loses one.
        client.xadd(keys.prints(p), {_field(last): msgspec.msgpack.encode(last)})
        client.xdel(keys.dead(entry.partition), entry.id)
    return Retry(entry, "")


def _field(event: Print | Reference) -> str:
    return "d" if isinstance(event, Print) else "r"


def _put_back(client: redis.Redis, entry: DeadEntry, partition: int, field: str, payload: bytes) -> None:
    back = script("retry_dead").run(
        client, [keys.dead(partition), keys.prints(partition)], [entry.id, field, payload]
    )
    if not back:
        raise FlowtapeError(f"The dead entry {entry.id} is gone: somebody else tried it, or it gave way.")


def _page(client: redis.Redis, partition: int, last: str) -> list[DeadEntry]:
    found: Any = client.xrevrange(keys.dead(partition), max=last, count=PAGE)
    return [_entry(partition, entry_id, fields) for entry_id, fields in found]


def _entry(partition: int, entry_id: bytes, fields: dict[bytes, bytes]) -> DeadEntry:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    return DeadEntry(
        partition=partition,
        id=entry_id.decode(),
        kind=text(b"kind") or "message",
        feed=text(b"feed"),
        reason=text(b"reason"),
        raw=fields.get(b"raw", b""),
        at=int(fields.get(b"at", b"0")),
    )
