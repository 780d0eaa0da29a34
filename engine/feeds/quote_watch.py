"""Chooses whose quotes to ask for, where a vendor sends all trades but quotes of a limited number of contracts."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from schemas.errors import FeedError

SEEN_ONCE = 20_000
"""Contracts that traded once lately and wait for their second trade."""

CHANGES_A_TURN = 200
"""Contracts that are asked for at once, at most."""

TURN_S = 1.0
"""Between two turns."""

Send = Callable[[list[str], list[str]], Awaitable[None]]
"""Asks for the quotes of the first symbols, and no longer for those of the second."""


class QuoteWatch:
    """The contracts that traded last, of those that traded more than once: at most `limit`.

    One trade alone does not count: most contracts trade once, and asking for each would only make turmoil.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._once: OrderedDict[str, None] = OrderedDict()
        self._watched: OrderedDict[str, None] = OrderedDict()
        self._asked: set[str] = set()
        self._leaving: list[str] = []
        self._left: list[str] = []
        self._following: asyncio.Task[None] | None = None

    def begin(self, send: Send) -> None:
        """Follow the trades of a connection that was just made, in a task, until `end`."""
        self.connected()
        self._following = asyncio.create_task(self.follow(send))

    def end(self) -> None:
        """The connection is given up."""
        if self._following is not None:
            self._following.cancel()
            self._following = None

    def saw(self, symbols: Iterable[str]) -> list[str]:
        """These contracts traded. Returns those whose quotes have stopped, so that the last one is forgotten."""
        once, watched = self._once, self._watched
        for symbol in symbols:
            if symbol in watched:
                watched.move_to_end(symbol)
            elif symbol in once:
                del once[symbol]
                watched[symbol] = None
                if len(watched) > self._limit:
                    watched.popitem(last=False)
            elif self._limit:
                once[symbol] = None
                if len(once) > SEEN_ONCE:
                    once.popitem(last=False)
        left, self._left = self._left, []
        return left

    def connected(self) -> None:
        """A new connection begins, on which nothing was asked for."""
        self._asked.clear()
        self._leaving, self._left = [], []

    def changes(self) -> tuple[list[str], list[str]]:
        """What to ask for now, newest first, and what no longer; both count as asked."""
        gone = [symbol for symbol in self._asked if symbol not in self._watched]
        self._asked.difference_update(gone)
        new = [symbol for symbol in reversed(self._watched) if symbol not in self._asked][:CHANGES_A_TURN]
        self._asked.update(new)
        # What was on its way when it was cancelled has come by the next turn.
        self._left += [symbol for symbol in self._leaving if symbol not in self._asked]
        self._leaving = gone
        return new, gone

    async def follow(self, send: Send) -> None:
        """Tell `send` of the changes, turn by turn, until cancelled or the connection is lost."""
        with suppress(FeedError):  # whoever receives learns of it too
            while True:
                await asyncio.sleep(TURN_S)
                new, gone = self.changes()
                if new or gone:
                    await send(new, gone)
