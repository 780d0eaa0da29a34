"""A client of a gateway's stream: a connection that is kept up, with any number of subscriptions on it."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

import msgspec

from engine.backoff import Backoff
from engine.client.address import stream_url
from engine.client.connection import Connection, LostError
from engine.client.event_queue import EventQueue
from engine.client.events import ENDING, Disconnected
from engine.client.follower import Answer, Follower
from engine.client.subscription import Subscription
from engine.client.view import KEPT_ROWS, View
from engine.processes.ending import end
from schemas.errors import StreamError
from schemas.filter import Filter
from schemas.messages import (
    ENCODINGS,
    HEARTBEAT_S,
    MSGPACK,
    Batch,
    CloseCode,
    Error,
    Page,
    ServerMessage,
    Snapshot,
    Subscribe,
    Unsubscribe,
    Welcome,
)

SILENCE_S: Final = 2.5 * HEARTBEAT_S
"""A connection on which nothing came for this long is taken for dead."""

ANSWER_S: Final = 30.0
"""Seconds in which a subscription must begin, and in which older rows must come."""

BACKOFF_S: Final = 0.5
"""Longest first pause before connecting again; it doubles."""

BACKOFF_MAX_S: Final = 30.0
"""Longest pause before connecting again."""

STABLE_S: Final = 10.0
"""A connection that was let in for this long was a good one: the next pause is a first one again."""

QUEUED_EVENTS: Final = 256
"""Events of one subscription that wait for their reader; twice as many while an answer is awaited."""

Token = str | Callable[[], str | Awaitable[str]] | None
"""A token; or what gives one, asked before the first connection and again when the gateway wants a fresh one."""


class _Line:
    """What the stream keeps of one subscription: its queue, and who waits for what."""

    def __init__(self, queue: EventQueue) -> None:
        self.queue = queue
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        self.answer: asyncio.Future[Page | Error] | None = None


class StreamClient:
    """Connects, connects again after failures with growing pauses, and resumes each subscription where it was.

    async with StreamClient("http://127.0.0.1:8000", token) as stream:
        subscription = await stream.subscribe("SPY calls premium>=100k", snapshot=50)
        async for event in subscription:
            ...  # Snapshot, Batch, Error, Disconnected or Reconnected
    """

    def __init__(
        self,
        gateway: str,
        token: Token = None,
        *,
        encoding: str = MSGPACK,
        token_in_hello: bool = False,
        silence_s: float = SILENCE_S,
        backoff_s: float = BACKOFF_S,
        backoff_max_s: float = BACKOFF_MAX_S,
        queued_events: int = QUEUED_EVENTS,
    ) -> None:
        """`gateway` is an address as `http://127.0.0.1:8000`; the token goes into a header, or into `hello`.

        Raises StreamError where it is no address.
        """
        self.url = stream_url(gateway)
        self._token = token
        self._fresh: str | None = None
        self._encoding = ENCODINGS[encoding]
        self._token_in_hello = token_in_hello
        self._silence_s = silence_s
        self._backoff = Backoff(backoff_s, backoff_max_s, random.Random())
        self._queued_events = queued_events
        self._follower = Follower()
        self._lines: dict[str, _Line] = {}
        self._awaited = 0
        self._names = 0
        self._connection: Connection | None = None
        self._renewed = False
        self._task: asyncio.Task[None] | None = None
        self._let_in = asyncio.Event()

    @property
    def welcome(self) -> Welcome:
        """What the gateway said when it let this client in the last time."""
        if (welcome := self._follower.welcome) is None:
            raise StreamError("The stream is not open.", "Use it in `async with`.")
        return welcome

    @property
    def columns(self) -> tuple[str, ...]:
        """The order of a row's values."""
        return self._follower.columns

    @property
    def connected(self) -> bool:
        """Whether there is a connection now, let in."""
        return self._connection is not None

    @property
    def lag_ms(self) -> int:
        """How far behind the tape the gateway last said it is."""
        return self._follower.lag_ms

    async def __aenter__(self) -> Self:
        """Connect and be let in. Raises StreamError where that fails: only later failures are tried again."""
        self._task = asyncio.create_task(self._run())
        let_in = asyncio.create_task(self._let_in.wait())
        try:
            await asyncio.wait({self._task, let_in}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await end([self._task])
            raise
        finally:
            await end([let_in])
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Leave; every iteration ends after what had come already."""
        if self._task is not None:
            await end([self._task])
            if not self._task.cancelled():
                self._task.exception()  # who iterated was told it

    async def subscribe(
        self,
        filter: Filter | str | Mapping[str, Any] | None = None,  # noqa: A002 - the protocol's own word
        *,
        channel: str | None = None,
        snapshot: int | None = None,
        since: str | None = None,
        keep: int | None = KEPT_ROWS,
        name: str | None = None,
    ) -> Subscription:
        """Subscribe to a filter (none is every trade) or to a saved channel, and wait until it begins.

        `snapshot` is how many rows to begin with, None as many as the tier allows; `since` the `pos` to go on
        from instead; `keep` how many rows the view keeps, None all, 0 none. Raises StreamError with the
        gateway's `code` where it is refused.
        """
        self._check_open()
        if name is None:
            self._names += 1
            name = f"s{self._names}"
        wanted: dict[str, Any] | str | None = None
        if channel is None:
            wanted = filter.to_json() if isinstance(filter, Filter) else _plain(filter)
        elif filter is not None:
            raise StreamError("A filter and a channel were given.", "Give one of them.")
        asked = Subscribe(name, wanted, channel, snapshot, since)
        self._follower.subscribe(asked)
        queue = EventQueue(self._limit)
        line = self._lines[name] = _Line(queue)
        try:
            with self._awaiting():
                async with asyncio.timeout(ANSWER_S):
                    await self._send(asked)
                    await line.begun
        except BaseException as error:
            await self._leave(name)
            if isinstance(error, TimeoutError):
                raise StreamError(
                    f"The subscription did not begin in {ANSWER_S:g} s.", "Try again."
                ) from None
            raise
        return Subscription(name, queue, View(keep, self.columns), self)

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; nothing happens where it has ended."""
        await self._leave(subscription.name)

    async def history(self, subscription: Subscription, *, limit: int, before: str | None = None) -> Page:
        """Older rows, newest first: each call goes on below the last one, the first below the snapshot.

        `before` says where instead: the `before` of a snapshot or page. The page is empty where nothing older
        exists. Raises StreamError with the gateway's `code`, or where no answer came.
        """
        self._check_open()
        name = subscription.name
        asked = self._follower.older(name, limit, before)
        if asked is None:
            return Page(name, [], None, False)
        line = self._lines[name]
        answer = line.answer = asyncio.get_running_loop().create_future()
        try:
            with self._awaiting():
                async with asyncio.timeout(ANSWER_S):
                    await self._send(asked)
                    found: Page | Error = await answer
        except TimeoutError:
            raise StreamError(f"No older rows came within {ANSWER_S:g} s.", "Ask again.") from None
        finally:
            self._follower.forget(name)
            line.answer = None
        if isinstance(found, Error):
            raise StreamError(found.message, code=found.code)
        return found

    def _check_open(self) -> None:
        if self._task is None:
            raise StreamError("The stream is not open.", "Use it in `async with`.")
        if self._task.done():
            if not self._task.cancelled():
                self._task.result()
            raise StreamError("The stream is closed.", "Open another one.")

    async def _leave(self, name: str) -> None:
        if (line := self._lines.pop(name, None)) is None:
            return
        _end(line, None)
        if self._follower.unsubscribe(name):
            await self._send(Unsubscribe(name))

    def _limit(self) -> int:
        # Whoever awaits an answer does not read events meanwhile, and the answer comes behind them.
        return self._queued_events * (2 if self._awaited else 1)

    @contextmanager
    def _awaiting(self) -> Iterator[None]:
        self._awaited += 1
        for line in self._lines.values():
            line.queue.look_again()
        try:
            yield
        finally:
            self._awaited -= 1

    async def _send(self, message: msgspec.Struct) -> None:
        """Send, where there is a connection; the opening of the next one says what is still wanted."""
        if self._connection is not None:
            with suppress(LostError):  # who reads it finds out too
                await self._connection.send(message)

    async def _run(self) -> None:
        """Keep a connection up until cancelled. Raises StreamError where that does not help."""
        error: Exception | None = None
        try:
            while True:
                try:
                    await self._connect()
                except LostError as lost:
                    if not self._let_in.is_set():
                        raise
                    pause_s = self._backoff.next()
                    self._tell(Disconnected(lost.message, pause_s))
                    await asyncio.sleep(pause_s)
                    for line in list(self._lines.values()):
                        await line.queue.room()
                except StreamError as refused:
                    if (
                        refused.code != CloseCode.NOT_AUTHENTICATED
                        or not callable(self._token)
                        or self._renewed
                    ):
                        raise
                    self._renewed, self._fresh = True, None
                    if self._let_in.is_set():
                        self._tell(Disconnected(refused.message, 0.0))
        except Exception as failure:
            error = failure
            raise
        finally:
            for line in self._lines.values():
                _end(line, error)
            self._lines.clear()

    async def _connect(self) -> None:
        """One connection, from opening to its end, which is always an error."""
        connection = await Connection.open(
            self.url, self._encoding, await self._current_token(), token_in_hello=self._token_in_hello
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._renewed = False
        try:
            self._follower.receive(connection.welcome)
            # Nothing is awaited between these two: what is subscribed from now on is sent by itself.
            self._connection = connection
            opening = self._follower.opening()
            self._let_in.set()
            async with asyncio.timeout(self._silence_s) as watchdog:
                for message in opening:
                    await self._send(message)
                await self._follow(connection, watchdog)
        except TimeoutError:
            raise LostError(f"{self.url} was silent for {self._silence_s:g} s.") from None
        finally:
            self._connection = None
            self._follower.lost()
            if loop.time() - began >= STABLE_S:
                self._backoff.reset()
            await connection.close()

    async def _current_token(self) -> str | None:
        if not callable(self._token):
            return self._token
        if self._fresh is None:
            given = self._token()
            self._fresh = await given if inspect.isawaitable(given) else given
        return self._fresh

    async def _follow(self, connection: Connection, watchdog: asyncio.Timeout) -> None:
        """Take what comes until the connection ends, or is silent for too long."""
        loop = asyncio.get_running_loop()
        while True:
            watchdog.reschedule(loop.time() + self._silence_s)
            message = await connection.receive()
            for queue in self._take(message):
                # A reader that holds everything up is no silence of the gateway.
                watchdog.reschedule(None)
                await queue.room()

    def _take(self, message: ServerMessage) -> list[EventQueue]:
        """Pass a message on; gives the queues that are full now."""
        full = []
        for name, event in self._follower.receive(message):
            line = self._lines.get(name)
            if line is None:
                continue
            if isinstance(event, Answer):
                if line.answer is not None and not line.answer.done():
                    line.answer.set_result(event.to)
                continue
            if isinstance(event, Error) and event.sub is not None and event.code in ENDING:
                _end(self._lines.pop(name), StreamError(event.message, code=event.code))
                continue
            if isinstance(event, Snapshot | Batch) and not line.begun.done():
                line.begun.set_result(None)
            line.queue.put(event)
            if line.queue.full:
                full.append(line.queue)
        return full

    def _tell(self, event: Disconnected) -> None:
        for line in self._lines.values():
            line.queue.put(event)


def _end(line: _Line, error: Exception | None) -> None:
    """Nothing more comes: tell all who wait."""
    line.queue.end(error)
    told = error or StreamError("The subscription was ended.")
    if not line.begun.done():
        line.begun.set_exception(told)
        line.begun.exception()  # seen, also where nobody waits any more
    if line.answer is not None and not line.answer.done():
        line.answer.set_exception(told)


def _plain(filter: str | Mapping[str, Any] | None) -> dict[str, Any] | str:  # noqa: A002
    return filter if isinstance(filter, str) else dict(filter or {})
