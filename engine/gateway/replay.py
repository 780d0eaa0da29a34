"""What clients missed, read back from the tape: those who come back together are matched together."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from engine.gateway.announced import Announced
from engine.gateway.frames import Batch
from engine.gateway.pending import Pending
from engine.gateway.tape import SLICE, Gap, Tape
from engine.match import FilterIndex
from schemas.filter import Filter
from schemas.stream_position import StreamPosition

TOGETHER: Final = 500
"""Clients that are matched in one round at most."""


class Missed(NamedTuple):
    """What one subscription missed."""

    found: list[tuple[Announced, bool]]
    """Oldest first, with whether the trade passes the filter; else it passed before and no longer does."""
    position: StreamPosition
    """All up to here is in."""


class _Request(NamedTuple):
    wanted: Filter
    since: StreamPosition
    answer: asyncio.Future[Missed | Gap]


class Replay:
    """Answers what was missed since a position."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._waiting: list[_Request] = []
        self._task: asyncio.Task[None] | None = None

    async def missed(self, wanted: Filter, since: StreamPosition) -> Missed | Gap:
        """What a filter let through since a position, or why that cannot be said. Raises RedisError."""
        answer: asyncio.Future[Missed | Gap] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(wanted, since, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())
        return await answer

    async def stop(self) -> None:
        """Cancel what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
            try:
                await self._round(asked)
            except BaseException as error:
                for request in asked:
                    if not request.answer.done():
                        if isinstance(error, Exception):
                            request.answer.set_exception(error)
                        else:
                            request.answer.cancel()
                if not isinstance(error, Exception):
                    raise

    async def _round(self, asked: list[_Request]) -> None:
        with self._tape.keeping():
            able = await self._reached(asked)
            if not able:
                return
            position = self._tape.read_to
            entries = self._tape.after(_earliest([request.since for request in able]))
        await self._match(able, entries, position)

    async def _reached(self, asked: list[_Request]) -> list[_Request]:
        """Those that can be given all they missed; the others are told why not."""
        able: list[_Request] = []
        for request in asked:
            gap = await self._tape.reach(request.since)
            if request.answer.done():
                continue
            if gap is None:
                able.append(request)
            else:
                request.answer.set_result(gap)
        return able

    async def _match(self, able: list[_Request], entries: list[Announced], position: StreamPosition) -> None:
        """Give each its part of the entries, which reach as far as `position`."""
        index, asking = FilterIndex(), dict[int, list[int]]()
        slots: dict[str, int] = {}
        for place, request in enumerate(able):
            if (slot := slots.get(request.wanted.key)) is None:
                slot = slots[request.wanted.key] = index.add(request.wanted)
            asking.setdefault(slot, []).append(place)
        found: list[list[tuple[Announced, bool]]] = [[] for _ in able]
        for at, announced in enumerate(entries):
            passing = index.match(announced.trade)
            former = [] if announced.was is None else sorted({*index.match(announced.was)} - {*passing})
            assert announced.offset is not None
            here = announced.offset[:2]
            for hits, passes in ((passing, True), (former, False)):
                for slot in hits:
                    for place in asking[slot]:
                        if here > able[place].since.offsets[announced.partition][:2]:
                            found[place].append((announced, passes))
            if at % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        for request, missed in zip(able, found, strict=True):
            if not request.answer.done():
                request.answer.set_result(Missed(missed, position))


def batches(missed: Missed, since: StreamPosition, rows: int, mark: str = "") -> list[Batch]:
    """What was missed, whole and in order, in batches of at most `rows` rows; one without rows where it is nothing.

    The position of each is as far as it reaches, so that a client may stop at any of them and come back; it ends with
    `mark`.
    """
    made: list[Batch] = []
    offsets = list(since.offsets)
    chunk = Pending(rows)
    held = 0
    for announced, passes in missed.found:
        if held == rows:
            made.append(_batch(chunk, StreamPosition(missed.position.epoch, tuple(offsets)).text(mark)))
            held = 0
        (chunk.add if passes else chunk.withdraw)(announced)
        held += 1
        assert announced.offset is not None
        offsets[announced.partition] = announced.offset
    made.append(_batch(chunk, missed.position.text(mark)))
    return made


def _batch(chunk: Pending, pos: str) -> Batch:
    taken = chunk.take()
    return Batch(taken.rows, 0, taken.gone, pos, recovered=True)


def _earliest(positions: list[StreamPosition]) -> StreamPosition:
    """The position from which everything behind any of them is to be read."""
    offsets = [min(of_partition) for of_partition in zip(*(p.offsets for p in positions), strict=True)]
    return StreamPosition(positions[0].epoch, tuple(offsets))
