"""Appends events to the prints streams in batches: bounded, at least once, and honest about what it drops.

Each partition has a lane with its own queue and one batch in flight, so that a partition's order is kept and
partitions do not wait for each other; rejects have a lane of their own, to the dead stream. While a batch is
on its way, the next events are encoded.

A batch whose answer is lost is sent again, so a print may be on the stream twice: its id tells, downstream.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

import msgspec
import redis.asyncio
from redis.exceptions import (
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from engine.processes.ending import end
from engine.scripts import script
from engine.settings import Settings
from schemas import keys
from schemas.contract import parse_osi
from schemas.errors import ContractError
from schemas.print import Event, Print, Reference

QUEUE_BYTES = 64 * 1024 * 1024
"""Bytes that wait at most, whatever their number: rejects can be large."""

RETRY_FIRST_S = 0.05
RETRY_LONGEST_S = 2.0
"""Pauses while Redis is away or full double from the first to the longest, with jitter."""

SYMBOLS_KNOWN = 262_144
"""Symbols whose partition is remembered."""

PASSING = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    ClusterDownError,
    TryAgainError,
    OutOfMemoryError,
)
"""What Redis may recover from without us: restart, loading, failover, full memory."""

PASSING_CODES = ("LOADING", "BUSY", "MISCONF", "NOREPLICAS", "MASTERDOWN", "OOM", "UNBLOCKED")
"""The same, where the client has no error class of its own."""


class Policy(StrEnum):
    """What happens while Redis is slower than the source."""

    WAIT = "wait"
    """`put` waits: for files, which can."""
    DROP_OLDEST = "drop_oldest"
    """The oldest events of the lane where most wait give way: for vendors, which do not wait."""


@dataclass(slots=True)
class PublishCounts:
    """What a publisher did so far; dropped ones by feed."""

    published: int = 0
    """Prints acknowledged by Redis."""
    references: int = 0
    rejected: int = 0
    """Rejects written to the dead stream."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Prints."""
    dropped_references: Counter[str] = field(default_factory=Counter)
    dropped_rejects: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    retries: int = 0
    """Batches sent again because Redis was away."""
    waits: int = 0
    """Batches that Redis refused because the indexer was too far behind."""
    queued: int = 0
    """Events waiting or on their way now."""
    queue_high: int = 0
    """The most that `queued` ever was."""
    backlog: int = 0
    """Unprocessed entries on the stream, as the newest batch found them."""
    last_error: str = ""


_Item = tuple[str, bytes, str]
"""Field on the stream, payload, feed; a reject has no field, and reason, raw bytes and time as payload."""

_Send = Callable[[list[_Item]], Awaitable[bool]]
"""Sends a batch; False where the indexer is too far behind."""

_DROPPED = {"d": "dropped", "r": "dropped_references", "": "dropped_rejects"}


class _Lane:
    """What waits for one stream, and the task that sends it."""

    __slots__ = ("bytes", "full", "items", "ready", "task")

    def __init__(self) -> None:
        self.items: deque[_Item] = deque()
        self.bytes = 0
        """Of the payloads that wait."""
        self.ready = asyncio.Event()
        """Something waits."""
        self.full = asyncio.Event()
        """A whole batch waits, or nothing more is to come: no reason to linger."""
        self.task: asyncio.Task[None] | None = None

    def take(self, most: int) -> list[_Item]:
        """The oldest items, which wait no longer."""
        taken = [self.items.popleft() for _ in range(min(most, len(self.items)))]
        self.bytes -= _bytes_of(taken)
        return taken


def _bytes_of(items: list[_Item]) -> int:
    return sum([len(payload) for _, payload, _ in items])


