"""Follows the tape of all partitions, keeps its newest part in memory, and reads back further for who resumes."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final

import msgspec
import redis.asyncio

from engine.gateway.announced import Announced, read_entry
from schemas import keys
from schemas.errors import FlowtapeError
from schemas.stream_position import START, Offset, StreamPosition

log = logging.getLogger(__name__)

BLOCK_MS: Final = 1_000
"""How long a read waits for announcements."""

READ_COUNT: Final = 500
"""Announcements of a partition in one read."""

SLICE: Final = 500
"""Announcements that are decoded before others get their turn."""


class Gap(Enum):
    """Why what was missed cannot be read back whole."""

    EPOCH = "epoch"
    """The tape began anew."""
    TRIMMED = "trimmed"
    """Part of it is no longer there."""
    TOO_FAR = "too_far"
    """It is more than the bound."""
    OTHER = "other"
    """The position is none, or of another filter or tier."""


class TapeLostError(FlowtapeError):
    """The tape does not go on from where it was read: it must be opened anew."""


class Tape:
    """One reader of the tape for all sessions of a gateway.

    `client` is for reading that waits, `aside` for all else; both belong to the caller. `kept` announcements are
    held in memory, and at most so many are read back for a client; together never more than twice as many, and
    what is announced while clients are being answered.
    """

    def __init__(
        self, client: redis.asyncio.Redis, aside: redis.asyncio.Redis, partitions: int, kept: int
    ) -> None:
        self._client, self._aside = client, aside
        self._partitions = partitions
        self._kept = kept
        self._recent: deque[Announced] = deque()
        self._recent_from = [START] * partitions
        self._offsets = [START] * partitions
        self._epoch = ""
        self._reading_back = asyncio.Lock()
        self._keepers = 0
        self.position = StreamPosition("", tuple(self._offsets))
        """All up to here has been read and handled."""
        self.unreadable = 0
        """Entries that could not be decoded and were passed over."""

    @property
    def read_to(self) -> StreamPosition:
        """All up to here has been read."""
        return StreamPosition(self._epoch, tuple(self._offsets))

    def handled(self) -> None:
        """What was read has been handled: from here on clients are told this position."""
        self.position = self.read_to

    async def open(self) -> None:
        """Begin at the end of the tape, forgetting all that was read. Raises RedisError."""
        epoch = await self._ask_epoch()
        offsets = [await self._end(p) for p in range(self._partitions)]
        self._epoch, self._offsets = epoch, offsets
        self.handled()
        self._recent.clear()
        self._recent_from = list(offsets)

    async def read(self) -> tuple[list[Announced], bool]:
        """What was announced since the last read, oldest first, and whether that is all there is.

        Waits up to BLOCK_MS where there is nothing. Raises RedisError, and then nothing counts as read; and
        TapeLostError where announcements were trimmed before they were read, or were taken back.
        """
        names = [keys.tape(p) for p in range(self._partitions)]
        ids = [offset.entry_id for offset in self._offsets]
        reply: Any = await self._client.execute_command(
            "XREAD", "COUNT", READ_COUNT, "BLOCK", BLOCK_MS, "STREAMS", *names, *ids
        )
        by_partition = dict(_by_partition(reply, names))
        all_read = all(len(entries) < READ_COUNT for entries in by_partition.values())
        if not all_read:
            # Asked before anything is taken for read: what an error interrupts here is read once more.
            for p, offset in enumerate(self._offsets):
                if not await self._goes_on(p, offset):
                    raise TapeLostError("Announcements were trimmed before this gateway had read them.")
        found: list[Announced] = []
        for p, entries in by_partition.items():
            announced = self._decode(p, entries)
            if announced and announced[0].trade.seq <= self._offsets[p].seq:
                raise TapeLostError("The tape went back: what was announced last is no longer there.")
            found += announced
            self._offsets[p] = _after(self._offsets[p], entries, announced)
        if found:
            self._remember(found)
        return found, all_read

    async def intact(self) -> bool:
        """Whether the tape still goes on from where it was last read. Raises RedisError.

        False after it began anew, went back, or was trimmed beyond what was read.
        """
        if await self._ask_epoch() != self._epoch:
            return False
        for p, offset in enumerate(self._offsets):
            if not await self._goes_on(p, offset):
                return False
        return True

    async def reach(self, position: StreamPosition) -> Gap | None:
        """Make sure that `after` can give everything behind a position, or say why it cannot; within `keeping`.

        Raises RedisError.
        """
        if position.epoch != self._epoch or len(position.offsets) != self._partitions:
            return Gap.EPOCH
        async with self._reading_back:
            for p, offset in enumerate(position.offsets):
                if _id(offset) > _id(self._offsets[p]):
                    # A gateway that has read further gave it: there is nothing to give, unless the tape went back.
                    if not await self._goes_on(p, offset):
                        return Gap.EPOCH
                elif _id(offset) < _id(self._recent_from[p]) and (gap := await self._read_back(p, offset)):
                    return gap
        return None

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Forget nothing meanwhile: what `reach` has reached stays in reach of `after`."""
        self._keepers += 1
        try:
            yield
        finally:
            self._keepers -= 1

    def after(self, position: StreamPosition) -> list[Announced]:
        """The announcements behind a position that was reached, oldest first in each partition."""
        passed: set[int] = set()
        found: list[Announced] = []
        for announced in reversed(self._recent):
            assert announced.offset is not None
            if _id(announced.offset) > _id(position.offsets[announced.partition]):
                found.append(announced)
            else:
                passed.add(announced.partition)
                if len(passed) == self._partitions:
                    break
        found.reverse()
        return found

    async def _read_back(self, p: int, offset: Offset) -> Gap | None:
        """Put what lies between an offset and the kept part before the latter."""
        epoch, end = self._epoch, self._recent_from[p]
        low = "-" if offset == START else offset.entry_id
        entries: Any = await self._aside.xrange(keys.tape(p), low, end.entry_id, count=self._kept + 1)
        if not await self._goes_on(p, offset, entries):
            return Gap.TRIMMED
        if offset != START:
            entries = entries[1:]
        whole = not entries or entries[-1][0].decode() == end.entry_id
        if not whole or len(entries) > self._kept or len(entries) + len(self._recent) > 2 * self._kept:
            return Gap.TOO_FAR
        older: list[Announced] = []
        for start in range(0, len(entries), SLICE):
            older += self._decode(p, entries[start : start + SLICE])
            await asyncio.sleep(0)
        if (epoch, end) != (self._epoch, self._recent_from[p]):
            return Gap.EPOCH  # Opened anew meanwhile.
        others = [a for a in self._recent if a.partition != p]
        mine = older + [a for a in self._recent if a.partition == p]
        # Only the order within a partition matters.
        self._recent = deque(others + mine)
        self._recent_from[p] = offset
        return None

    async def _goes_on(self, p: int, offset: Offset, entries: Any = None) -> bool:
        """Whether nothing behind an offset was trimmed: the entry itself is still there, or none was ever trimmed."""
        if offset == START:
            try:
                info: Any = await self._aside.xinfo_stream(keys.tape(p))
            except redis.ResponseError:
                return True
            return int(info["entries-added"]) == int(info["length"])
        if entries is None:
            entries = await self._aside.xrange(keys.tape(p), offset.entry_id, offset.entry_id)
        return bool(entries) and entries[0][0].decode() == offset.entry_id

    async def _ask_epoch(self) -> str:
        """The epochs of all partitions as one text; a partition that has none gets one."""
        parts = []
        for p in range(self._partitions):
            await self._aside.hsetnx(keys.clock(p), "epoch", secrets.token_hex(6))
            epoch: Any = await self._aside.hget(keys.clock(p), "epoch")
            parts.append((epoch or b"").decode())
        return ".".join(parts)

    async def _end(self, p: int) -> Offset:
        """The last entry; its `seq` is that of the last one that can be read, among the newest SLICE."""
        entries: Any = await self._aside.xrevrange(keys.tape(p), count=1)
        announced = self._decode(p, entries)
        if entries and not announced:
            entries = await self._aside.xrevrange(keys.tape(p), count=SLICE)
            announced = self._decode(p, reversed(entries))
        return _after(START, entries[:1], announced) if entries else START

    def _decode(self, p: int, entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> list[Announced]:
        found = []
        for entry_id, fields in entries:
            try:
                found.append(read_entry(p, entry_id, fields))
            except (msgspec.DecodeError, KeyError) as error:
                self.unreadable += 1
                log.warning("entry %s of %s is no trade: %s", entry_id.decode(), keys.tape(p), error)
        return found

    def _remember(self, found: list[Announced]) -> None:
        self._recent += found
        while len(self._recent) > self._kept and not self._keepers:
            oldest = self._recent.popleft()
            assert oldest.offset is not None
            self._recent_from[oldest.partition] = oldest.offset


def _id(offset: Offset) -> tuple[int, int]:
    return offset.ms, offset.n


def _by_partition(reply: Any, names: Sequence[str]) -> Iterable[tuple[int, list[Any]]]:
    """Partition and entries of a reply of XREAD."""
    if not reply:
        return
    places = {name.encode(): p for p, name in enumerate(names)}
    for name, groups in reply.items():
        yield places[name], [entry for group in groups for entry in group]


def _after(offset: Offset, entries: Sequence[Any], announced: Sequence[Announced]) -> Offset:
    """The offset behind entries, of which some may not have been readable."""
    ms, _, n = entries[-1][0].partition(b"-")
    seq = announced[-1].trade.seq if announced else offset.seq
    return Offset(int(ms), int(n), seq)
