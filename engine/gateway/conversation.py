"""What a client says and what is done about it; every limit on it is kept here."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from redis.exceptions import RedisError

from engine.channels import Channels
from engine.clock import now_ms
from engine.gateway.announced import announced_of
from engine.gateway.frames import rows_message
from engine.gateway.hub import Hub
from engine.gateway.session import Session, SessionEnd
from engine.gateway.subscription import Saved
from engine.metrics import QueryKind, Refusal
from engine.search_async import AsyncSearch
from schemas.channel import Channel, is_link
from schemas.errors import ChannelError, FilterError, FlowtapeError, MessageError, SearchRequestError
from schemas.filter import Filter
from schemas.filter_text import parse_filter
from schemas.messages import (
    CloseCode,
    ErrorCode,
    Hello,
    History,
    Ping,
    Pong,
    Subscribe,
    Unsubscribe,
)
from schemas.stream_position import is_position

log = logging.getLogger(__name__)

CHANNEL_RETRY_S: Final = 2.0
"""Pause before channels are read again where Redis did not answer."""


class Conversation:
    """Handles the messages of all sessions of a gateway."""

    def __init__(self, hub: Hub, channels: Channels, search: AsyncSearch) -> None:
        self._hub = hub
        self._channels = channels
        self._search = search
        self._metrics = hub.metrics

    async def receive(self, session: Session, frame: bytes | str, now: float) -> None:
        """Take in one message; `now` is loop time. Raises SessionEnd for one that ends the session."""
        if not session.messages.allow(now):
            self._metrics.refused[Refusal.MESSAGES].inc()
            raise SessionEnd(
                CloseCode.TOO_MANY, f"More than {session.messages.per_minute} messages a minute."
            )
        try:
            message = session.encoding.client_message(frame)
        except MessageError as error:
            self._metrics.refused[Refusal.BAD_MESSAGE].inc()
            raise SessionEnd(CloseCode.BAD_MESSAGE, error.message) from error
        self._metrics.messages[type(message).__name__.lower()].inc()
        match message:
            case Subscribe():
                await self._subscribe(session, message)
            case Unsubscribe():
                if not self._hub.unsubscribe(session, message.sub):
                    self._unknown(session, message.sub)
            case History():
                await self._history(session, message, now)
            case Ping():
                session.send(Pong(message.t))
            case Hello():
                pass  # It was let in by its handshake, and says so all the same.

    async def _subscribe(self, session: Session, message: Subscribe) -> None:
        tier = session.identity.tier
        if (message.filter is None) is (message.channel is None):
            session.send_error(
                ErrorCode.BAD_FILTER, "Give either a filter or a channel; {} is every trade.", message.sub
            )
            return
        names = session.subscriptions.keys() | session.waiting.keys()
        if message.sub not in names and len(names) >= tier.subscriptions:
            session.send_error(
                ErrorCode.SUBSCRIPTION_LIMIT,
                f"The tier {tier.name} has {tier.subscriptions} subscriptions a connection. End one first.",
                message.sub,
            )
            return
        try:
            await self._begin(session, message)
        except FilterError as error:
            session.send_error(ErrorCode.BAD_FILTER, str(error), message.sub)
        except ChannelError as error:
            session.send_error(ErrorCode.UNKNOWN_CHANNEL, str(error), message.sub)
        except (FlowtapeError, RedisError, OSError):
            session.send_error(
                ErrorCode.SOURCE_UNAVAILABLE, "The channel cannot be read now; it follows.", message.sub
            )
            self._hub.unsubscribe(session, message.sub)
            session.waiting[message.sub] = asyncio.create_task(self._begin_later(session, message))

    async def _begin(self, session: Session, message: Subscribe) -> None:
        """Begin a subscription. Raises FilterError and ChannelError, and RedisError where a channel can't be read."""
        saved: Saved | None = None
        if message.channel is not None:
            channel = await self._channels.get(session.identity.user, message.channel)
            link = message.channel if is_link(message.channel) else ""
            wanted, saved = channel.filter, Saved(channel.key, link)
        elif isinstance(message.filter, str):
            wanted = parse_filter(message.filter)
        elif isinstance(message.filter, dict):
            wanted = Filter.from_json(message.filter)
        else:
            raise FilterError(f"The filter is {message.filter!r:.40}.", "Expected an object or a text.")
        most = session.identity.tier.rows
        rows = most if message.snapshot is None else min(message.snapshot, most)
        session.waiting.pop(message.sub, None)
        self._hub.subscribe(session, message.sub, wanted, rows, message.since, saved)

    async def _begin_later(self, session: Session, message: Subscribe) -> None:
        """Begin a subscription as soon as its channel can be read; `Hub.unsubscribe` ends the attempts."""
        while True:
            await asyncio.sleep(CHANNEL_RETRY_S)
            try:
                await self._begin(session, message)
                return
            except ChannelError as error:
                del session.waiting[message.sub]
                session.send_error(ErrorCode.UNKNOWN_CHANNEL, str(error), message.sub)
                return
            except (FlowtapeError, RedisError, OSError):
                continue

    async def _history(self, session: Session, message: History, now: float) -> None:
        subscription = session.subscriptions.get(message.sub)
        if subscription is None:
            self._unknown(session, message.sub)
            return
        if not session.history.allow(now):
            session.send_error(
                ErrorCode.RATE_LIMITED,
                f"More than {session.history.per_minute} pages a minute. Ask again later.",
                message.sub,
            )
            return
        tier, snapshot = subscription.group.tier, subscription.snapshot
        head: dict[str, Any] = {"op": "page", "sub": message.sub}
        before = message.before
        ended = before is None
        if snapshot is not None and before == snapshot.pos:
            before, ended = snapshot.before, not snapshot.more
        elif before is not None and is_position(before):
            # Behind a later position there is also what batches left out: from the newest on.
            before = None
        if ended:
            session.write(rows_message({**head, "before": None, "more": False}, (), session.encoding))
            return
        await session.writable()
        begun = time.perf_counter()
        try:
            until = tier.until(now_ms())
            limit = min(message.limit, tier.rows)
            page = await self._search.page(subscription.group.filter, limit, before, until)
        except SearchRequestError as error:
            session.send_error(ErrorCode.BAD_POSITION, str(error), message.sub)
            return
        except FlowtapeError as error:
            session.send_error(ErrorCode.PAGE_FAILED, str(error), message.sub)
            return
        except (RedisError, OSError):
            session.send_error(ErrorCode.PAGE_FAILED, "Redis does not answer; ask again.", message.sub)
            return
        self._metrics.query[QueryKind.PAGE].observe_many(time.perf_counter() - begun)
        rows = announced_of(page.rows)
        head |= {"before": page.before, "more": page.before is not None}
        await session.writable()
        session.write(rows_message(head, rows, session.encoding))

    def _unknown(self, session: Session, sub: str) -> None:
        session.send_error(ErrorCode.UNKNOWN_SUB, f"There is no subscription {sub!r}.", sub)

    async def follow_channels(self) -> None:
        """Give subscribed channels their new filter when they are changed, until cancelled."""
        while True:
            try:
                async for key in self._channels.changes():
                    await self._changed(key)
            except (FlowtapeError, RedisError, OSError) as error:
                log.warning("changes of channels cannot be followed: %s", error)
                await asyncio.sleep(CHANNEL_RETRY_S)

    async def _changed(self, key: str | None) -> None:
        """A channel was changed or deleted; None is: any may have been."""
        subscribed = {
            subscription.channel.key
            for session in self._hub.sessions
            for subscription in session.subscriptions.values()
            if subscription.channel is not None and key in (None, subscription.channel.key)
        }
        for known in subscribed:
            channel: Channel | None = None
            why = ""
            try:
                channel = await self._channels.read(known)
            except ChannelError as error:
                why = str(error)
            self._apply(known, channel, why)

    def _apply(self, key: str, channel: Channel | None, why: str) -> None:
        for session in list(self._hub.sessions):
            for name, subscription in list(session.subscriptions.items()):
                saved = subscription.channel
                if saved is None or saved.key != key:
                    continue
                if channel is None or (saved.link and saved.link != channel.link):
                    self._hub.unsubscribe(session, name)
                    session.send_error(
                        ErrorCode.CHANNEL_DELETED, why or "The channel is no longer shared.", name
                    )
                elif channel.filter != subscription.group.filter:
                    self._hub.subscribe(session, name, channel.filter, subscription.rows, None, saved)
