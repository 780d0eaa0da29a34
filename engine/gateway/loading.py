"""What a subscription gets first: what it missed since its position, or a snapshot; equal ones share a search."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final, NamedTuple, Protocol

from redis.exceptions import RedisError

from engine.clock import now_ms
from engine.gateway.announced import Announced, announced_of
from engine.gateway.frames import Batch, rows_message
from engine.gateway.meter import Meter
from engine.gateway.replay import Replay, batches
from engine.gateway.subscription import Group, Snapshot, Subscription
from engine.gateway.tape import Gap, Tape
from engine.metrics import QueryKind, Resume
from engine.processes.ending import end
from engine.search_async import AsyncSearch
from schemas.errors import FlowtapeError, PositionError
from schemas.messages import ErrorCode
from schemas.stream_position import StreamPosition, has_mark

log = logging.getLogger(__name__)

AGAIN_S: Final = 2.0
"""Pause before a search that failed is tried again."""

RESUME_ROWS: Final = 2_000
"""Rows of a delayed tier that are sent to who resumes; of more, a snapshot."""

_OUTCOMES: Final = {
    Gap.EPOCH: Resume.SNAPSHOT_EPOCH,
    Gap.TRIMMED: Resume.SNAPSHOT_TRIMMED,
    Gap.TOO_FAR: Resume.SNAPSHOT_TOO_FAR,
    Gap.OTHER: Resume.SNAPSHOT_OTHER,
}


class _Found(NamedTuple):
    rows: list[Announced]
    before: str | None
    position: StreamPosition


class Source(Protocol):
    """What the hub knows of Redis."""

    meter: Meter
    tape: Tape
    source_error: str | None

    @property
    def available(self) -> bool:
        """Whether the tape is being read."""


class Loading:
    """Loads subscriptions, each in a task of its own until it has what it needs."""

    def __init__(self, source: Source, search: AsyncSearch, replay: Replay, concurrency: int) -> None:
        self._source = source
        self._search = search
        self._replay = replay
        self._turns = asyncio.Semaphore(concurrency)
        self._queued: dict[tuple[object, int], asyncio.Task[_Found]] = {}
        self._searching: set[asyncio.Task[_Found]] = set()
        self._back = asyncio.Event()

    def begin(self, subscription: Subscription, since: str | None) -> None:
        """Send what was missed since a position, else a snapshot; what comes meanwhile is held."""
        self.end(subscription)
        subscription.loading = True
        subscription.forget_held()
        subscription.task = asyncio.create_task(self._load(subscription, since))

    def end(self, subscription: Subscription) -> None:
        """The subscription is over, or begins again."""
        if subscription.task is not None:
            subscription.task.cancel()
            subscription.task = None

    def source_is_back(self) -> None:
        """Those who wait for Redis may go on."""
        self._back.set()
        self._back = asyncio.Event()

    async def stop(self) -> None:
        """Cancel the searches on their way."""
        await end(self._searching)

    async def _load(self, subscription: Subscription, since: str | None) -> None:
        session, told = subscription.session, False
        while True:
            try:
                await session.writable()
                if not self._source.available:
                    if self._source.source_error is not None and not told:
                        told = True
                        session.send_error(
                            ErrorCode.SOURCE_UNAVAILABLE, self._source.source_error, subscription.name
                        )
                    await self._back.wait()
                if since is None or not await self._resume(subscription, since):
                    await self._snapshot(subscription)
                break
            except FlowtapeError as error:
                if not told:
                    told = True
                    session.send_error(ErrorCode.SEARCH_FAILED, str(error), subscription.name)
                await asyncio.sleep(AGAIN_S)
            except (RedisError, OSError):
                # The reader of the tape meets the same, and says so to everybody.
                await asyncio.sleep(AGAIN_S)
            except Exception:
                log.exception("a subscription cannot be loaded: %s", subscription.group.filter.key)
                if not told:
                    told = True
                    session.send_error(
                        ErrorCode.SEARCH_FAILED, "The gateway failed; it tries again.", subscription.name
                    )
                await asyncio.sleep(AGAIN_S)
        if subscription.task is not asyncio.current_task():
            return
        subscription.task = None
        subscription.loading = False
        subscription.release()

    async def _snapshot(self, subscription: Subscription) -> None:
        session = subscription.session
        found = await self._find(subscription.group, subscription.rows)
        await session.writable()
        if subscription.task is not asyncio.current_task():
            return  # Ended; before Python 3.12 a cancellation may be swallowed.
        more = found.before is not None or subscription.rows == 0
        told = Snapshot(found.position.text(subscription.group.mark), found.before, more)
        subscription.snapshot = told
        message = {"op": "snapshot", "sub": subscription.name, "recovered": False, **told._asdict()}
        self._source.meter.rows += len(found.rows)
        session.write(rows_message(message, found.rows, session.encoding))

    async def _find(self, group: Group, rows: int) -> _Found:
        """The newest rows of a group, from a search that began after this call: all who wait for it share it."""
        key = (group.key, rows)
        queued = self._queued.get(key)
        if queued is None:
            queued = self._queued[key] = asyncio.create_task(self._search_snapshot(group, rows))
            self._searching.add(queued)
            queued.add_done_callback(self._searched)
        return await asyncio.shield(queued)

    def _searched(self, task: asyncio.Task[_Found]) -> None:
        self._searching.discard(task)
        if not task.cancelled():
            task.exception()  # Those who waited for it may all have left.

    async def _search_snapshot(self, group: Group, rows: int) -> _Found:
        async with self._turns:
            del self._queued[group.key, rows]
            until = group.tier.until(now_ms())
            # Before the search: what is announced from here on comes in batches.
            position = self._source.tape.position._replace(until=until)
            if not rows:
                return _Found([], None, position)
            begun = time.perf_counter()
            page = await self._search.page(group.filter, rows, until=until)
            self._source.meter.metrics.query[QueryKind.SNAPSHOT].observe_many(time.perf_counter() - begun)
            return _Found(announced_of(page.rows), page.before, position)

    async def _resume(self, subscription: Subscription, since: str) -> bool:
        """Send what was missed since a position, whole and in order; False where that cannot be done."""
        session = subscription.session
        made = await self._missed(subscription, since)
        resumes = self._source.meter.metrics.resumes
        if isinstance(made, Gap):
            resumes[_OUTCOMES[made]].inc()
            return False
        resumes[Resume.RECOVERED].inc()
        for batch in made:
            await session.writable()
            if subscription.task is not asyncio.current_task():
                break
            session.send_batch(subscription, batch)
        return True

    async def _missed(self, subscription: Subscription, since: str) -> list[Batch] | Gap:
        group = subscription.group
        try:
            position = StreamPosition.parse(since)
        except PositionError:
            return Gap.OTHER
        if (position.until is None) != (group.tier.delay_s == 0):
            # From a tier with another delay: what of the tape it has seen is another question.
            return Gap.OTHER
        if subscription.channel is not None and not has_mark(since, group.mark):
            # The channel was changed meanwhile: of its present filter the client has seen nothing.
            return Gap.OTHER
        missed = await self._replay.missed(group.filter, position)
        if isinstance(missed, Gap):
            return missed
        if position.until is None:
            return batches(missed, position, group.tier.rows, group.mark)
        # It is what the client says: nothing newer than it may see now was ever shown.
        shown = min(position.until, group.tier.until(now_ms()) or 0)
        return await self._missed_behind(
            group,
            position,
            missed.position,
            [a for a, passes in missed.found if not passes and a.trade.ts <= shown],
        )

    async def _missed_behind(
        self, group: Group, since: StreamPosition, to: StreamPosition, gone: list[Announced]
    ) -> list[Batch] | Gap:
        """As the tape is ahead of what a delayed tier may see, its rows come from a search."""
        until = group.tier.until(now_ms())
        assert until is not None
        found = await self._search.since(
            group.filter,
            [offset.seq for offset in since.offsets],
            [offset.seq for offset in to.offsets],
            RESUME_ROWS,
            (since.until, until),
        )
        if found.total > len(found.rows):
            return Gap.TOO_FAR
        rows = announced_of(found.rows)
        size = group.tier.rows
        parts = [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]
        # Until the last part is there the client stands where it stood.
        stood, reached = since.text(group.mark), to._replace(until=until).text(group.mark)
        made = [Batch(part, 0, (), stood, recovered=True) for part in reversed(parts[1:])]
        made.append(Batch(parts[0], 0, gone, reached, recovered=True))
        return made
