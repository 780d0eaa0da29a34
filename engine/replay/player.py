"""Replays a recorded file: reads it whole, then publishes it in the order of exchange time, at a pace.

Reading counts what every row becomes. What then happens to the prints is the indexer's business, and
`engine.replay.account` adds it up.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from engine.feeds.file_format import FileFormat, Skipped
from engine.publish import Publisher
from engine.replay.event_order import EventOrder, Ordered
from engine.settings import Settings
from schemas.calendar import as_date, new_york_date
from schemas.errors import FileFormatError
from schemas.print import Print, Reference, Reject

REASONS = 20
"""Different reasons of rejects that are counted by name; the rest is counted together."""

REST = "other reasons"

READ_ROWS = 2_000
"""Rows read before others have their turn."""

PUT_EVENTS = 500
"""Events handed to the publisher at once, where they are due together."""


@dataclass(slots=True)
class Rows:
    """What the rows of a file became: each is in one of these."""

    prints: int = 0
    references: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    """Rows that could not be read, by reason."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Rows that are no trade by their nature, by kind."""
    damage: FileFormatError | None = None
    """Why the file could not be read to its end."""

    @property
    def total(self) -> int:
        """Rows read."""
        return self.prints + self.references + self.rejects.total() + self.skipped.total()

    def count_reject(self, reason: str) -> None:
        """Count a rejected row."""
        self.rejects[reason if reason in self.rejects or len(self.rejects) < REASONS else REST] += 1


async def read_rows(
    path: Path,
    format_: FileFormat,
    settings: Settings,
    order: EventOrder,
    publisher: Publisher,
    stopping: asyncio.Event,
    on_rows: Callable[[int], None],
) -> Rows:
    """Read a file into `order`; rejects go to the dead stream at once. `on_rows` is told how many rows there are.

    Raises FileFormatError where nothing at all could be read; damage after that is noted in the rows.
    """
    rows = Rows()
    events = format_.read(path, settings)
    while True:
        rejects: list[Reject] = []
        try:
            more = _take(events, rows, order, rejects)
        except FileFormatError as error:
            if not rows.prints and not rows.references:
                raise
            rows.damage = error
            more = False
        await publisher.put(rejects)
        on_rows(rows.total)
        if not more or stopping.is_set():
            return rows
        await asyncio.sleep(0)


def _take(events: Iterator[object], rows: Rows, order: EventOrder, rejects: list[Reject]) -> bool:
    """Take the next rows; whether there may be more."""
    for _ in range(READ_ROWS):
        row = next(events, None)
        match row:
            case None:
                return False
            case Print():
                rows.prints += 1
                order.add(row)
            case Reference():
                rows.references += 1
                order.add(row)
            case Reject():
                rows.count_reject(row.reason)
                rejects.append(row)
            case Skipped():
                rows.skipped[row.reason] += row.rows
    return True


@dataclass(frozen=True, slots=True)
class Rebase:
    """Moves the events of a file so that its first print is at `instant`, and gives them ids of their own.

    Only times move. An expiry stays what it is.
    """

    first: int
    """Exchange time of the first print, unix ms."""
    instant: int
    """Where it is moved to, unix ms."""

    @property
    def suffix(self) -> str:
        """What is added to each id: the instant, so that the same file moved again is new trades."""
        return f"_{self.instant:x}"

    def move(self, event: Ordered) -> Ordered:
        """The event at its new time."""
        if isinstance(event, Print):
            ts = event.ts + self.instant - self.first
            return msgspec.structs.replace(event, id=event.id + self.suffix, ts=ts, received=self.instant)
        days = as_date(event.date) - as_date(new_york_date(self.first))
        day = as_date(new_york_date(self.instant)) + max(days, timedelta(days=-366))
        return msgspec.structs.replace(event, date=day.year * 10_000 + day.month * 100 + day.day)


def wait_s(ts: int, first: int, started: float, now: float, speed: float | None) -> float:
    """How long to wait until an event is due, s; 0 where it is due.

    `ts` and `first` are exchange times of the event and of the first print, unix ms; `started` and `now` are
    seconds of one clock. `speed` 2 is twice as fast as it happened; None is as fast as possible.
    """
    if speed is None:
        return 0.0
    return max(0.0, started + (ts - first) / 1000 / speed - now)


@dataclass(slots=True)
class Pass:
    """One pass over the events: how fast, where to, and who is told."""

    publisher: Publisher
    stopping: asyncio.Event
    speed: float | None
    clock: Callable[[], float]
    """Seconds that only grow."""
    on_published: Callable[[int], None]
    """Told how many more prints and references were handed over."""

    async def run(self, events: Iterable[Ordered], rebase: Rebase | None) -> None:
        """Publish the events when they are due, until done or told to stop."""
        started: float | None = None
        first = 0
        due: list[Ordered] = []
        for event in events:
            if isinstance(event, Print):
                if started is None:
                    started, first = self.clock(), event.ts
                wait = wait_s(event.ts, first, started, self.clock(), self.speed)
                if wait > 0:
                    await self._put(due)
                    await self._pause(wait)
            if self.stopping.is_set():
                return
            due.append(event if rebase is None else rebase.move(event))
            if len(due) >= PUT_EVENTS:
                await self._put(due)
        await self._put(due)

    async def _put(self, due: list[Ordered]) -> None:
        if due:
            await self.publisher.put(due)
            self.on_published(len(due))
            due.clear()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass


def first_print(events: Iterable[Ordered]) -> int | None:
    """Exchange time of the first print of sorted events, unix ms; None where there is none."""
    return next((event.ts for event in events if isinstance(event, Print)), None)
