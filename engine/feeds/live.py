"""What a live feed is, and the supervisor that keeps one connected.

A vendor's module gives a `LiveFeed`: a session, which speaks the vendor's protocol, and a decoder, which
makes events of its frames. The supervisor does the rest: it connects again with exponential backoff and full
jitter, takes a silent connection for dead, publishes no redelivered print twice, and counts.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self, runtime_checkable

from engine.backoff import Backoff
from engine.feeds.decoder import Decoder, reject
from engine.processes.ending import end
from engine.publish import Publisher
from engine.settings import Settings
from schemas.errors import FeedError, FeedRefusedError, SettingsError
from schemas.print import Event, Print, Reference

Frame = bytes | str

STABLE_S = 60.0
"""A connection that lived this long was a good one: the next pause begins at `feed_backoff_s` again."""

OPEN_S = 20.0
"""Seconds in which a session must be connected, authenticated and subscribed."""

CLOSE_S = 5.0
"""Seconds that closing a session may take."""

SILENCE_DOUBLINGS = 5
"""How often the allowed silence doubles while connections bring nothing: a closed market is no fault."""

RECENT_IDS = 100_000
"""Ids of published prints that are remembered at least, against redelivery; at most twice as many are."""


class Session(Protocol):
    """One vendor's connection. The same object is entered anew each time, so it may keep where it was."""

    async def __aenter__(self) -> Self:
        """Connect, authenticate, subscribe.

        Raises FeedRefusedError where the vendor refuses the key or the subscription (connecting again would
        not help) and FeedError for what may pass.
        """
        ...

    async def __aexit__(self, *exc: object) -> None:
        """Close; what still arrives is lost."""
        ...

    async def receive(self) -> Frame | list[Event]:
        """The next frame, or events where the session decodes by itself (`LiveFeed.decoder` is None).

        A heartbeat counts as a sign of life, so it should come back too; the decoder makes nothing of it.
        Raises FeedError when the connection ended, FeedRefusedError when it ended for good. May be cancelled
        while it waits, and must not lose a frame then.
        """
        ...


@runtime_checkable
class ConnectionAware(Protocol):
    """A decoder that must know when a new connection begins, to forget halves of messages or number anew."""

    def connected(self) -> None:
        """A new connection begins."""
        ...


@runtime_checkable
class Observer(Protocol):
    """A session that wants to know what became of its frames, to ask for the quotes of what trades."""

    def saw(self, prints: list[Print]) -> list[str]:
        """These prints were new. Returns contracts whose quotes it no longer asks for."""
        ...


@runtime_checkable
class Forgetful(Protocol):
    """A decoder that attaches quotes, and must not attach those that are no longer kept up to date."""

    def forget(self, symbols: list[str]) -> None:
        """Forget the quotes of these contracts."""
        ...


@dataclass(frozen=True, slots=True)
class LiveFeed:
    """One live feed; a module of `engine.feeds` names it `FEED`."""

    name: str
    """As on the command line, and as in the prints' `feed`."""
    summary: str
    """One line for people."""
    session: Callable[[Settings], Session]
    decoder: Callable[[Settings], Decoder] | None = None
    """None where the session's `receive` returns events."""
    needs: tuple[str, ...] = ()
    """Settings that must be set, by name."""
    synthetic: bool = False
    """Its prints are made up: said wherever they are shown."""


class FeedState(StrEnum):
    """Where a feed stands."""

    CONNECTING = "connecting"
    LIVE = "live"
    WAITING = "waiting"
    """Pausing before it connects again."""
    REFUSED = "refused"
    STOPPED = "stopped"


@dataclass(slots=True)
class FeedStatus:
    """What a feed did so far; counts are since its start."""

    name: str
    state: FeedState = FeedState.CONNECTING
    connected_at: int | None = None
    """Unix ms of the present connection; None while there is none."""
    frames: int = 0
    bytes: int = 0
    prints: int = 0
    references: int = 0
    rejects: int = 0
    repeated: int = 0
    """Prints redelivered after a reconnect and not published again."""
    reconnects: int = 0
    last_error: str = ""


