"""The client's half of the protocol without sockets: what to say on a connection, what each message means to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from engine.client.events import ENDING, Event, Reconnected
from schemas.errors import StreamError
from schemas.messages import (
    Batch,
    Error,
    ErrorCode,
    Heartbeat,
    History,
    Page,
    ServerMessage,
    Snapshot,
    Subscribe,
    Welcome,
)
from schemas.trade import COLUMNS

_OF_HISTORY: Final = frozenset(
    {
        ErrorCode.BAD_POSITION,
        ErrorCode.PAGE_FAILED,
        ErrorCode.RATE_LIMITED,
        ErrorCode.UNKNOWN_SUB,
    }
)
"""Errors that answer a question for older rows, where one is open."""


@dataclass(slots=True)
class _Subscribed:
    """One subscription, over all connections."""

    asked: Subscribe
    pos: str | None
    """Of the last message that came; the next connection goes on from it."""
    before: str | None = None
    """Where the next page of history begins: a cursor or a position; None where there is nothing older."""
    history: History | None = None
    """The open question for older rows."""
    forgotten: int = 0
    """Questions on this connection whose asker went away before the answer came."""
    interrupted: bool = False
    """A connection was lost, and nothing has come on the next one yet."""

    def message(self) -> Subscribe:
        """What subscribes it now."""
        return msgspec.structs.replace(self.asked, since=self.pos)


class Answer(msgspec.Struct, frozen=True):
    """What came of a question for older rows."""

    to: Page | Error


Delivery = tuple[str, Event | Answer]
"""Name of a subscription, and what it is to be told."""


class Follower:
    """All subscriptions of one client, whichever connection carries them."""

    def __init__(self) -> None:
        self._held: dict[str, _Subscribed] = {}
        self.welcome: Welcome | None = None
        """Of the newest connection."""
        self.lag_ms = 0
        """How far the gateway last said it is behind."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The order of a row's values."""
        return self.welcome.columns if self.welcome else COLUMNS

    def subscribe(self, message: Subscribe) -> None:
        """Begin one; the message is then sent, or is part of the next opening."""
        if message.sub in self._held:
            raise StreamError(f"There is a subscription {message.sub!r} already.", "End it, or name another.")
        self._held[message.sub] = _Subscribed(message, message.since, message.since)

    def unsubscribe(self, sub: str) -> bool:
        """Forget one; False where there is none. What still comes for it is passed over."""
        return self._held.pop(sub, None) is not None

    def older(self, sub: str, limit: int, before: str | None) -> History | None:
        """The question for older rows, below `before` or below the last page; None where there are none."""
        held = self._held.get(sub)
        if held is None:
            raise StreamError(f"There is no subscription {sub!r}.", code=ErrorCode.UNKNOWN_SUB)
        if held.history is not None:
            raise StreamError(f"{sub!r} waits for older rows already.", "Await that answer first.")
        cursor = held.before if before is None else before
        held.history = None if cursor is None else History(sub, cursor, limit)
        return held.history

    def forget(self, sub: str) -> None:
        """Nobody waits for the older rows of a subscription any more."""
        held = self._held.get(sub)
        if held is not None and held.history is not None:
            held.history = None
            held.forgotten += 1

    def opening(self) -> list[Subscribe | History]:
        """What a new connection says once it is let in: each subscription goes on where it was."""
        said: list[Subscribe | History] = []
        for held in self._held.values():
            said.append(held.message())
            if held.history is not None:
                said.append(held.history)
        return said

    def lost(self) -> None:
        """The connection is gone."""
        for held in self._held.values():
            held.interrupted = True
            held.forgotten = 0

    def receive(self, message: ServerMessage) -> list[Delivery]:
        """What a message of the server means, in the order in which to tell it."""
        if isinstance(message, Batch | Snapshot):
            held = self._held.get(message.sub)
            return [] if held is None else self._follow(held, message)
        if isinstance(message, Page):
            held = self._held.get(message.sub)
            return [] if held is None else self._answer(held, message)
        if isinstance(message, Heartbeat):
            self.lag_ms = message.lag_ms
        elif isinstance(message, Welcome):
            if message.columns != self.columns:
                # Rows that are held have another order: each subscription begins anew.
                for held in self._held.values():
                    held.pos = None
            self.welcome = message
        elif isinstance(message, Error):
            return self._error(message)
        return []

    def _follow(self, held: _Subscribed, message: Batch | Snapshot) -> list[Delivery]:
        held.pos = message.pos
        if isinstance(message, Snapshot):
            # Below a snapshot of no rows is everything: its position says so.
            held.before = message.before or (message.pos if message.more else None)
        if not held.interrupted:
            return [(message.sub, message)]
        held.interrupted = False
        # A position that cannot be honoured brings a snapshot: whatever else comes goes on without a gap.
        return [(message.sub, Reconnected(isinstance(message, Batch))), (message.sub, message)]

    def _answer(self, held: _Subscribed, answer: Page | Error) -> list[Delivery]:
        if held.forgotten:
            held.forgotten -= 1
            return []
        if held.history is None:
            return []
        held.history = None
        if isinstance(answer, Page):
            held.before = answer.before
        return [(held.asked.sub, Answer(answer))]

    def _error(self, error: Error) -> list[Delivery]:
        if error.sub is None:
            return [(sub, error) for sub in self._held]
        held = self._held.get(error.sub)
        if held is None:
            return []
        if (held.history is not None or held.forgotten) and error.code in _OF_HISTORY:
            return self._answer(held, error)
        if error.code in ENDING:
            del self._held[error.sub]
        return [(error.sub, error)]
