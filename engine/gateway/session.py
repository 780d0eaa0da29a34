"""One client's session: what it may say, what it has subscribed, and what it is sent; without its socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from engine.access.rates import Rate
from engine.access.tokens import Identity
from engine.gateway.frames import Batch, Frame, frame_of
from engine.gateway.meter import Meter
from engine.gateway.subscription import Subscription
from engine.settings import Settings
from schemas.errors import FlowtapeError
from schemas.messages import (
    MESSAGE_BYTES,
    CloseCode,
    Encoding,
    Error,
    ErrorCode,
    Heartbeat,
    ServerMessage,
    Welcome,
)
from schemas.tier import Tier


class Outlet(Protocol):
    """The socket as a session sees it."""

    @property
    def clogged(self) -> bool:
        """Whether more is unsent than it should hold."""

    def write(self, frame: Frame) -> None:
        """Send a frame, or leave it unsent for the time being. Never waits; after the end it does nothing."""

    def close(self, code: int, reason: str) -> None:
        """End the connection."""


class SessionEnd(FlowtapeError):  # noqa: N818 - an end, which need not be a failure
    """The session must end, with a close code."""

    def __init__(self, code: CloseCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def limits_of(tier: Tier, settings: Settings) -> dict[str, int]:
    """What a user of a tier may, as `welcome` says it."""
    return {
        "subscriptions": tier.subscriptions,
        "rows": tier.rows,
        "interval_ms": tier.interval_ms,
        "delay_s": tier.delay_s,
        "channels": tier.channels,
        "alerts": tier.alerts,
        "message_bytes": MESSAGE_BYTES,
        "messages_per_minute": settings.messages_per_minute,
        "history_per_minute": settings.history_per_minute,
        "connections": settings.connections,
    }


class Session:
    """What a gateway holds of a connected client. `now` is the event loop's time throughout, seconds."""

    def __init__(
        self,
        session_id: str,
        identity: Identity,
        encoding: Encoding,
        outlet: Outlet,
        settings: Settings,
        meter: Meter,
        clock: Callable[[], float],
    ) -> None:
        self.id = session_id
        self.identity = identity
        self.encoding = encoding
        self.subscriptions: dict[str, Subscription] = {}
        self.waiting: dict[str, asyncio.Task[None]] = {}
        """Subscriptions of channels that could not be read yet, by name."""
        self.messages = Rate(settings.messages_per_minute)
        self.history = Rate(settings.history_per_minute)
        self.sent_at = clock()
        self.clogged_since: float | None = None
        self._outlet = outlet
        self._settings = settings
        self._meter = meter
        self._clock = clock
        self._holding: dict[Subscription, None] = {}
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def clogged(self) -> bool:
        """Whether the client takes nothing at the moment: batches are held and conflated."""
        return self.clogged_since is not None

    def welcome(self, epoch: str, server_time: int) -> Welcome:
        """What the client is told first."""
        tier = self.identity.tier
        return Welcome(self.identity.user, tier.name, limits_of(tier, self._settings), epoch, server_time)

    def send(self, message: ServerMessage) -> None:
        """Send a message that is this session's alone."""
        self.write(frame_of(message, self.encoding))

    def send_error(self, code: ErrorCode, message: str, sub: str | None = None) -> None:
        """Say that something was refused or failed."""
        self._meter.metrics.errors[code].inc()
        self.send(Error(code, message, sub))

    def send_batch(self, subscription: Subscription, batch: Batch, now: float | None = None) -> None:
        """Send a batch, encoded once for all who have the same."""
        meter = self._meter
        meter.rows += len(batch.rows)
        meter.skipped += batch.skipped
        self.write(batch.frame(subscription.name, self.encoding), now)

    def write(self, frame: Frame, now: float | None = None) -> None:
        """Send a frame; from then on the session may be clogged. `now` saves who writes to thousands a look."""
        meter, outlet = self._meter, self._outlet
        meter.frames += 1
        meter.bytes += frame.size
        self.sent_at = self._clock() if now is None else now
        outlet.write(frame)
        if outlet.clogged and self.clogged_since is None:
            self.clogged_since = self.sent_at
            self._writable.clear()

    def holds(self, subscription: Subscription) -> None:
        """A subscription could not send a batch."""
        self._holding[subscription] = None

    def unclog(self) -> None:
        """The client takes frames again: send what was held, as far as it takes it."""
        self.clogged_since = None
        self._writable.set()
        for subscription in list(self._holding):
            if self.clogged:
                break
            if not subscription.loading:
                del self._holding[subscription]
                self._meter.conflations += 1
                subscription.release()

    async def writable(self) -> None:
        """Wait until the client takes frames: before work whose result is large."""
        # Others who waited may have filled it again.
        while self.clogged:
            await self._writable.wait()

    def look(self, now: float, now_ms: int, lag_ms: int, heartbeat_s: float) -> None:
        """What is due by time: a heartbeat. Raises SessionEnd where the session is over."""
        if now_ms >= self.identity.expires * 1000:
            raise SessionEnd(
                CloseCode.NOT_AUTHENTICATED, "The token has expired; come back with a fresh one."
            )
        if self.clogged_since is not None:
            if now - self.clogged_since >= self._settings.slow_client_s:
                raise SessionEnd(CloseCode.TOO_SLOW, "The client reads too slowly.")
        elif now - self.sent_at >= heartbeat_s:
            self.send(Heartbeat(now_ms, lag_ms))

    def close(self, code: int, reason: str) -> None:
        """End the connection."""
        self._outlet.close(code, reason)

    def drop(self, subscription: Subscription) -> None:
        """Forget what a subscription that has ended was holding."""
        self._holding.pop(subscription, None)
