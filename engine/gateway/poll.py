"""Delivery of poll tiers: one search a filter and interval, for what came since the search before."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from engine.clock import now_ms
from engine.gateway.announced import Announced, announced_of
from engine.gateway.frames import Batch
from engine.gateway.meter import Meter
from engine.gateway.schedule import Schedule
from engine.gateway.subscription import POSITION_S, Group
from engine.gateway.tape import Tape
from engine.match import FilterIndex
from engine.metrics import QueryKind
from engine.search_async import AsyncSearch
from schemas.errors import FlowtapeError
from schemas.messages import ErrorCode
from schemas.stream_position import StreamPosition

log = logging.getLogger(__name__)


class Poll:
    """All groups of poll tiers. `wake` is called when the schedule has changed."""

    def __init__(self, tape: Tape, search: AsyncSearch, meter: Meter, wake: Callable[[], None]) -> None:
        self._tape = tape
        self._search = search
        self._meter = meter
        self._wake = wake
        self._index = FilterIndex()
        self._groups: dict[int, Group] = {}
        self._running: dict[asyncio.Task[None], float] = {}
        self.schedule = Schedule()

    def join(self, group: Group, now: float, factor: float) -> None:
        """Search for a group from one interval after now on."""
        group.slot = self._index.add(group.filter)
        self._groups[group.slot] = group
        group.next_at = now + factor * group.tier.interval_ms / 1000
        self.schedule.put(group)

    def leave(self, group: Group) -> None:
        """No longer."""
        self._index.remove(group.slot)
        del self._groups[group.slot]

    def match(self, announced: Announced) -> None:
        """Note a rewritten trade that left a filter: no search can tell."""
        if announced.was is None:
            return
        gone = set(self._index.match(announced.was)).difference(self._index.match(announced.trade))
        at_ms = now_ms()
        for slot in gone:
            group = self._groups[slot]
            # As far as any search may have come by now, also one that is under way, or that was one member's alone.
            shown = group.tier.until(at_ms)
            if shown is None or announced.trade.ts <= shown:
                group.withdraw(announced)

    def put_off(self, now: float, factor: float) -> None:
        """Leave the searches that are due for later: there is no source."""
        for group in list(self.schedule.due(now)):
            group.next_at = now + factor * group.tier.interval_ms / 1000
            self.schedule.put(group)

    def start_due(self, now: float, factor: float) -> None:
        """Begin the searches of the groups whose interval is over. `now` is loop time."""
        for group in list(self.schedule.due(now)):
            task = asyncio.ensure_future(self._tick(group, factor))
            self._running[task] = now
            task.add_done_callback(self._running.pop)

    def late_s(self, now: float) -> float:
        """How long the search that is longest under way has taken, or waited for its turn, seconds."""
        return now - next(iter(self._running.values())) if self._running else 0.0

    def begin_anew(self, position: StreamPosition) -> None:
        """Search from here on: the tape began anew."""
        for group in self._groups.values():
            group.pending.clear()
            group.after = position._replace(until=group.after.until)

    async def stop(self) -> None:
        """Cancel the searches on their way."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _tick(self, group: Group, factor: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._look(group)
            group.failing = False
        except (FlowtapeError, RedisError, OSError) as error:
            # The same trades are asked for again after the interval; that the source is away the hub says.
            if isinstance(error, FlowtapeError) and not group.failing:
                for member in group.members:
                    member.session.send_error(ErrorCode.SEARCH_FAILED, str(error), member.name)
            group.failing = True
        except Exception:
            log.exception("the search of a group failed: %s", group.filter.key)
            group.failing = True
        now = loop.time()
        group.next_at = max(group.next_at + factor * group.tier.interval_ms / 1000, now)
        if group.members:
            self.schedule.put(group)
            self._wake()

    async def _look(self, group: Group) -> None:
        after, position = group.after, self._tape.position
        until = group.tier.until(now_ms())
        if position.offsets == after.offsets and until is None and not group.pending:
            return
        begun = time.perf_counter()
        found = await self._search.since(
            group.filter,
            [offset.seq for offset in after.offsets],
            [offset.seq for offset in position.offsets],
            group.tier.rows,
            None if until is None else (after.until, until),
        )
        self._meter.metrics.query[QueryKind.POLL].observe_many(time.perf_counter() - begun)
        if group.after is not after:
            return  # The tape began anew while Redis searched.
        group.after = position._replace(until=until)
        for announced in announced_of(found.rows):
            group.pending.add(announced)
        rows, skipped, gone = group.pending.take()
        skipped += found.total - len(found.rows)
        now = asyncio.get_running_loop().time()
        if rows or skipped or gone or now - group.positioned_at >= POSITION_S:
            group.send(Batch(rows, skipped, gone, group.after.text(group.mark)), now)
            self._meter.polled(rows)