class Publisher:
    """Takes events and sees to it that they reach Redis, within its bounds.

    Use it as `async with`: leaving it drains, unless an exception is on its way. An error that Redis will not
    recover from by itself is raised by the next `put` or `drain`.
    """

    def __init__(self, client: redis.asyncio.Redis, settings: Settings, policy: Policy) -> None:
        self._client, self._settings, self._policy = client, settings, policy
        self._lanes: dict[int | None, _Lane] = {}
        self._bytes = 0
        self._since_turn = 0
        self._space = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._failure: Exception | None = None
        self._partition = _partition_finder(settings.partitions)
        self._encode = msgspec.msgpack.Encoder().encode
        self.counts = PublishCounts()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self.drain()
        finally:
            await self.close()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait or are on their way."""
        return self._bytes

    async def put(self, events: Sequence[Event]) -> None:
        """Queue events in their order.

        With `Policy.WAIT` it waits while the queue is full; else it only lets other tasks have their turn.
        """
        if self._failure is not None:
            raise self._failure
        encode, partition, may_wait = self._encode, self._partition, self._policy is Policy.WAIT
        for event in events:
            if may_wait and self._is_full():
                await self._wait_for_space()
            if isinstance(event, Print):
                self._queue(partition(event.symbol), ("d", encode(event), event.feed))
            elif isinstance(event, Reference):
                self._queue(partition(event.symbol), ("r", encode(event), event.feed))
            else:
                self._queue(None, ("", encode((event.reason, event.raw, _now_ms())), event.feed))
        if not may_wait:
            self._drop_oldest()
        self._since_turn += len(events)
        if self._since_turn >= self._settings.publish_batch:
            # A source that never waits must not keep the lanes from sending.
            self._since_turn = 0
            await asyncio.sleep(0)

    async def drain(self) -> None:
        """Wait until all that was put is in Redis."""
        self._draining = True
        try:
            for lane in self._lanes.values():
                lane.full.set()
            await self._idle.wait()
        finally:
            self._draining = False
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Stop sending; what has no answer from Redis yet counts as dropped."""
        await end(lane.task for lane in self._lanes.values() if lane.task is not None)
        for lane in self._lanes.values():
            self._drop(lane.take(len(lane.items)))
        self._lanes.clear()

    def _is_full(self) -> bool:
        return self.counts.queued >= self._settings.publish_queue or self._bytes >= QUEUE_BYTES

    async def _wait_for_space(self) -> None:
        while self._is_full():
            self._space.clear()
            await self._space.wait()
            if self._failure is not None:
                raise self._failure

    def _queue(self, key: int | None, item: _Item) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
            lane.task = asyncio.create_task(
                self._run(lane, self._bury if key is None else self._appender(key))
            )
        lane.items.append(item)
        waiting = len(lane.items)
        if waiting == 1:
            lane.ready.set()
            self._idle.clear()
        elif waiting == self._settings.publish_batch:
            lane.full.set()
        lane.bytes += len(item[1])
        self._bytes += len(item[1])
        counts = self.counts
        counts.queued += 1
        if counts.queued > counts.queue_high:
            counts.queue_high = counts.queued

    def _drop_oldest(self) -> None:
        while (over := self.counts.queued - self._settings.publish_queue) > 0 or self._bytes > QUEUE_BYTES:
            # The lane that takes most of what is scarce, so that a flood of rejects costs no prints.
            size = (lambda lane: len(lane.items)) if over > 0 else (lambda lane: lane.bytes)
            largest = max(self._lanes.values(), key=size)
            if not largest.items:
                return  # all of it is on its way
            self._drop(largest.take(max(over, 1)))

    def _drop(self, items: list[_Item]) -> None:
        for field_name, _, feed in items:
            counter: Counter[str] = getattr(self.counts, _DROPPED[field_name])
            counter[feed] += 1
        self._forget(items)

    def _forget(self, items: list[_Item]) -> None:
        """Take items out of the books: they are in Redis, or dropped."""
        self.counts.queued -= len(items)
        self._bytes -= _bytes_of(items)
        self._space.set()
        if self.counts.queued == 0:
            self._idle.set()

    async def _run(self, lane: _Lane, send: _Send) -> None:
        """Send what waits in a lane, batch by batch, until cancelled or failed."""
        size, linger_s = self._settings.publish_batch, self._settings.publish_linger_ms / 1000
        items = lane.items
        try:
            while True:
                if not items:
                    lane.ready.clear()
                    await lane.ready.wait()
                if linger_s and len(items) < size and not self._draining:
                    lane.full.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(linger_s):
                            await lane.full.wait()
                batch = lane.take(size)
                if batch:
                    await self._deliver(batch, send)
        except Exception as error:
            self._failure = error
            self._space.set()
            self._idle.set()

    async def _deliver(self, batch: list[_Item], send: _Send) -> None:
        """Send one batch as often as it takes."""
        counts, pause = self.counts, RETRY_FIRST_S
        try:
            while True:
                try:
                    accepted = await send(batch)
                    if accepted:
                        break
                    counts.waits += 1
                except RedisError as error:
                    if not _will_pass(error):
                        raise
                    counts.retries += 1
                    counts.last_error = str(error)
                except OSError as error:
                    counts.retries += 1
                    counts.last_error = str(error)
                await asyncio.sleep(random.uniform(pause / 2, pause))
                pause = min(pause * 2, RETRY_LONGEST_S)
        except BaseException:
            self._drop(batch)
            raise
        counts.batches += 1
        self._forget(batch)

    def _appender(self, partition: int) -> _Send:
        stream, limit = keys.prints(partition), self._settings.backlog_limit
        append, client, counts = script("append_prints"), self._client, self.counts

        async def send(batch: list[_Item]) -> bool:
            arguments: list[str | bytes | int | float] = [limit, keys.INDEXER_GROUP]
            for field_name, payload, _ in batch:
                arguments += (field_name, payload)
            appended, counts.backlog = await append.run_async(client, [stream], arguments)
            if not appended:
                return False
            references = sum(field_name == "r" for field_name, _, _ in batch)
            counts.references += references
            counts.published += len(batch) - references
            return True

        return send

    async def _bury(self, batch: list[_Item]) -> bool:
        async with self._client.pipeline(transaction=False) as pipeline:
            for _, payload, feed in batch:
                reason, raw, at = msgspec.msgpack.decode(payload)
                fields: dict[Any, Any] = {
                    "reason": reason,
                    "feed": feed,
                    "raw": raw,
                    "at": at,
                    "kind": "message",
                }
                pipeline.xadd(keys.dead(0), fields, maxlen=self._settings.dead_length, approximate=True)
            await pipeline.execute()
        self.counts.rejected += len(batch)
        return True


def _will_pass(error: RedisError) -> bool:
    if isinstance(error, ResponseError) and str(error).split(" ", 1)[0] in PASSING_CODES:
        return True
    return isinstance(error, PASSING)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _partition_finder(partitions: int) -> Callable[[str], int]:
    if partitions == 1:
        return lambda _: 0

    @lru_cache(maxsize=SYMBOLS_KNOWN)
    def find(symbol: str) -> int:
        try:
            return keys.partition_of(parse_osi(symbol).underlying, partitions)
        except ContractError:
            return 0  # the indexer says what is wrong with it

    return find
