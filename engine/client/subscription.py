"""One subscription as its reader sees it: events in their order, and the rows as of the last one."""

from __future__ import annotations

from typing import Protocol, Self

from engine.client.event_queue import EventQueue
from engine.client.events import Event
from engine.client.view import Changes, View
from schemas.messages import Batch, Snapshot


class Stream(Protocol):
    """The stream that carries it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The order of a row's values."""
        ...

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription."""
        ...


class Subscription:
    """One subscription: iterate over its events. One task reads it; what it reads too slowly holds the others up."""

    def __init__(self, name: str, queue: EventQueue, view: View, stream: Stream) -> None:
        self.name = name
        self.view = view
        """The rows as of the event that was read last."""
        self.changes = Changes([], [], [])
        """What the event that was read last changed in the view."""
        self._queue = queue
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event. Raises StreamError where the subscription or the stream ended for good."""
        event = await self._queue.get()
        if isinstance(event, Snapshot | Batch):
            if isinstance(event, Snapshot):
                self.view.arrange(self._stream.columns)
            self.changes = self.view.apply(event)
        return event

    async def close(self) -> None:
        """End it; the iteration ends after what had come already."""
        await self._stream.unsubscribe(self)
