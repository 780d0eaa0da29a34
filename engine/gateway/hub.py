"""The heart of a gateway: follows the tape once, and gives every subscription what passes its filter."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import redis.asyncio
from redis.exceptions import BusyLoadingError, RedisError

from engine.clock import now_ms
from engine.gateway.announced import Announced
from engine.gateway.loading import Loading
from engine.gateway.meter import Meter
from engine.gateway.overload import OBSERVE_S, Overload
from engine.gateway.poll import Poll
from engine.gateway.push import Push
from engine.gateway.replay import Replay
from engine.gateway.session import Session, SessionEnd
from engine.gateway.subscription import Group, Saved, Subscription
from engine.gateway.tape import SLICE, Tape, TapeLostError
from engine.metrics import GatewayMetrics
from engine.processes.ending import end
from engine.search_async import AsyncSearch
from engine.settings import Settings
from engine.tracing import Tracing
from schemas.filter import Filter
from schemas.messages import HEARTBEAT_S, CloseCode, ErrorCode, Heartbeat
from schemas.tier import Delivery, Tier

log = logging.getLogger(__name__)

CHECK_S: Final = 1.0
"""Between two checks that the tape still is the one that is read."""

SWEEP_S: Final = 1.0
"""Between two looks at all sessions."""

RETRY_S, RETRY_MAX_S = 0.1, 2.0
"""Pauses before Redis is asked again."""

AWAY_HEARTBEAT_S: Final = 5.0
"""Between two heartbeats of a session while Redis is away."""

SWEPT_AT_ONCE: Final = 500
"""Sessions that are looked at before others get their turn."""

INTERNAL_ERROR: Final = 1011
"""The WebSocket's own close code for it; clients connect again."""

DRAIN_GROUPS: Final = 20
"""In so many groups a stopping gateway sends its clients away."""