class RecentIds:
    """The ids of the newest prints: at least `limit`, at most twice as many, in two generations."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._young: set[str] = set()
        self._old: set[str] = set()

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, print_id: str) -> bool:
        """Remember an id; False where it was there already."""
        if print_id in self._young or print_id in self._old:
            return False
        self._young.add(print_id)
        if len(self._young) >= self._limit:
            self._old, self._young = self._young, set()
        return True


def require_settings(feed: LiveFeed, settings: Settings) -> None:
    """Raises SettingsError where a setting that the feed needs is not set."""
    missing = [f"FLOWTAPE_{name.upper()}" for name in feed.needs if getattr(settings, name) is None]
    if missing:
        verb, them = ("is", "it") if len(missing) == 1 else ("are", "them")
        raise SettingsError(
            f"{' and '.join(missing)} {verb} not set, and the feed {feed.name} needs {them}.",
            f"Set {them} in the environment, or in flowtape.toml in lower case and without FLOWTAPE_.",
        )


class Supervisor:
    """Keeps one feed connected and its prints flowing into a publisher until it is stopped."""

    def __init__(
        self, feed: LiveFeed, settings: Settings, publisher: Publisher, rng: random.Random | None = None
    ) -> None:
        require_settings(feed, settings)
        self._feed, self._settings, self._publisher = feed, settings, publisher
        self._session = feed.session(settings)
        self._decoder: Decoder | None = feed.decoder(settings) if feed.decoder else None
        observer: object = self._session
        self._observer = observer if isinstance(observer, Observer) else None
        self._recent = RecentIds(RECENT_IDS)
        self._backoff = Backoff(settings.feed_backoff_s, settings.feed_backoff_max_s, rng or random.Random())
        self._quiet = 0
        self._stopping = asyncio.Event()
        self.status = FeedStatus(feed.name)

    def stop(self) -> None:
        """End `run` soon; safe in a signal handler of the loop."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    async def run(self) -> None:
        """Run until `stop`. Raises FeedRefusedError where connecting again would not help.

        What was decoded is in the publisher then; whoever owns the publisher drains it.
        """
        work = asyncio.create_task(self._connections())
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            await end([work])
            if not work.cancelled():
                work.result()
        finally:
            await end([work, stop])
            self.status.connected_at = None
            if self.status.state is not FeedState.REFUSED:
                self.status.state = FeedState.STOPPED

    async def _connections(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._connection()
            except FeedRefusedError as error:
                self.status.state, self.status.last_error = FeedState.REFUSED, str(error)
                raise
            except FeedError as error:
                self.status.last_error = str(error)
            self.status.connected_at = None
            self.status.state = FeedState.WAITING
            if loop.time() - began >= STABLE_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next())
            self.status.reconnects += 1

    async def _connection(self) -> None:
        """One connection, from opening to its end, which is always an error."""
        self.status.state = FeedState.CONNECTING
        try:
            async with asyncio.timeout(OPEN_S):
                await self._session.__aenter__()
        except TimeoutError:
            raise FeedError(f"{self._feed.name} did not let us in within {OPEN_S:g} s.") from None
        except FeedError:
            raise
        except Exception as error:
            raise FeedError(f"Connecting to {self._feed.name} failed: {_told(error)}.") from error
        try:
            self.status.state = FeedState.LIVE
            self.status.connected_at = _now_ms()
            decoder: object = self._decoder
            if isinstance(decoder, ConnectionAware):
                decoder.connected()
            await self._follow()
        finally:
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await self._session.__aexit__(None, None, None)

    async def _follow(self) -> None:
        """Publish what the session receives until it ends or falls silent."""
        loop = asyncio.get_running_loop()
        silence_s = self._settings.feed_silence_s * 2.0**self._quiet
        frames_before = self.status.frames
        try:
            async with asyncio.timeout(None) as watchdog:
                while True:
                    watchdog.reschedule(loop.time() + silence_s)
                    received = await self._receive()
                    watchdog.reschedule(None)
                    await self._publish(received)
        except TimeoutError:
            raise FeedError(f"{self._feed.name} was silent for {silence_s:g} s.") from None
        finally:
            heard = self.status.frames > frames_before
            self._quiet = 0 if heard else min(self._quiet + 1, SILENCE_DOUBLINGS)

    async def _receive(self) -> Frame | list[Event]:
        try:
            return await self._session.receive()
        except FeedError:
            raise
        except Exception as error:
            # Whatever a vendor sent that its session did not expect: the next connection may be a better one.
            raise FeedError(f"The connection to {self._feed.name} ended: {_told(error)}.") from error

    async def _publish(self, received: Frame | list[Event]) -> None:
        status = self.status
        status.frames += 1
        if isinstance(received, list):
            events = received
        else:
            status.bytes += len(received)
            events = self._decode(received)
        fresh: list[Event] = []
        prints: list[Print] = []
        for event in events:
            if isinstance(event, Print):
                if not self._recent.add(event.id):
                    status.repeated += 1
                    continue
                prints.append(event)
            elif isinstance(event, Reference):
                status.references += 1
            else:
                status.rejects += 1
            fresh.append(event)
        status.prints += len(prints)
        if prints and self._observer is not None and (unquoted := self._observer.saw(prints)):
            decoder: object = self._decoder
            if isinstance(decoder, Forgetful):
                decoder.forget(unquoted)
        if fresh:
            await self._publisher.put(fresh)

    def _decode(self, frame: Frame) -> list[Event]:
        assert self._decoder is not None, "a session without a decoder returns events"
        try:
            return self._decoder.decode(frame, _now_ms())
        except Exception as error:  # decoders promise never to raise; a feed must outlive a broken promise
            return [reject(self._feed.name, f"The decoder failed: {_told(error)}.", frame)]


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
