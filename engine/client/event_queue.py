"""Events that wait for their reader: bounded, so that whoever brings them waits too."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from engine.client.events import Event


class EventQueue:
    """Events of one subscription, one task puts them and one takes them. Each waits without losing any."""

    def __init__(self, limit: Callable[[], int]) -> None:
        """`limit` is how many may wait now."""
        self._limit = limit
        self._events: deque[Event] = deque()
        self._ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    @property
    def full(self) -> bool:
        """Whether as many wait as may."""
        return len(self._events) >= self._limit() and not self._ended

    def put(self, event: Event) -> None:
        """Add one, also to a full queue: who adds awaits `room` first."""
        self._events.append(event)
        _wake(self._reader)

    def end(self, error: Exception | None = None) -> None:
        """No more come: the reader gets those that wait, then the error or the end."""
        if not self._ended:
            self._ended, self._error = True, error
        _wake(self._reader)
        _wake(self._writer)

    def look_again(self) -> None:
        """The limit has changed."""
        _wake(self._writer)

    async def room(self) -> None:
        """Wait until the queue is no longer full."""
        while self.full:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer

    async def get(self) -> Event:
        """The next one. Raises the error that it ended with, or StopAsyncIteration."""
        while not self._events:
            if self._ended:
                raise self._error or StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        event = self._events.popleft()
        if not self.full:
            _wake(self._writer)
        return event


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