class Hub:
    """All sessions of a gateway. `reader` waits for the tape; `aside` is for everything else."""

    def __init__(
        self,
        settings: Settings,
        reader: redis.asyncio.Redis,
        aside: redis.asyncio.Redis,
        search: AsyncSearch,
        metrics: GatewayMetrics,
        tracing: Tracing,
    ) -> None:
        self.metrics = metrics
        self.meter = Meter(metrics, tracing)
        self.tape = Tape(reader, aside, settings.partitions, settings.resume_trades)
        self.sessions: dict[Session, None] = {}
        self.draining = False
        self.source_error: str | None = None
        """Why Redis cannot be read; None while it can."""
        self._settings = settings
        self._push = Push(self.meter)
        self._poll = Poll(self.tape, search, self.meter, self._wake)
        self._replay = Replay(self.tape)
        self._overload = Overload()
        self._groups: dict[tuple[str, Tier], Group] = {}
        self._loading = Loading(self, search, self._replay, settings.search_concurrency)
        self._caught_up = time.monotonic()
        self._behind_since: float | None = None
        """Loop time since which the tape has more than is read at once."""
        self._opened = self._was_open = False
        self._returned = False
        """Whether Redis came back and clients have yet to hear that the tape is read again."""
        self._tasks: list[asyncio.Task[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    @property
    def lag_ms(self) -> int:
        """How long ago the whole tape was last known to have been read."""
        return int((time.monotonic() - self._caught_up) * 1000)

    @property
    def available(self) -> bool:
        """Whether the tape is being read."""
        return self._opened and self.source_error is None

    def start(self) -> None:
        """Begin to follow the tape, whether or not Redis is there yet."""
        for work in (self._follow, self._sweep, self._observe):
            self._tasks.append(asyncio.create_task(self._keep_up(work), name=f"hub {work.__name__}"))

    async def stop(self) -> None:
        """End all work; sessions are to be gone."""
        if self._timer is not None:
            self._timer.cancel()
        await end(self._tasks)
        await self._loading.stop()
        await self._poll.stop()
        await self._replay.stop()
        self.meter.flush()

    async def drain(self) -> None:
        """Send all clients away with 4001, in small groups so that they do not all come back at once."""
        self.draining = True
        leaving = list(self.sessions)
        random.shuffle(leaving)
        size = max(1, -(-len(leaving) // DRAIN_GROUPS))
        for start in range(0, len(leaving), size):
            if start:
                await asyncio.sleep(self._settings.drain_s / DRAIN_GROUPS)
            for session in leaving[start : start + size]:
                session.close(CloseCode.GOING_AWAY, "The gateway stops; connect again.")

    def enter(self, session: Session) -> None:
        """A client was let in."""
        self.sessions[session] = None
        self.metrics.sessions[session.identity.tier.name].inc()
        session.send(session.welcome(self.tape.position.epoch, now_ms()))
        if self.source_error is not None:
            session.send_error(ErrorCode.SOURCE_UNAVAILABLE, self.source_error)

    def leave(self, session: Session) -> None:
        """A client is gone."""
        if session not in self.sessions:
            return
        del self.sessions[session]
        self.metrics.sessions[session.identity.tier.name].dec()
        for name in [*session.subscriptions, *session.waiting]:
            self.unsubscribe(session, name)

    def subscribe(
        self,
        session: Session,
        name: str,
        wanted: Filter,
        rows: int,
        since: str | None = None,
        channel: Saved | None = None,
    ) -> None:
        """Begin a subscription in the place of one of that name; its snapshot or what it missed follows.

        `channel` is the saved channel that the filter is of.
        """
        self.unsubscribe(session, name)
        group = self._group(wanted, session.identity.tier)
        subscription = Subscription(session, name, group, rows, channel, self._begin_anew)
        group.members[subscription] = None
        session.subscriptions[name] = subscription
        self.metrics.subscriptions.inc()
        self._loading.begin(subscription, since)

    def unsubscribe(self, session: Session, name: str) -> bool:
        """End a subscription; whether there was one."""
        if (waiting := session.waiting.pop(name, None)) is not None:
            waiting.cancel()
            return True
        subscription = session.subscriptions.pop(name, None)
        if subscription is None:
            return False
        self.metrics.subscriptions.dec()
        self._loading.end(subscription)
        session.drop(subscription)
        group = subscription.group
        del group.members[subscription]
        if not group.members:
            del self._groups[group.key]
            self.metrics.groups[group.tier.delivery].dec()
            (self._push if group.tier.delivery is Delivery.PUSH else self._poll).leave(group)
        return True

    def _begin_anew(self, subscription: Subscription) -> None:
        self._loading.begin(subscription, None)

    def _group(self, wanted: Filter, tier: Tier) -> Group:
        group = self._groups.get((wanted.key, tier))
        if group is None:
            now = asyncio.get_running_loop().time()
            until = tier.until(now_ms())
            group = Group(wanted, tier, self.tape.position._replace(until=until), now)
            self._groups[group.key] = group
            self.metrics.groups[tier.delivery].inc()
            if tier.delivery is Delivery.PUSH:
                self._push.join(group)
            else:
                self._poll.join(group, now, self._overload.step.poll)
                self._wake()
        return group

    async def _keep_up(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do a work for ever, also after an error that nobody foresaw."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("%s failed and begins anew", work.__name__)
            await asyncio.sleep(RETRY_MAX_S)

    async def _follow(self) -> None:
        """Read the tape for ever, whatever becomes of Redis."""
        pause = RETRY_S
        checked = 0.0
        while True:
            try:
                if not self._opened:
                    await self._open()
                elif time.monotonic() - checked >= CHECK_S or self.source_error is not None:
                    if not await self.tape.intact():
                        raise TapeLostError("The tape began anew.")
                    checked = time.monotonic()
                    self._source_is_back()
                found, whole = await self.tape.read()
                if whole:
                    self._caught_up = time.monotonic()
                    self._behind_since = None
                    self._tell_caught_up()
                elif self._behind_since is None:
                    self._behind_since = asyncio.get_running_loop().time()
                await self._take(found)
                pause = RETRY_S
            except TapeLostError as error:
                log.warning("%s All clients get a new snapshot.", error.message)
                self._opened = False
            except (RedisError, OSError) as error:
                self._source_is_away(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MAX_S)
            except Exception as error:
                # What was read may not have reached everybody: only new snapshots are sure to be whole.
                log.exception("what was announced cannot be handled")
                self._opened = False
                self._source_is_away(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MAX_S)

    async def _open(self) -> None:
        await self.tape.open()
        self._opened = True
        self._caught_up = time.monotonic()
        self._source_is_back()
        self._tell_caught_up()
        self._push.clear()
        self._poll.begin_anew(self.tape.position)
        if not self._was_open:
            # Who came before waits with what it came for.
            self._was_open = True
            self._loading.source_is_back()
            return
        for session in self.sessions:
            for subscription in session.subscriptions.values():
                self._begin_anew(subscription)

    async def _take(self, found: Sequence[Announced]) -> None:
        self.meter.announced(found)
        loop = asyncio.get_running_loop()
        for start in range(0, len(found), SLICE):
            if start:
                await asyncio.sleep(0)
            for announced in found[start : start + SLICE]:
                self._push.match(announced)
                self._poll.match(announced)
        self.tape.handled()
        self._push.flush(loop.time(), self.tape.position, self._overload.step.push)
        self._wake()

    def _source_is_away(self, error: Exception) -> None:
        known = self.source_error is not None
        if isinstance(error, BusyLoadingError):
            said = "Redis still reads its data"
        elif isinstance(error, RedisError | OSError):
            said = "Redis does not answer"
        else:
            said = "The gateway failed and begins anew"
        self.source_error = f"{said}; what you miss meanwhile follows."
        if known:
            return
        self.metrics.source_outages.inc()
        log.warning("%s: %s", said, error)
        for session in self.sessions:
            session.send_error(ErrorCode.SOURCE_UNAVAILABLE, self.source_error)

    def _source_is_back(self) -> None:
        if self.source_error is None:
            return
        self.source_error = None
        log.warning("Redis answers again")
        self._loading.source_is_back()
        self._returned = True

    def _tell_caught_up(self) -> None:
        # Not before the tape was read whole: until then the lag is that of the outage.
        if not self._returned:
            return
        self._returned = False
        at_ms = now_ms()
        for session in self.sessions:
            session.send(Heartbeat(at_ms, self.lag_ms))

    def _wake(self) -> None:
        """Set the timer to the next group that is due."""
        times = [at for at in (self._push.schedule.next_at, self._poll.schedule.next_at) if at is not None]
        if not times:
            return
        at = min(times)
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        # The handle cannot be asked: uvloop gives one that has no time where the time has come.
        self._timer, self._timer_at = asyncio.get_running_loop().call_at(at, self._due), at

    def _due(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        step = self._overload.step
        try:
            self._push.flush_due(now, self.tape.position, step.push)
            (self._poll.start_due if self.available else self._poll.put_off)(now, step.poll)
        finally:
            self._wake()

    async def _observe(self) -> None:
        """Watch how late this gateway is, and stretch intervals while it is."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + OBSERVE_S
            await asyncio.sleep(OBSERVE_S)
            now = loop.time()
            behind = 0.0 if self._behind_since is None else now - self._behind_since
            searches = self._poll.late_s(now) if self.available else 0.0
            if self._overload.observe(max(now - due, behind, searches)):
                log.warning("overload step %d: intervals are %s", self._overload.level, self._overload.step)
            self.metrics.overload_step.set(self._overload.level)

    async def _sweep(self) -> None:
        """Look at every session once a second: heartbeats, expired tokens, clients that read too slowly."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            now, at_ms, lag_ms = loop.time(), now_ms(), self.lag_ms
            heartbeat_s = HEARTBEAT_S if self.available else AWAY_HEARTBEAT_S
            for place, session in enumerate(list(self.sessions)):
                try:
                    session.look(now, at_ms, lag_ms, heartbeat_s)
                except SessionEnd as over:
                    session.close(over.code, over.message)
                except Exception:
                    log.exception("session %s failed", session.id)
                    session.close(INTERNAL_ERROR, "The gateway failed; connect again.")
                if place % SWEPT_AT_ONCE == SWEPT_AT_ONCE - 1:
                    await asyncio.sleep(0)
            self._push.tell_position(now, self.tape.position)
            self.metrics.tape_lag.set(lag_ms / 1000)
            self.meter.passed_over(self.tape.unreadable)
            self.meter.flush()
